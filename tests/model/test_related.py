"""ICMP errors pass for the flow they speak of, and for nothing else (dossier §11.1, pair/flow.py)."""

from __future__ import annotations

from polc.compiler.model import Model, Verdict
from polc.pair.layout import Config
from polc.pair.packet import Reason
from polc.tests.model.frames import (
    ACK,
    PEER,
    PEER6,
    POD,
    POD6,
    icmp,
    icmp_part,
    ip,
    tcp_part,
    udp,
    udp_part,
)
from polc.tests.model.traces import (
    IN,
    OPEN,
    OUT,
    SHUT,
    WIDE,
    dropped,
    established,
    to_pod,
    unreachable,
)


def test_an_icmp_error_passes_only_for_a_live_flow() -> None:
    model = Model(SHUT)
    inside = ip(POD, PEER, 6, tcp_part(80, 4000, ACK)[:8])
    assert dropped(model.step(IN, unreachable(inside), 0)) is Reason.UNRELATED
    model.swap(OPEN, 0)
    established(model)
    before = dict(model.flows)
    outcome = model.step(IN, unreachable(inside), 1)
    assert (outcome.verdict, outcome.rule, outcome.judged) == (Verdict.ALLOW, 1, False)
    assert dict(model.flows) == before, "an error neither refreshes nor changes a flow"
    other = ip(POD, PEER, 6, tcp_part(81, 4000, ACK))
    assert dropped(model.step(IN, unreachable(other), 1)) is Reason.UNRELATED
    assert dropped(model.step(OUT, unreachable(inside, POD, PEER), 1)) is Reason.UNRELATED
    assert dropped(model.step(IN, unreachable(b""), 1)) is Reason.UNRELATED
    assert dropped(model.step(IN, unreachable(inside), 3602)) is Reason.UNRELATED


def test_an_icmp_error_of_the_endpoint_speaks_of_what_came_in() -> None:
    model = Model(OPEN)
    model.step(IN, udp(PEER, POD, 9, 53), 0)
    inside = ip(PEER, POD, 17, udp_part(9, 53))
    assert model.step(OUT, unreachable(inside, POD, PEER), 1).verdict is Verdict.ALLOW


def test_an_icmp_error_about_a_query_needs_the_query_of_that_side() -> None:
    model = Model(OPEN)
    model.step(OUT, icmp(POD, PEER, 8, identifier=5), 0)
    asked = ip(POD, PEER, 1, icmp_part(8, identifier=5))
    assert model.step(IN, unreachable(asked), 1).verdict is Verdict.ALLOW
    answered = ip(POD, PEER, 1, icmp_part(0, identifier=5))
    assert dropped(model.step(IN, unreachable(answered), 1)) is Reason.UNRELATED


def test_an_icmpv6_error_passes_for_its_flow_and_neighbour_discovery_always() -> None:
    model = Model(OPEN)
    model.step(IN, udp(PEER6, POD6, 9, 53), 0)
    inside = ip(PEER6, POD6, 17, udp_part(9, 53))
    assert model.step(OUT, icmp(POD6, PEER6, 2, body=inside), 1).verdict is Verdict.ALLOW
    assert Model(SHUT).step(IN, icmp(PEER6, POD6, 135), 0).verdict is Verdict.ALLOW
    assert dropped(Model(SHUT).step(IN, icmp(PEER6, POD6, 134), 0)) is Reason.POLICY


def test_an_error_about_a_flow_that_the_new_policy_has_not_seen_is_dropped() -> None:
    model = Model(OPEN, Config(generation=1))
    established(model)
    model.swap(WIDE, 2)
    inside = ip(POD, PEER, 6, tcp_part(80, 4000, ACK))
    assert dropped(model.step(IN, unreachable(inside), 1)) is Reason.UNRELATED
    model.step(IN, to_pod(ACK), 1)
    assert model.step(IN, unreachable(inside), 1).verdict is Verdict.ALLOW
