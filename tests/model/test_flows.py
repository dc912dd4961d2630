"""Traces through the flow table, written by hand from pair/flow.py and dossier §11.1, §11.2."""

from __future__ import annotations

import pytest
from polc.compiler.model import Entry, Model, Verdict
from polc.pair.flow import State
from polc.pair.layout import FLOW_KEY, L2_NONE, Config
from polc.pair.packet import Reason
from polc.tests.model.frames import (
    ACK,
    FIN,
    OTHER,
    PEER,
    POD,
    RST,
    SYN,
    ether,
    icmp,
    ip,
    tcp,
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
    from_pod,
    passed,
    to_pod,
)


def test_a_tcp_handshake_establishes_and_two_fins_close() -> None:
    model = Model(OPEN)
    first = model.step(IN, to_pod(SYN), 0)
    assert (first.rule, first.logs, first.judged, first.direction) == (1, (0,), True, IN)
    assert first.entry == Entry(0, 0, 1, IN, State.SYN_SENT)
    answer = model.step(OUT, from_pod(SYN | ACK), 1)
    assert passed(answer) is State.SYN_ACKED
    assert (answer.rule, answer.logs, answer.judged, answer.direction) == (1, (), False, IN)
    assert passed(model.step(IN, to_pod(ACK), 2)) is State.ESTABLISHED
    assert passed(model.step(OUT, from_pod(ACK), 3)) is State.ESTABLISHED
    assert passed(model.step(OUT, from_pod(FIN | ACK), 4)) is State.FIN_PEER
    assert passed(model.step(IN, to_pod(ACK), 5)) is State.FIN_PEER
    assert passed(model.step(IN, to_pod(FIN | ACK), 6)) is State.CLOSED
    assert passed(model.step(OUT, from_pod(ACK), 7)) is State.CLOSED
    assert len(model.flows) == 1


def test_the_owner_s_fin_first_closes_as_well() -> None:
    model = Model(OPEN)
    established(model)
    assert passed(model.step(IN, to_pod(FIN | ACK), 1)) is State.FIN_OWNER
    assert passed(model.step(IN, to_pod(FIN | ACK), 1)) is State.FIN_OWNER
    assert passed(model.step(OUT, from_pod(FIN | ACK), 1)) is State.CLOSED


def test_an_answer_cannot_establish_what_the_owner_did_not_acknowledge() -> None:
    model = Model(OPEN)
    model.step(IN, to_pod(SYN), 0)
    assert passed(model.step(OUT, from_pod(ACK), 0)) is State.SYN_SENT
    assert passed(model.step(IN, to_pod(ACK), 0)) is State.SYN_SENT
    assert passed(model.step(IN, to_pod(SYN | ACK), 0)) is State.SYN_SENT
    model.step(OUT, from_pod(SYN | ACK), 0)
    assert passed(model.step(OUT, from_pod(ACK), 0)) is State.SYN_ACKED


def test_rst_closes_from_either_side_and_the_closed_flow_dies_after_forty_seconds() -> None:
    for direction, frame in ((IN, to_pod(RST | ACK)), (OUT, from_pod(RST | SYN))):
        model = Model(OPEN)
        established(model)
        assert passed(model.step(direction, frame, 0)) is State.CLOSED
        assert passed(model.step(OUT, from_pod(ACK), 40)) is State.CLOSED
        assert dropped(model.step(OUT, from_pod(ACK), 81)) is Reason.NO_FLOW


@pytest.mark.parametrize("flags", [ACK, FIN | ACK, RST, SYN | ACK, 0])
def test_a_segment_without_a_flow_is_dropped_unless_it_is_a_syn(flags: int) -> None:
    model = Model(WIDE)
    outcome = model.step(IN, to_pod(flags), 0)
    assert (dropped(outcome), outcome.rule, outcome.judged) == (Reason.NO_FLOW, None, False)
    assert not model.flows


def test_a_denied_syn_leaves_nothing() -> None:
    model = Model(OPEN)
    outcome = model.step(IN, to_pod(SYN, dport=81), 0)
    assert (dropped(outcome), outcome.rule, outcome.logs) == (Reason.POLICY, 7, (0,))
    assert not model.flows


