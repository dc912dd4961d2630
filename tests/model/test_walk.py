"""The walk through tiers, policies and rules decides as dossier §4 and §6.2 say."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from polc.compiler.ir.text import load
from polc.compiler.model import Judgement, Model, Packet, Verdict
from polc.pair.layout import Config, ConfigFlag, Direction
from polc.pair.packet import PacketClass, Reason

HEAD = "polc-ir 1\nset $0\n  10.0.0.0/8\n  fd00::/8\nset $1\n"
TAIL = "egress\n  end: deny #0\n"

TCP = Packet(PacketClass.TCP, 4, 6, int(ip_address("10.0.0.1")), int(ip_address("192.0.2.1")), 4000, 80)
UDP6 = Packet(PacketClass.UDP, 6, 17, int(ip_address("fd00::1")), int(ip_address("fe80::1")), 53, 53)
ECHO = Packet(PacketClass.QUERY, 4, 1, TCP.source, TCP.destination, icmp_type=8, icmp_code=0)
ECHO6 = Packet(PacketClass.QUERY, 6, 58, UDP6.source, UDP6.destination, icmp_type=128, icmp_code=0)
PROTO58_IN_V4 = Packet(PacketClass.GENERIC, 4, 58, TCP.source, TCP.destination)


def judge(body: str, packet: Packet) -> Judgement:
    return Model(load(f"{HEAD}ingress\n{body}\n{TAIL}")).judge(Direction.INGRESS, packet)


@pytest.mark.parametrize(
    ("criterion", "matching"),
    [
        ("version 4", [TCP, ECHO, PROTO58_IN_V4]),
        ("version 6", [UDP6, ECHO6]),
        ("proto 6", [TCP]),
        ("proto not 6", [UDP6, ECHO, ECHO6, PROTO58_IN_V4]),
        ("proto 58", [ECHO6, PROTO58_IN_V4]),
        ("src in $0", [TCP, UDP6, ECHO, ECHO6, PROTO58_IN_V4]),
        ("dst in $0", []),
        ("src not in $0", []),
        ("dst not in $0", [TCP, UDP6, ECHO, ECHO6, PROTO58_IN_V4]),
        ("src in $1", []),
        ("src not in $1", [TCP, UDP6, ECHO, ECHO6, PROTO58_IN_V4]),
        ("dst port 80", [TCP]),
        ("dst port 79|81", []),
        ("dst port 53-80", [TCP, UDP6]),
        ("src port 53", [UDP6]),
        ("dst port not 80", [UDP6, ECHO, ECHO6, PROTO58_IN_V4]),
        ("dst port 0-79", [UDP6, ECHO, ECHO6, PROTO58_IN_V4]),
        ("icmp 8", [ECHO]),
        ("icmp 8/0", [ECHO]),
        ("icmp 8/1", []),
        ("icmp 128", [ECHO6]),
        ("icmp not 8", [TCP, UDP6, ECHO6, PROTO58_IN_V4]),
        ("icmp not 8/1", [TCP, UDP6, ECHO, ECHO6, PROTO58_IN_V4]),
        ("version 4, proto 6", [TCP]),
        ("version 4, proto 17", []),
        ("version 4, version 6", []),
    ],
)
def test_a_rule_matches_exactly_the_packets_of_its_criteria(criterion: str, matching: list[Packet]) -> None:
    """§4; QUIRK 8: a negated ICMP criterion holds for whatever is not ICMP."""
    body = f"  tier default: deny #1\n    policy P/a/b\n      #0 allow: {criterion}\n  end: deny #2"
    for packet in (TCP, UDP6, ECHO, ECHO6, PROTO58_IN_V4):
        assert (judge(body, packet).verdict is Verdict.ALLOW) == (packet in matching), packet


WALK = """\
  tier first: pass #4
    policy P/one
      #0 log: proto 6
      #1 pass: proto 17
      #2 deny: proto 17
    policy P/two
      #3 deny: dst port 22
  tier default: deny #8
    policy P/three
      #5 log
      #6 allow: dst port 80
    policy P/four
      #7 pass: proto 17
  end: allow #9"""


def with_port(port: int) -> Packet:
    return Packet(PacketClass.TCP, 4, 6, TCP.source, TCP.destination, 4000, port)


def test_the_first_allow_deny_or_pass_decides_and_log_only_marks() -> None:
    assert judge(WALK, with_port(22)) == Judgement(Verdict.DROP, 3, Reason.POLICY, (0,))
    assert judge(WALK, with_port(80)) == Judgement(Verdict.ALLOW, 6, Reason.NONE, (0, 5))


def test_a_tier_without_a_match_takes_its_default() -> None:
    assert judge(WALK, with_port(81)) == Judgement(Verdict.DROP, 8, Reason.POLICY, (0, 5))
    assert judge(WALK, ECHO) == Judgement(Verdict.DROP, 8, Reason.POLICY, (5,))


def test_pass_skips_the_rest_of_its_tier_and_after_the_last_the_end_decides() -> None:
    assert judge(WALK, UDP6) == Judgement(Verdict.ALLOW, 9, Reason.NONE, (5,))


def test_without_a_tier_the_end_decides() -> None:
    model = Model(load("polc-ir 1\ningress\n  end: allow #0\negress\n  end: deny #0\n"))
    assert model.judge(Direction.INGRESS, TCP) == Judgement(Verdict.ALLOW, 0, Reason.NONE)
    assert model.judge(Direction.EGRESS, TCP) == Judgement(Verdict.DROP, 0, Reason.POLICY)


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (PacketClass.ARP, Reason.NONE),
        (PacketClass.NEIGHBOUR, Reason.NONE),
        (PacketClass.NOT_IP, Reason.NOT_IP),
        (PacketClass.MALFORMED, Reason.MALFORMED),
        (PacketClass.SHORT, Reason.SHORT),
        (PacketClass.FRAGMENT, Reason.FRAGMENT),
        (PacketClass.EXTENSION, Reason.EXTENSION),
    ],
)
def test_classes_without_a_tuple_never_reach_policy(cls: PacketClass, reason: Reason) -> None:
    """§11.3, the workload column."""
    for end in ("allow", "deny"):
        verdict = Verdict.ALLOW if reason is Reason.NONE else Verdict.DROP
        assert judge(f"  end: {end} #0", Packet(cls)) == Judgement(verdict, None, reason)


def test_frames_that_are_not_ip_pass_on_a_host_s_interface_only() -> None:
    program = load(f"{HEAD}ingress\n  end: deny #0\n{TAIL}")
    host = Model(program, Config(flags=ConfigFlag.HOST))
    assert host.judge(Direction.INGRESS, Packet(PacketClass.NOT_IP)).verdict is Verdict.ALLOW
    assert host.judge(Direction.INGRESS, Packet(PacketClass.SHORT)).verdict is Verdict.DROP
