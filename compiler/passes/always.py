"""Drops criteria that hold for every packet the rest of their rule lets through.

before  #0 allow: proto 6, proto not 17, src not in $0, dst port 0-65535    (set $0 is empty)
after   #0 allow: proto 6
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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
)
from ..ir.rewrite import map_judges, map_rules
from ..ir.sets import number_sets

_EVERY_PORT = ((0, 65535),)


def drop_always(program: Program) -> Program:
    """Rules keep the criteria that decide something; a rule may be left with none."""
    sets = {item.name: item for item in program.sets}

    def lighten(rule: Rule) -> Rule:
        distinct = dict.fromkeys(rule.criteria)
        return replace(rule, criteria=tuple(item for item in distinct if not _holds(item, rule, sets)))

    return number_sets(map_judges(program, lambda judge: map_rules(judge, lighten)))


def _holds(criterion: Criterion, rule: Rule, sets: Mapping[str, AddressSet]) -> bool:
    """Whether the criterion follows from criteria that are never dropped: version and positive protocol."""
    match criterion:
        case MatchProtocol(number, True):
            return bool(_protocols(rule) - {number})
        case MatchAddress(_, name, negated):
            prefixes = sets[name].prefixes
            if negated:
                return not any(prefix.version in _versions(rule) for prefix in prefixes)
            return _versions(rule) <= {prefix.version for prefix in prefixes if prefix.length == 0}
        case MatchPort(_, ranges, False):
            return ranges == _EVERY_PORT
        case MatchIcmp(negated=True):
            return bool(_protocols(rule) - {PROTO_ICMP, PROTO_ICMPV6})
        case MatchEndpointPort(_, entries, True):
            protocols = _protocols(rule)
            return not entries or bool(protocols and protocols.isdisjoint(item.protocol for item in entries))
        case _:
            return False


def _protocols(rule: Rule) -> set[int]:
    return {item.number for item in rule.criteria if isinstance(item, MatchProtocol) and not item.negated}


def _versions(rule: Rule) -> set[int]:
    asked = {item.version for item in rule.criteria if isinstance(item, MatchVersion)}
    return asked or {4, 6}