def test_a_syn_on_an_established_flow_is_judged_again_and_changes_no_state() -> None:
    model = Model(OPEN)
    established(model)
    again = model.step(IN, to_pod(SYN), 5)
    assert (passed(again), again.judged, again.rule) == (State.ESTABLISHED, True, 1)
    assert again.entry is not None
    assert again.entry.seen == 5
    before = model.flows[again.key or b""]
    peer = model.step(OUT, from_pod(SYN), 6)
    assert (dropped(peer), peer.rule, peer.direction) == (Reason.POLICY, 2, OUT)
    assert model.flows[again.key or b""] == before


def test_a_syn_on_a_closed_flow_opens_a_new_one_for_whoever_sent_it() -> None:
    model = Model(WIDE)
    established(model)
    model.step(IN, to_pod(RST), 1)
    outcome = model.step(OUT, from_pod(SYN), 2)
    assert passed(outcome) is State.SYN_SENT
    assert outcome.entry is not None
    assert outcome.entry.owner is OUT


def test_udp_answers_pass_and_only_from_the_address_and_port_asked() -> None:
    model = Model(OPEN)
    asked = model.step(OUT, udp(POD, PEER, 999, 53), 0)
    assert (passed(asked), asked.rule, asked.direction) == (State.OPEN, 0, OUT)
    assert passed(model.step(IN, udp(PEER, POD, 53, 999), 1)) is State.OPEN
    for stranger in (
        udp(OTHER, POD, 53, 999),
        udp(PEER, POD, 54, 999),
        udp(PEER, POD, 53, 998),
        tcp(PEER, POD, 53, 999, SYN),
    ):
        assert dropped(model.step(IN, stranger, 1)) is Reason.POLICY


def test_silence_ends_a_flow_after_its_time_out_and_traffic_of_either_side_keeps_it() -> None:
    model = Model(OPEN)
    model.step(OUT, udp(POD, PEER, 999, 53), 0)
    assert passed(model.step(IN, udp(PEER, POD, 53, 999), 60)) is State.OPEN
    assert passed(model.step(IN, udp(PEER, POD, 53, 999), 120)) is State.OPEN
    assert dropped(model.step(IN, udp(PEER, POD, 53, 999), 180.5)) is Reason.POLICY
    assert len(model.flows) == 1, "an idle entry stays until something replaces it"


@pytest.mark.parametrize(
    ("opening", "answer", "seconds"),
    [
        (to_pod(SYN), from_pod(ACK), 20),
        (udp(PEER, POD, 9, 53), udp(POD, PEER, 53, 9), 60),
        (icmp(PEER, POD, 8, identifier=4), icmp(POD, PEER, 0, identifier=4), 5),
        (ether(ip(PEER, POD, 47, bytes(8))), ether(ip(POD, PEER, 47, bytes(8))), 600),
        (ether(ip(PEER, POD, 132, udp_part(5, 7))), ether(ip(POD, PEER, 132, udp_part(7, 5))), 600),
    ],
)
def test_each_class_has_its_time_out(opening: bytes, answer: bytes, seconds: int) -> None:
    for late, verdict in ((0, Verdict.ALLOW), (1, Verdict.DROP)):
        model = Model(OPEN)
        assert model.step(IN, opening, 100).verdict is Verdict.ALLOW
        assert model.step(OUT, answer, 100 + seconds + late).verdict is verdict


def test_established_tcp_lives_an_hour_and_time_outs_can_be_set() -> None:
    model = Model(OPEN)
    established(model)
    assert passed(model.step(OUT, from_pod(ACK), 3600)) is State.ESTABLISHED
    assert dropped(model.step(OUT, from_pod(ACK), 7201)) is Reason.NO_FLOW
    quick = Model(OPEN, Config(timeouts=(0, 7, 0, 0, 0, 0, 0, 0)))
    established(quick)
    assert passed(quick.step(OUT, from_pod(ACK), 7)) is State.ESTABLISHED
    assert dropped(quick.step(OUT, from_pod(ACK), 15)) is Reason.NO_FLOW


