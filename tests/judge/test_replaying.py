"""Every packet of a capture gets its line, in order, by the capture's clock and the endpoint's addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from io import BytesIO
from ipaddress import ip_address

import pytest
from polc.compiler.model import Packet, parse_packet
from polc.judge.capture import Captured, read_capture
from polc.judge.deciders import resolved_deciders
from polc.judge.engines import EngineName, Panel
from polc.judge.packets import Address, Wanted
from polc.judge.replaying import Directions, Replayed, replay
from polc.pair.layout import Direction
from polc.pair.packet import TCP_ACK, PacketClass
from polc.tests.judge.captures import pcap
from polc.tests.judge.worlds import WEB, WEB_ADDRESS, shop, to_web

MILLISECOND = 1_000_000
RULES = "[{action: Allow, protocol: TCP, destination: {ports: [80]}}, {action: Allow, protocol: UDP}]"


def replayed(
    packets: Iterable[tuple[int, bytes]], given: Direction | None = None, addresses: tuple[Address, ...] = ()
) -> list[Replayed]:
    """packets: (milliseconds, frame)."""
    judged = shop(RULES).judged(WEB)
    captured = (Captured(at, time * MILLISECOND, frame, 0) for at, (time, frame) in enumerate(packets))
    with Panel.of(judged, (EngineName.MODEL,)) as panel:
        directions = Directions(given, addresses or (WEB_ADDRESS,))
        return list(replay(captured, panel, resolved_deciders(judged.resolved), directions))


def test_each_packet_has_a_line_with_the_rule_that_allowed_its_flow() -> None:
    found = replayed([(0, to_web().frame()), (1, to_web().answer().frame()), (2, to_web(6, 81).frame())])
    assert [tuple(item.line.model_dump().values()) for item in found] == [
        (0, "allow", "NetworkPolicy/shop/p/ingress/0", "policy.yaml:2:70"),
        (1, "allow", "NetworkPolicy/shop/p/ingress/0", "policy.yaml:2:70"),
        (2, "deny", "tier-default", "policy.yaml:1:74"),
    ]
    assert [item.direction for item in found] == [Direction.INGRESS, Direction.EGRESS, Direction.INGRESS]


def test_a_drop_that_no_rule_decided_has_its_reason() -> None:
    found = replayed([(0, replace(to_web(), flags=TCP_ACK).frame()), (0, to_web().frame()[:40])])
    assert [(item.line.verdict, item.line.rule, item.line.at) for item in found] == [
        ("deny", "no-flow", ""),
        ("deny", "short", ""),
    ]


def test_a_packet_of_others_is_skipped_when_the_direction_is_told_by_addresses() -> None:
    other = Wanted(6, ip_address("10.9.9.9"), ip_address("10.9.9.8"), 1, 80).frame()
    assert [item.line.verdict for item in replayed([(0, other)])] == ["skip"]
    assert [item.line.verdict for item in replayed([(0, other)], Direction.INGRESS)] == ["allow"]


def test_a_tagged_packet_is_judged_as_the_kernel_shows_it_to_a_program() -> None:
    frame = to_web().frame()
    tagged, twice = (frame[:12] + b"\x81\x00\x00\x05" * tags + frame[12:] for tags in (1, 2))
    captured = read_capture(BytesIO(pcap([(0, frame), (0, tagged), (0, twice)])))
    judged = shop(RULES).judged(WEB)
    with Panel.of(judged, (EngineName.MODEL,)) as panel:
        directions = Directions(Direction.INGRESS, ())
        found = list(replay(captured, panel, resolved_deciders(judged.resolved), directions))
    assert [(item.line.verdict, item.line.rule, item.vlans) for item in found] == [
        ("allow", "NetworkPolicy/shop/p/ingress/0", ()),
        ("allow", "NetworkPolicy/shop/p/ingress/0", (5,)),
        ("deny", "not-ip", (5, 5)),
    ]


def test_the_clock_starts_with_the_capture_and_never_runs_backwards() -> None:
    frame = to_web(17).frame()
    found = replayed([(5_000_000, frame), (5_001_500, frame), (5_000_400, frame), (5_002_000, frame)])
    assert [item.time for item in found] == [0.0, 1.5, 1.5, 2.0]


def test_time_outs_are_the_capture_s() -> None:
    data = replace(to_web(), flags=TCP_ACK).frame()
    packets = [(0, to_web().frame()), (20_000, data), (40_001, data)]
    assert [item.line.verdict for item in replayed(packets)] == ["allow", "allow", "deny"]


@pytest.mark.parametrize(
    ("source", "destination", "direction"),
    [
        ("10.77.1.2", "10.77.2.2", Direction.INGRESS),
        ("10.77.2.2", "10.77.1.2", Direction.EGRESS),
        ("10.77.2.2", "10.77.2.2", Direction.INGRESS),
        ("10.0.0.1", "10.0.0.2", None),
    ],
)
def test_the_direction_is_the_endpoint_s(source: str, destination: str, direction: Direction | None) -> None:
    packet = parse_packet(Wanted(17, ip_address(source), ip_address(destination)).frame())
    assert Directions(None, (WEB_ADDRESS,)).of(packet) is direction
    assert Directions(Direction.EGRESS, ()).of(packet) is Direction.EGRESS


def test_a_frame_without_addresses_has_no_direction_of_its_own() -> None:
    assert Directions(None, (WEB_ADDRESS,)).of(Packet(PacketClass.ARP)) is None
