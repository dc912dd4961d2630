"""A rule as plain rules: what asks for ports of endpoints becomes alternatives, each a row of its own.

The plan's rows are conjunctions of one criterion a field, and "one of these addresses on one of those ports"
is a disjunction of such. At most one alternative of a rule holds for a packet, so a rule still has one bit
set at most, in Log words too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from math import prod

from ..ir.nodes import (
    Criterion,
    MatchAddress,
    MatchEndpointPort,
    MatchPort,
    MatchProtocol,
    Rule,
    Side,
)

_Criteria = tuple[Criterion, ...]


def alternative_count(rule: Rule) -> int:
    """An upper bound of how many rules `alternatives` gives."""
    return prod(_most(item) for item in rule.criteria if isinstance(item, MatchEndpointPort))


def _most(criterion: MatchEndpointPort) -> int:
    protocols = len({entry.protocol for entry in criterion.entries})
    return len(criterion.entries) + (1 + protocols if criterion.negated else 0)


def alternatives(rule: Rule) -> tuple[Rule, ...]:
    """Rules of the same index without MatchEndpointPort, of which one holds where the rule holds.

    Alternatives whose protocols exclude each other are left out, so there may be none.
    """
    asked = [item for item in rule.criteria if isinstance(item, MatchEndpointPort)]
    if not asked:
        return (rule,)
    plain = tuple(item for item in rule.criteria if not isinstance(item, MatchEndpointPort))
    choices = product(*(tuple(_parts(item)) for item in asked))
    found = (plain + tuple(item for part in choice for item in part) for choice in choices)
    return tuple(replace(rule, criteria=_without_doubles(item)) for item in found if _possible(item))


def _without_doubles(criteria: _Criteria) -> _Criteria:
    return tuple(dict.fromkeys(criteria))


def _possible(criteria: _Criteria) -> bool:
    protocols = [item for item in criteria if isinstance(item, MatchProtocol)]
    wanted = {item.number for item in protocols if not item.negated}
    unwanted = {item.number for item in protocols if item.negated}
    return len(wanted) < 2 and wanted.isdisjoint(unwanted)


def _parts(criterion: MatchEndpointPort) -> Iterator[_Criteria]:
    """The alternatives of one criterion: its entries, or what is left when none of them may hold."""
    side = criterion.side
    if not criterion.negated:
        for entry in criterion.entries:
            where = () if entry.set is None else (MatchAddress(side, entry.set),)
            yield MatchProtocol(entry.protocol), *where, MatchPort(side, entry.ranges)
        return
    protocols = sorted({entry.protocol for entry in criterion.entries})
    yield tuple(MatchProtocol(number, negated=True) for number in protocols)
    for number in protocols:
        yield from _outside(side, number, criterion)


def _outside(side: Side, number: int, criterion: MatchEndpointPort) -> Iterable[_Criteria]:
    """Packets of the protocol to no endpoint of the entries, or to one of them on another port."""
    protocol = MatchProtocol(number)
    entries = [entry for entry in criterion.entries if entry.protocol == number]
    sets = [entry.set for entry in entries if entry.set is not None]
    yield protocol, *(MatchAddress(side, name, negated=True) for name in sets)
    for entry in entries:
        if entry.set is not None:
            yield protocol, MatchAddress(side, entry.set), MatchPort(side, entry.ranges, negated=True)
