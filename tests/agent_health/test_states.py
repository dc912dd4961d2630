"""The four states follow from what was read; the books add the why and the when, and never contradict it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polc.agent.board import Board
from polc.agent.states import (
    BreakerHealth,
    Enforcing,
    Goal,
    InputsHealth,
    NotEnforcing,
    Pending,
    Readiness,
    Unknown,
    WorkerHealth,
    described,
    readiness,
    state_of,
)
from polc.cli.commands.agent import text
from polc.runtime.standing import State as Found
from polc.tests.agent_health.reports import BROKEN, DARK, GOOD, LATE, Clock, X, Y, interface, reading, report

IN_FORCE = (Found.ENFORCING, Found.BYPASSABLE)
GOALS = st.builds(
    Goal,
    identity=st.sampled_from([None, X, Y]),
    fault=st.sampled_from(["", "the compiler died", "cannot attach: Operation not permitted"]),
    next_try=st.sampled_from([None, 0.0, 4.0]),
)


@given(found=st.sampled_from(Found), goal=GOALS)
def test_whatever_the_books_say_the_reading_decides(found: Found, goal: Goal) -> None:
    state = state_of(reading(found), goal)
    assert isinstance(state, Enforcing | Pending) == (found in IN_FORCE)
    if isinstance(state, Enforcing | Pending):
        assert state.identity == X
        assert isinstance(state, Enforcing) == (goal.identity == X or goal == Goal(None, "", goal.next_try))
    else:
        unreadable = found.value == "other-version"  # its gates may enforce what this version cannot read
        assert isinstance(state, Unknown if unreadable else NotEnforcing)


@given(goal=GOALS)
def test_without_a_reading_it_is_unknown_never_absent(goal: Goal) -> None:
    assert state_of(None, goal, "cannot list the filters") == Unknown(
        reason="cannot list the filters", next_try=goal.next_try
    )
    assert isinstance(state_of(None, goal), Unknown)


def test_a_doubt_about_what_is_in_force_as_wanted_is_a_note() -> None:
    state = state_of(reading(Found.ENFORCING), Goal(X, "cannot set the pins right", 4.0))
    assert state == Enforcing(identity=X, generation=3, note="cannot set the pins right")


def test_another_pair_wanted_is_pending_with_reason_and_next_try() -> None:
    assert state_of(reading(Found.ENFORCING), Goal(Y, "no memory", 4.0)) == Pending(
        identity=X, generation=3, wanted=Y, reason="no memory", next_try=4.0
    )
    assert state_of(reading(Found.ENFORCING), Goal(Y)) == Pending(
        identity=X, generation=3, wanted=Y, reason="not done yet", next_try=0.0
    )
    uncompiled = state_of(reading(Found.ENFORCING), Goal(None, "policy.yaml:3:1: unknown tier"))
    assert uncompiled == Pending(
        identity=X, generation=3, wanted=None, reason="policy.yaml:3:1: unknown tier", next_try=None
    )


def test_not_enforcing_says_what_the_kernel_shows_and_then_why() -> None:
    state = state_of(reading(Found.ABSENT), Goal(X, "no memory", 4.0))
    assert state == NotEnforcing(reason="fact of absent; no memory", next_try=4.0)
    assert state_of(reading(Found.CLOSED), Goal()) == NotEnforcing(reason="summary of closed", next_try=None)


def test_a_program_that_may_run_first_is_no_bypass() -> None:
    allowed = state_of(reading(Found.BYPASSABLE), Goal(X), allowed=["other"])
    named = state_of(reading(Found.BYPASSABLE), Goal(X))
    assert isinstance(allowed, Enforcing)
    assert isinstance(named, Enforcing)
    assert (allowed.bypass, named.bypass) == ((), ("other",))
    assert interface(allowed).good
    assert not interface(named).good


def test_each_state_reads_as_one_line() -> None:
    short = "a1a1a1a1a1a1"
    assert described(GOOD) == f"enforcing {short}, generation 3"
    assert described(LATE) == (
        f"enforcing b2b2b2b2b2b2, generation 2; {short} pending: the verifier refused it,"
        " not tried again before the input or the device changes"
    )
    assert described(BROKEN) == "not enforcing: no polc gate is attached, next try in 8.0 s"
    assert described(DARK) == "unknown: cannot read, next try in 1.0 s"
    assert described(state_of(reading(Found.ABSENT), Goal(X))) == "not enforcing: fact of absent, due now"


def test_one_bad_endpoint_degrades_the_node_and_does_not_fail_it() -> None:
    assert readiness(report(interface(GOOD))) == (Readiness.READY, ())
    for bad in (LATE, BROKEN, DARK):
        ready, reasons = readiness(report(interface(GOOD, "a"), interface(bad, "b")))
        assert ready is Readiness.DEGRADED
        assert [reason.split(":")[0] for reason in reasons] == ["b"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"inputs": InputsHealth(state="refused", number=5, in_use=4, problems=("a.yaml:1:1: no",))},
            "a.yaml",
        ),
        ({"worker": WorkerHealth(state="waiting", reason="it died")}, "it died"),
        ({"breaker": BreakerHealth(open=True, reason="too many")}, "too many"),
    ],
    ids=["inputs", "worker", "breaker"],
)
def test_what_concerns_the_node_degrades_it_too(changes: dict[str, object], words: str) -> None:
    ready, reasons = readiness(report(interface(GOOD), **changes))
    assert ready is Readiness.DEGRADED
    assert words in reasons[0]


def test_not_ready_before_everything_was_looked_at_and_without_a_revision() -> None:
    assert readiness(report(phase="starting"))[0] is Readiness.NOT_READY
    none = InputsHealth(state="refused", number=1, in_use=0, problems=("a.yaml:1:1: no",))
    assert readiness(report(inputs=none)) == (
        Readiness.NOT_READY,
        ("no revision of the files is in use", "a.yaml:1:1: no"),
    )


def test_the_board_carries_ages_and_waits_on_to_the_moment_of_reading() -> None:
    clock = Clock()
    board = Board(clock, report(phase="starting"))
    board.pin(report(interface(BROKEN), interface(GOOD)))
    clock.now += 5
    board.beat()
    clock.now += 1
    seen = board.read()
    assert (seen.heartbeat, seen.uptime) == (1.0, 106.0)
    assert [one.seconds for one in seen.interfaces] == [16.0, 16.0]
    assert seen.interfaces[0].state == BROKEN.model_copy(update={"next_try": 2.0})
    assert seen.interfaces[1].state == GOOD


def test_a_pass_over_files_that_want_nothing_here_says_so() -> None:
    assert text(report(), dry=False).splitlines() == [
        "the files want no endpoint on node node-1",
        "0 kernel writes",
    ]
    refused = report(inputs=InputsHealth(state="refused", number=4, in_use=0, problems=("a.yaml: bad",)))
    assert text(refused, dry=True).splitlines() == ["problem: a.yaml: bad", "nothing was written"]
