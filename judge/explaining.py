"""`polc explain`: one packet's verdict at each end that policy guards, and the walk that led to it.

The packet opens its flow: no earlier packet was seen. Verdicts are the model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from ..compiler.model import Model, Outcome, Packet, Verdict, parse_packet
from ..pair.layout import Direction
from ..pair.packet import PacketClass, Reason
from .compiled import Policies
from .deciders import NOBODY, Decider, resolved_deciders
from .ends import End
from .packets import Wanted
from .walking import Shape, WalkedTier, Walker

DirectionWord = Literal["ingress", "egress"]
VerdictWord = Literal["allow", "deny"]

# What is said when no rule decided.
_OTHERWISE: Final = {
    Reason.NO_FLOW: "an answer passes only when it belongs to a flow that was allowed, and none is open",
    Reason.UNRELATED: "an ICMP error passes only when it speaks of a flow that was allowed",
    Reason.NOT_IP: "neither IP nor ARP",
    Reason.MALFORMED: "a malformed IP header",
    Reason.SHORT: "cut before the end of its headers",
    Reason.FRAGMENT: "a fragment other than the first: its ports are unknown",
    Reason.EXTENSION: "an IPv6 extension header chain that cannot be read",
}
_UNMATCHED: Final = {
    "tier-default": "no rule matches: the tier's default is {action}",
    "end": "every rule that matches passes on: the end of the walk is {action}",
    "no-policy": "no policy selects the endpoint in this direction: {action}",
    "failsafe": "a failsafe port of every host: {action}",
    "forwarded": "the host forwards it, and no policy for forwarded packets decides: {action}",
}


class PacketView(Shape):
    """The packet that was judged. Ports and ICMP fields are None where the protocol has none."""

    text: str
    protocol: int
    source: str
    destination: str
    source_port: int | None = None
    destination_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


class Staged(Shape):
    """A verdict that is told and not enforced. rule, at: what would decide."""

    verdict: VerdictWord
    rule: str
    at: str


class Judgement(Shape):
    """What one end's policy says. rule, at: what decided, `` when no rule was asked. why: in a sentence.

    staged: what would decide otherwise were the staged policies in force, None when nothing would.
    walk: every tier, policy and rule that was tried, in order; empty when no rule was asked.
    """

    endpoint: str
    direction: DirectionWord
    verdict: VerdictWord
    rule: str
    at: str
    why: str
    staged: Staged | None = None
    walk: tuple[WalkedTier, ...]


class Explanation(Shape):
    """What `polc explain --format json` prints. verdict: allow when every end that is judged allows."""

    version: Literal[1] = 1
    verdict: VerdictWord
    packet: PacketView
    judgements: tuple[Judgement, ...]


def explain(policies: Policies, wanted: Wanted, ends: tuple[End, ...]) -> Explanation:
    """Judges the packet at each end. Raises CompileError for an endpoint that is not there."""
    packet = parse_packet(wanted.frame())
    judgements = tuple(_judge(policies, end, packet) for end in ends)
    allowed = all(item.verdict == "allow" for item in judgements)
    return Explanation(
        verdict="allow" if allowed else "deny", packet=_view(wanted, packet), judgements=judgements
    )


def _judge(policies: Policies, end: End, packet: Packet) -> Judgement:
    resolved = policies.judged(end.whom).resolved
    outcome = Model(resolved.program).step_packet(end.direction, packet, 0.0)
    deciders = resolved_deciders(resolved)[end.direction]
    decider = deciders[outcome.rule] if outcome.rule is not None else NOBODY
    walk: tuple[WalkedTier, ...] = ()
    if outcome.judged:
        walk = Walker(policies.world, resolved).walk(end.direction, packet)
    return Judgement(
        endpoint=str(end.whom),
        direction="ingress" if end.direction is Direction.INGRESS else "egress",
        verdict="allow" if outcome.verdict is Verdict.ALLOW else "deny",
        rule=decider.rule,
        at=decider.at,
        why=_why(outcome, packet, decider.rule, decider.action),
        staged=_staged(outcome, deciders),
        walk=walk,
    )


def _staged(outcome: Outcome, deciders: Sequence[Decider]) -> Staged | None:
    if outcome.staged is None:
        return None
    decider = deciders[outcome.staged]
    return Staged(
        verdict="deny" if outcome.verdict is Verdict.ALLOW else "allow", rule=decider.rule, at=decider.at
    )


def _why(outcome: Outcome, packet: Packet, rule: str, action: str) -> str:
    if rule in _UNMATCHED:
        return _UNMATCHED[rule].format(action=action)
    if rule:
        return f"rule {rule} matches: {action}"
    if packet.cls is PacketClass.NEIGHBOUR:
        return "neighbour discovery passes without asking policy"
    return _OTHERWISE[outcome.reason]


def _view(wanted: Wanted, packet: Packet) -> PacketView:
    ports = packet.sport or packet.dport
    return PacketView(
        text=wanted.text(),
        protocol=wanted.protocol,
        source=str(wanted.source),
        destination=str(wanted.destination),
        source_port=packet.sport if ports else None,
        destination_port=packet.dport if ports else None,
        icmp_type=packet.icmp_type,
        icmp_code=packet.icmp_code,
    )
