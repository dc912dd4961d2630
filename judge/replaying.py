"""`polc replay`: every packet of a capture through one endpoint's policy, in order and with state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ..compiler.model import Packet, parse_packet
from ..pair.layout import Direction
from ..pair.packet import Reason
from .capture import Captured
from .deciders import NOBODY, Decider, Deciders
from .engines import Panel
from .outcome import Run
from .packets import Address, packet_address
from .walking import Shape

_NANOSECONDS: Final = 1_000_000


class ReplayLine(Shape):
    """One line of `polc replay --format json`: the verdict on packet n, counted from 0.

    verdict: `skip` when the packet is not the endpoint's, or the engine cannot be asked about it. rule:
    `KIND/NAMESPACE/NAME/DIRECTION/NUMBER` of the rule that decided, or that allowed the packet's flow;
    else `tier-default`, `end` or `no-policy`; else why the packet was dropped before any rule (`no-flow`,
    `fragment`, …); `` when nothing had to decide (ARP, neighbour discovery). at: `file:line:col`, or ``.
    """

    n: int
    verdict: Literal["allow", "deny", "skip"]
    rule: str
    at: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """One packet's fate. time: seconds since the first packet. direction: None for a skipped packet whose
    direction is unknown. difference: what the engines disagree about, `` when they agree. vlans: as captured;
    the outer tag is not seen by the policy, behind a second one there is no IP packet for it."""

    line: ReplayLine
    time: float
    direction: Direction | None
    packet: Packet
    difference: str = ""
    vlans: tuple[int, ...] = ()


class Directions:
    """Which direction a packet has: the one that was given, or told by the endpoint's addresses."""

    def __init__(self, given: Direction | None, addresses: Iterable[Address]) -> None:
        self._given = given
        self._addresses = frozenset(addresses)

    def of(self, packet: Packet) -> Direction | None:
        """None when neither address is the endpoint's. Ingress for what the endpoint sends itself."""
        if self._given is not None:
            return self._given
        if packet.version == 0:
            return None
        if packet_address(packet, packet.destination) in self._addresses:
            return Direction.INGRESS
        if packet_address(packet, packet.source) in self._addresses:
            return Direction.EGRESS
        return None


def replay(
    captured: Iterable[Captured], panel: Panel, deciders: Deciders, directions: Directions
) -> Iterator[Replayed]:
    """The fate of each packet, by the panel's first engine. Raises what reading the capture raises."""
    start: int | None = None
    now = 0
    for item in captured:
        start = item.time if start is None else start
        # Packets may be stored slightly out of order; no engine's clock runs backwards.
        now = max(now, (item.time - start) // _NANOSECONDS)
        packet = parse_packet(item.frame)
        direction = directions.of(packet)
        if direction is None:
            line = ReplayLine(n=item.number, verdict="skip", rule="", at="")
            yield Replayed(line, now / 1000, None, packet, vlans=item.vlans)
            continue
        answers = panel.step(direction, item.frame, packet, now)
        first = next(iter(answers.values()))
        difference = panel.difference(direction, packet, answers)
        line = _line(item.number, first, deciders)
        yield Replayed(line, now / 1000, direction, packet, difference, item.vlans)


def _line(number: int, run: Run | None, deciders: Deciders) -> ReplayLine:
    if run is None:
        return ReplayLine(n=number, verdict="skip", rule="", at="")
    decider = decider_of(run, deciders)
    return ReplayLine(n=number, verdict="allow" if run.allowed else "deny", rule=decider.rule, at=decider.at)


def decider_of(run: Run, deciders: Deciders) -> Decider:
    """What decided, or the reason's word when no rule was asked."""
    if run.rule is not None:
        return deciders[run.direction][run.rule]
    if run.reason is Reason.NONE:
        return NOBODY
    return Decider(run.reason.word, "", "deny", "")
