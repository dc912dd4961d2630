"""Random conversations: packets, their answers, strays beside them, errors about them, time, and swaps.

Time only moves in steps that stay a second or more away from every time-out (§11.2), so that what the
kernel's clock does meanwhile cannot matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from polc.tests.generators.frames import ACK, FIN, RST, SYN, ether, frame_of, ipv4, ipv6, transport
from polc.tests.generators.worlds import World
from polc.tests.oracle.rule_reading import Packet

OTHER = {"ingress": "egress", "egress": "ingress"}
REPLIES = {(1, 8): 0, (1, 13): 14, (1, 17): 18, (58, 128): 129}
AGES = (7, 7, 70, 700, 4000)  # seconds
MOST_AGES = 4
_FLAGS = (SYN, ACK, ACK, 0x18, FIN | ACK, RST, SYN | ACK)


class Step(NamedTuple):
    """One thing that happens. kind: `frame`, `age` or `swap`. what: for a failing test to show."""

    kind: str
    what: str
    direction: str = ""
    frame: bytes = b""
    seconds: int = 0


@dataclass(frozen=True)
class Talk:
    """A first packet, in whose direction it was sent, and its ICMP identifier."""

    direction: str
    packet: Packet
    identifier: int


def reversed_packet(packet: Packet) -> Packet:
    """The answer's five-tuple; an ICMP query's answer has the reply's type."""
    turned = packet._replace(
        source=packet.destination, destination=packet.source, sport=packet.dport, dport=packet.sport
    )
    reply = REPLIES.get((packet.protocol, packet.icmp_type)) if packet.is_icmp else None
    return turned if reply is None else turned._replace(icmp_type=reply, icmp_code=0)


def error_about(frame: bytes, packet: Packet, router: int) -> bytes:
    """An ICMP error that carries the head of `frame`, sent to the packet's source (RFC 792, RFC 4443)."""
    kind, protocol = (3, 1) if packet.family == 4 else (1, 58)
    outer = Packet(packet.family, protocol, router, packet.source, 0, 0, kind, 1)
    payload = transport(outer, identifier=0, body=frame[14 : 14 + 80])
    data = ipv4(outer, payload) if packet.family == 4 else ipv6(outer, payload)
    return ether(packet.family, data)


def _contrary(kind: str) -> dict[str, str]:
    allow = "Accept" if kind == "ClusterNetworkPolicy" else "Allow"
    return {allow: "Deny", "Deny": allow}


def contradicted(world: World) -> list[Any]:
    """The world's objects with Allow and Deny exchanged in every rule."""
    objects = deepcopy(world.objects)
    for one in objects:
        for way in ("ingress", "egress") if "Policy" in one["kind"] else ():
            for rule in one["spec"].get(way) or ():
                if "action" in rule:
                    rule["action"] = _contrary(one["kind"]).get(rule["action"], rule["action"])
    return objects


def trace(world: World, rng: Random, length: int) -> Iterator[Step]:
    """`length` steps over a handful of conversations."""
    talks: list[Talk] = []
    ages = swaps = 0
    for _ in range(length):
        dice = rng.random()
        if dice < 0.03 and ages < MOST_AGES:
            ages += 1
            seconds = rng.choice(AGES)
            yield Step("age", f"{seconds} s pass", seconds=seconds)
        elif dice < 0.05 and swaps < 2:
            swaps += 1
            yield Step("swap", "swap")
        elif not talks or dice < 0.25:
            talk = _first(world, rng)
            talks = [*talks[-5:], talk]
            yield _sent("first", talk.direction, talk.packet, SYN, talk.identifier)
        else:
            yield _more(rng, rng.choice(talks))


def _first(world: World, rng: Random) -> Talk:
    direction = rng.choice(sorted(OTHER))
    packets = list(world.packets(rng, direction, 24))
    return Talk(direction, rng.choice(packets), rng.randrange(1, 4))


def _sent(word: str, direction: str, packet: Packet, flags: int, identifier: int) -> Step:
    what = f"{word}: {direction} {packet} flags {flags:#x} id {identifier}"
    return Step("frame", what, direction, frame_of(packet, flags, identifier))


def _more(rng: Random, talk: Talk) -> Step:
    kind = rng.choice(["again", "answer", "answer", "answer", "stray", "error"])
    flags = rng.choice(_FLAGS)
    if kind == "again":
        return _sent(kind, talk.direction, talk.packet, flags, talk.identifier)
    back, way = reversed_packet(talk.packet), OTHER[talk.direction]
    if kind == "answer":
        return _sent(kind, way, back, flags, talk.identifier)
    if kind == "stray":
        field = rng.choice(["source", "sport", "dport", "identifier"])
        if field == "identifier":
            return _sent(kind, way, back, flags, talk.identifier + 9)
        if field == "source" or back.protocol in (6, 17, 132):
            back = back._replace(**{field: getattr(back, field) ^ 1})
        return _sent(kind, way, back, flags, talk.identifier)
    # An error about the first packet comes the other way; one about the answer the same way.
    about, sent = (talk.packet, way) if rng.random() < 0.7 else (back, talk.direction)
    about = about._replace(sport=about.sport ^ 1) if rng.random() < 0.2 and about.protocol == 17 else about
    frame = error_about(frame_of(about, SYN, talk.identifier), about, about.destination)
    return Step("frame", f"error: {sent} about {about} id {talk.identifier}", sent, frame)