def test_echo_replies_pass_by_identifier_and_nothing_unasked_does() -> None:
    model = Model(OPEN)
    assert passed(model.step(OUT, icmp(POD, PEER, 8, identifier=5), 0)) is State.OPEN
    assert passed(model.step(IN, icmp(PEER, POD, 0, identifier=5), 1)) is State.OPEN
    assert dropped(model.step(IN, icmp(PEER, POD, 0, identifier=6), 1)) is Reason.NO_FLOW
    assert dropped(model.step(IN, icmp(OTHER, POD, 0, identifier=5), 1)) is Reason.NO_FLOW
    assert dropped(Model(WIDE).step(IN, icmp(PEER, POD, 0, identifier=5), 0)) is Reason.NO_FLOW


def test_two_hosts_that_ping_each_other_with_one_identifier_have_two_flows() -> None:
    model = Model(OPEN)
    out = model.step(OUT, icmp(POD, PEER, 8, identifier=5), 0)
    back = model.step(IN, icmp(PEER, POD, 8, identifier=5), 0)
    assert out.judged
    assert back.judged
    assert out.key != back.key
    assert {entry.owner for entry in model.flows.values()} == {IN, OUT}
    assert passed(model.step(IN, icmp(PEER, POD, 0, identifier=5), 1)) is State.OPEN
    assert passed(model.step(OUT, icmp(POD, PEER, 0, identifier=5), 1)) is State.OPEN


def test_a_second_request_of_a_live_query_is_not_judged() -> None:
    model = Model(OPEN)
    model.step(IN, icmp(PEER, POD, 8, identifier=5), 0)
    assert not model.step(IN, icmp(PEER, POD, 8, identifier=5), 1).judged


def test_icmp_that_is_neither_query_nor_error_is_judged_each_time_and_never_remembered() -> None:
    model = Model(WIDE)
    for _ in range(2):
        outcome = model.step(IN, icmp(PEER, POD, 9), 0)
        assert (outcome.verdict, outcome.judged, outcome.key) == (Verdict.ALLOW, True, None)
    assert not model.flows
    assert dropped(Model(SHUT).step(IN, icmp(PEER, POD, 9), 0)) is Reason.POLICY


def test_keys_are_the_layout_s_bytes_from_the_endpoint_s_side() -> None:
    model = Model(OPEN)
    key = model.step(IN, to_pod(SYN), 0).key
    local, remote = bytes([10, 1, 0, 7]).ljust(16, b"\0"), bytes([10, 2, 0, 9]).ljust(16, b"\0")
    assert key == FLOW_KEY.pack(local, remote, 80, 4000, 6, 4, 0)
    assert model.step(OUT, from_pod(SYN | ACK), 0).key == key
    query = model.step(OUT, icmp(POD, PEER, 8, identifier=5), 0).key
    assert query == FLOW_KEY.pack(local, remote, 5, 0, 1, 4, 2)
    other = model.step(IN, ether(ip(PEER, POD, 47, bytes(8))), 0).key
    assert other == FLOW_KEY.pack(local, remote, 0, 0, 47, 4, 0)


def test_frames_without_a_link_layer_header_are_read_from_their_first_byte() -> None:
    model = Model(OPEN, Config(l2_header=L2_NONE))
    assert passed(model.step(IN, to_pod(SYN)[14:], 0)) is State.SYN_SENT
    long = Model(OPEN, Config(l2_header=18))
    assert passed(long.step(IN, bytes(4) + to_pod(SYN), 0)) is State.SYN_SENT


def test_classes_without_flows_are_dropped_or_passed_by_their_class() -> None:
    model = Model(WIDE)
    fragment = ether(ip(PEER, POD, 17, udp_part(1, 2), fragment=3))
    assert dropped(model.step(IN, fragment, 0)) is Reason.FRAGMENT
    arp = model.step(IN, ether(bytes(28), 0x0806), 0)
    assert arp == arp._replace(verdict=Verdict.ALLOW, rule=None, judged=False, key=None, entry=None)
    assert not model.flows
