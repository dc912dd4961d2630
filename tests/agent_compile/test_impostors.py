"""Whatever the child does, the agent goes on: it trusts no answer and waits for none for ever."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from polc.agent.backoff import Backoff
from polc.agent.compiling import Failed, Finished, Made, Refused, WorkerDied
from polc.tests.agent_compile.asking import Asked, text

IMPOSTOR = Path(__file__).with_name("impostor.py")
FILE = text("bad.yaml", "kind: Pod")
SOON = Backoff(base=0.01, cap=0.01)


def asked_of(manner: str, limit: float = 60.0) -> Asked:
    return Asked(command=(sys.executable, str(IMPOSTOR), manner), limit=limit, backoff=SOON)


def outcome(manner: str, limit: float = 60.0) -> tuple[list[Failed], list[str]]:
    """What was said of the endpoints, in order, and the reasons of the deaths."""
    asked = asked_of(manner, limit)
    try:
        endpoints = asked.load(1, {"bad.yaml": "kind: Pod"})
        answers = asked.want(1, endpoints.values())
    finally:
        asked.compiler.close()
    assert not [answer for answer in answers if isinstance(answer, Made)]
    failed = [answer for answer in answers if isinstance(answer, Failed)]
    return failed, [answer.reason for answer in answers if isinstance(answer, WorkerDied)]


@pytest.mark.parametrize(
    ("manner", "words"),
    [
        ("wrong", "was compiled for endpoint a/two; Pod/a/one was named"),
        ("forged", "was altered after compilation"),
        ("keeps", "means a pair that nobody has"),
    ],
)
def test_a_pair_for_another_endpoint_or_altered_is_refused(manner: str, words: str) -> None:
    failed, deaths = outcome(manner)
    assert [answer.endpoint.name for answer in failed] == ["one", "two"]
    assert words in failed[0].findings[0].message
    assert deaths == []


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("dies", "it ended with status 7: out of luck"),
        ("babbles", "it does not keep to the protocol: a header claims"),
        ("huge", "it does not keep to the protocol: a header claims 4294967295 bytes"),
        ("one", "it does not keep to the protocol: a pair of 1 objects"),
        ("invents", "it does not keep to the protocol: an endpoint that it never told of"),
    ],
)
def test_the_endpoint_that_the_child_dies_of_comes_last_and_is_given_up_after_the_second_time(
    manner: str, reason: str
) -> None:
    failed, deaths = outcome(manner)
    assert [answer.endpoint.name for answer in failed] == ["two", "one"]
    assert len(deaths) >= 1
    assert all(death.startswith(reason) for death in deaths)
    assert f"the compiler died of it: {reason}" in failed[1].findings[0].message


def test_a_compile_that_takes_too_long_is_ended_and_the_others_are_served() -> None:
    failed, deaths = outcome("stuck", limit=2.0)
    assert [answer.endpoint.name for answer in failed] == ["two", "one"]
    assert set(deaths) <= {"no sign of life for 2 seconds"}
    assert "no sign of life" in failed[1].findings[0].message


def test_a_file_that_the_child_dies_of_refuses_the_revision_and_a_new_one_is_tried() -> None:
    asked = asked_of("dies-reading")
    try:
        for revision in (1, 2):
            asked.compiler.submit(revision, [FILE])
            refused, _ = asked.until(Refused)
            assert refused.revision == revision
            assert refused.findings[0].at == "bad.yaml"
            assert "died reading bad.yaml: it ended with status 7" in refused.findings[0].message
    finally:
        asked.compiler.close()


def test_a_child_that_never_tells_of_the_endpoints_has_no_inventory() -> None:
    asked = asked_of("vague")
    try:
        asked.compiler.submit(1, [FILE])
        refused, deaths = asked.until(Refused)
        assert [type(one) for one in deaths] == [WorkerDied]
        assert "the endpoints of a frame before the first" in refused.findings[0].message
    finally:
        asked.compiler.close()


def test_a_child_that_reads_nothing_is_replaced_and_the_asker_never_waits() -> None:
    asked = asked_of("deaf", limit=0.5)
    try:
        asked.compiler.submit(1, [text("big.yaml", "x" * 1_000_000)])
        died, _ = asked.until(WorkerDied)
        assert died.reason == "it read nothing for 0.5 seconds"
    finally:
        asked.compiler.close()


def test_a_command_that_cannot_be_started_is_tried_again_and_said() -> None:
    asked = Asked(command=("/nonexistent/python",), backoff=SOON)
    try:
        for _ in range(2):
            died, _ = asked.until(WorkerDied)
            assert died.reason == "it cannot be started: No such file or directory"
            assert died.again == pytest.approx(0.01, rel=0.3)
    finally:
        asked.compiler.close()


def test_nothing_wanted_is_finished_at_once_and_an_old_revision_is_not_answered() -> None:
    asked = asked_of("dies")
    try:
        endpoints = asked.load(1, {"bad.yaml": "kind: Pod"})
        asked.compiler.want(0, dict.fromkeys(endpoints.values()))
        asked.compiler.want(1, {})
        finished, before = asked.until(Finished)
        assert (finished.revision, before) == (1, [])
    finally:
        asked.compiler.close()
