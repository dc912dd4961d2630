"""Drops rules that no packet can match.

before  #0 allow: proto 6, src in $0    (set $0 is empty)
        #1 deny: version 4, version 6
after   nothing of either
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...pair.packet import PROTO_ICMP, PROTO_ICMPV6
from ..ir.nodes import (
    AddressSet,
    Criterion,
    MatchAddress,
    MatchEndpointPort,
    MatchIcmp,
    MatchPort,
    MatchProtocol,
    MatchVersion,
    Program,
    Rule,
    Side,
)
from ..ir.rewrite import map_judges, map_rules
from ..ir.sets import number_sets

_ICMP_PROTOCOL = {4: PROTO_ICMP, 6: PROTO_ICMPV6}
_ALL_PORTS = frozenset(range(65536))


def drop_never(program: Program) -> Program:
    """Every rule whose criteria exclude each other, or ask for a member of an empty set, is gone."""
    sets = {item.name: item for item in program.sets}

    def keep(rule: Rule) -> Rule | None:
        return rule if _possible(rule, sets) else None

    return number_sets(map_judges(program, lambda judge: map_rules(judge, keep)))


def _possible(rule: Rule, sets: Mapping[str, AddressSet]) -> bool:
    """Whether some packet might match; True when in doubt."""
    if _contradicts_itself(rule) or any(map(_nothing, rule.criteria)):
        return False
    protocols = _protocols(rule)
    if protocols == set():
        return False
    versions = _versions(rule, sets)
    for criterion in rule.criteria:
        if isinstance(criterion, MatchIcmp) and not criterion.negated and protocols is not None:
            versions = {version for version in versions if _ICMP_PROTOCOL[version] in protocols}
    return bool(versions) and all(_some_port(rule, side) for side in Side)


def _contradicts_itself(rule: Rule) -> bool:
    """A criterion stands next to its own negation, or two ICMP types are asked for at once."""
    told = [item for item in rule.criteria if not isinstance(item, MatchVersion)]
    positive = {_subject(item) for item in told if not item.negated}
    if any(_subject(item) in positive for item in told if item.negated):
        return True
    asked = [item for item in told if isinstance(item, MatchIcmp) and not item.negated]
    return len({item.type for item in asked}) > 1 or len({item.code for item in asked} - {None}) > 1


def _nothing(criterion: Criterion) -> bool:
    """A port of no endpoint."""
    return isinstance(criterion, MatchEndpointPort) and not criterion.entries and not criterion.negated


def _subject(
    criterion: MatchProtocol | MatchAddress | MatchPort | MatchIcmp | MatchEndpointPort,
) -> tuple[object, ...]:
    """What is tested, without whether it is negated."""
    match criterion:
        case MatchProtocol(number):
            return "proto", number
        case MatchAddress(side, name):
            return "address", side, name
        case MatchPort(side, ranges):
            return "port", side, ranges
        case MatchIcmp(kind, code):
            return "icmp", kind, code
        case MatchEndpointPort(side, entries):
            return "endpoint", side, entries


def _protocols(rule: Rule) -> set[int] | None:
    """The protocols asked for, None for any; a set of two or more that exclude each other is empty."""
    asked = {item.number for item in rule.criteria if isinstance(item, MatchProtocol) and not item.negated}
    return None if not asked else asked if len(asked) == 1 else set()


def _versions(rule: Rule, sets: Mapping[str, AddressSet]) -> set[int]:
    """The IP versions that every version and address criterion leaves."""
    versions = {4, 6}
    for criterion in rule.criteria:
        if isinstance(criterion, MatchVersion):
            versions &= {criterion.version}
        elif isinstance(criterion, MatchAddress):
            prefixes = sets[criterion.set].prefixes
            if criterion.negated:
                versions -= {prefix.version for prefix in prefixes if prefix.length == 0}
            else:
                versions &= {prefix.version for prefix in prefixes}
    return versions


def _some_port(rule: Rule, side: Side) -> bool:
    mine = [item for item in rule.criteria if isinstance(item, MatchPort) and item.side is side]
    if len(mine) < 2 and not any(item.negated for item in mine):
        return True
    left = _ALL_PORTS
    for item in mine:
        ports = _listed(item.ranges)
        left = left - ports if item.negated else left & ports
    return bool(left)


def _listed(ranges: Iterable[tuple[int, int]]) -> frozenset[int]:
    return frozenset(port for first, last in ranges for port in range(first, last + 1))
