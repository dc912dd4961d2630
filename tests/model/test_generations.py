"""A policy change meets established flows: judged again, stamped anew, cut or kept (pair/flow.py)."""

from __future__ import annotations

from polc.compiler.model import Entry, Model, Verdict
from polc.compiler.model.flows import older
from polc.pair.flow import State
from polc.pair.layout import Config, ConfigFlag
from polc.pair.packet import Reason
from polc.tests.model.frames import (
    ACK,
    PEER,
    POD,
    SYN,
    icmp,
    ip,
    tcp_part,
)
from polc.tests.model.traces import (
    IN,
    OPEN,
    OUT,
    SHUT,
    WIDE,
    dropped,
    established,
    from_pod,
    passed,
    to_pod,
    unreachable,
)


def test_a_syn_of_the_peer_that_its_own_policy_allows_leaves_the_entry_alone() -> None:
    model = Model(OPEN)
    established(model)
    model.swap(WIDE, 0)
    before = dict(model.flows)
    outcome = model.step(OUT, from_pod(SYN), 6)
    assert (passed(outcome), outcome.judged, outcome.direction) == (State.ESTABLISHED, True, OUT)
    assert dict(model.flows) == before


def test_a_new_policy_that_still_allows_stamps_the_flow_anew_from_either_side() -> None:
    for direction, frame in ((IN, to_pod(ACK)), (OUT, from_pod(ACK))):
        model = Model(OPEN, Config(generation=1))
        established(model)
        model.swap(WIDE, 2)
        outcome = model.step(direction, frame, 1)
        assert (passed(outcome), outcome.judged, outcome.direction) == (State.ESTABLISHED, True, IN)
        assert outcome.entry == Entry(1, 2, 0, IN, State.ESTABLISHED)
        assert not model.step(direction, frame, 2).judged


def test_a_flow_judged_again_is_logged_by_the_owner_s_policy() -> None:
    model = Model(WIDE, Config(generation=1))
    established(model)
    model.swap(OPEN, 2)
    outcome = model.step(OUT, from_pod(ACK), 1)
    assert (outcome.rule, outcome.logs, outcome.direction) == (1, (0,), IN)


def test_a_new_policy_that_denies_cuts_the_flow_from_either_side() -> None:
    for direction, frame in ((IN, to_pod(ACK)), (OUT, from_pod(ACK))):
        model = Model(OPEN, Config(generation=1))
        established(model)
        model.swap(SHUT, 2)
        outcome = model.step(direction, frame, 1)
        assert (dropped(outcome), outcome.rule, outcome.direction) == (Reason.CUT, 0, IN)
        assert not model.flows
        assert dropped(model.step(direction, frame, 1)) is Reason.NO_FLOW


def test_an_echo_reply_is_judged_again_as_the_request_it_answers() -> None:
    model = Model(WIDE, Config(generation=1))
    model.step(IN, icmp(PEER, POD, 8, identifier=5), 0)
    model.swap(OPEN, 2)
    outcome = model.step(OUT, icmp(POD, PEER, 0, identifier=5), 1)
    assert (passed(outcome), outcome.rule, outcome.direction) == (State.OPEN, 3, IN)


def test_keep_established_judges_nothing_again() -> None:
    model = Model(OPEN, Config(generation=1, flags=ConfigFlag.KEEP_ESTABLISHED))
    established(model)
    model.swap(SHUT, 2)
    outcome = model.step(OUT, from_pod(ACK), 1)
    assert (passed(outcome), outcome.judged) == (State.ESTABLISHED, False)
    assert outcome.entry == Entry(1, 1, 1, IN, State.ESTABLISHED)
    inside = ip(POD, PEER, 6, tcp_part(80, 4000, ACK))
    assert model.step(IN, unreachable(inside), 1).verdict is Verdict.ALLOW


def test_a_stamp_newer_than_the_program_is_accepted_as_it_is() -> None:
    model = Model(OPEN, Config(generation=7))
    established(model)
    model.swap(SHUT, 6)
    outcome = model.step(OUT, from_pod(ACK), 1)
    assert (passed(outcome), outcome.judged) == (State.ESTABLISHED, False)


def test_generations_compare_by_their_signed_difference() -> None:
    assert older(1, 2)
    assert not older(2, 2)
    assert not older(3, 2)
    assert older(0xFFFFFFFF, 0)
    assert older(0xFFFFFFFF, 5)
    assert not older(5, 0xFFFFFFFF)


def test_an_object_loaded_alone_cannot_have_the_peer_judge_again() -> None:
    model = Model(OPEN, Config(generation=1), alone=True)
    established(model)
    model.swap(WIDE, 2)
    before = dict(model.flows)
    outcome = model.step(OUT, from_pod(ACK), 1)
    assert (dropped(outcome), outcome.rule) == (Reason.NO_PEER, None)
    assert dict(model.flows) == before
    assert passed(model.step(IN, to_pod(ACK), 1)) is State.ESTABLISHED
