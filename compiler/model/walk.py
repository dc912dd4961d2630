"""What a policy says of one packet: the walk through tiers, policies and rules (dossier §4, §6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..ir.nodes import (
    Action,
    AddressSet,
    Criterion,
    EndpointPorts,
    Judge,
    MatchAddress,
    MatchEndpointPort,
    MatchIcmp,
    MatchPort,
    MatchProtocol,
    MatchVersion,
    Policy,
    Program,
    Rule,
    Side,
    Tier,
)
from .packet import Packet

_BITS = {4: 32, 6: 128}


class Decision(NamedTuple):
    """allowed, by which index, and the Log rules that matched on the way, in order.

    staged: the index that would decide otherwise were the staged policies in force, None when none would.
    """

    allowed: bool
    rule: int
    logs: tuple[int, ...] = ()
    staged: int | None = None


class Members:
    """One address set, asked by address. Keeps, for each prefix length, the networks of that length."""

    def __init__(self, content: AddressSet) -> None:
        self._networks: dict[tuple[int, int], set[int]] = {}
        for prefix in content.prefixes:
            self._networks.setdefault((prefix.version, prefix.length), set()).add(prefix.address)

    def holds(self, version: int, address: int) -> bool:
        return any(
            of_version == version
            and (address >> (_BITS[version] - length)) << (_BITS[version] - length) in nets
            for (of_version, length), nets in self._networks.items()
        )


@dataclass(frozen=True, slots=True)
class Walk:
    """A program's sets, ready to be asked; `decide` is the walk."""

    sets: Mapping[str, Members] = field(default_factory=dict)

    @classmethod
    def of(cls, program: Program) -> Walk:
        return cls({item.name: Members(item) for item in program.sets})

    def decide(self, judge: Judge, packet: Packet) -> Decision:
        """What is enforced, and beside it what is staged (§2.3)."""
        decision = self._decide(judge, packet)
        if judge.staged is None:
            return decision
        would = self._decide(judge.staged, packet)
        return decision if would.allowed is decision.allowed else decision._replace(staged=would.rule)

    def _decide(self, judge: Judge, packet: Packet) -> Decision:
        """Tier by tier; after the last one, or when there is none, the end (§6.2 points 1 to 4)."""
        logs: list[int] = []
        for tier in judge.tiers:
            action, index = self._tier(tier, packet, logs)
            if action is not Action.PASS:
                return Decision(action is Action.ALLOW, index, tuple(logs))
        return Decision(judge.end.action is Action.ALLOW, judge.end.index, tuple(logs))

    def _tier(self, tier: Tier, packet: Packet, logs: list[int]) -> tuple[Action, int]:
        for policy in tier.policies:
            rule = self._policy(policy, packet, logs)
            if rule is not None:
                return rule.action, rule.index
        return tier.default, tier.default_index

    def _policy(self, policy: Policy, packet: Packet, logs: list[int]) -> Rule | None:
        """The first Allow, Deny or Pass rule that matches; Log rules before it mark and go on."""
        for rule in policy.rules:
            if not self.matches(rule, packet):
                continue
            if rule.action is not Action.LOG:
                return rule
            logs.append(rule.index)
        return None

    def matches(self, rule: Rule, packet: Packet) -> bool:
        """Every criterion holds; a rule without criteria matches everything (§4)."""
        return all(self.holds(criterion, packet) for criterion in rule.criteria)

    def holds(self, criterion: Criterion, packet: Packet) -> bool:
        """One criterion on one packet, by the docstrings of the IR's nodes."""
        match criterion:
            case MatchVersion(version):
                return packet.version == version
            case MatchProtocol(number, negated):
                return (packet.protocol == number) is not negated
            case MatchAddress(side, name, negated):
                address = packet.source if side is Side.SOURCE else packet.destination
                return self.sets[name].holds(packet.version, address) is not negated
            case MatchPort(side, ranges, negated):
                port = packet.sport if side is Side.SOURCE else packet.dport
                return any(first <= port <= last for first, last in ranges) is not negated
            case MatchIcmp(kind, code, negated):
                return (packet.icmp_type == kind and code in (None, packet.icmp_code)) is not negated
            case MatchEndpointPort(side, entries, negated):
                return any(self._belongs(entry, side, packet) for entry in entries) is not negated

    def _belongs(self, entry: EndpointPorts, side: Side, packet: Packet) -> bool:
        """Whether one side of the packet is a port of such endpoints."""
        address, port = packet.source, packet.sport
        if side is Side.DESTINATION:
            address, port = packet.destination, packet.dport
        if packet.protocol != entry.protocol or not any(low <= port <= high for low, high in entry.ranges):
            return False
        return entry.set is None or self.sets[entry.set].holds(packet.version, address)
