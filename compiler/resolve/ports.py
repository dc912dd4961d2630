"""Ports of endpoints, by name or by service, as (address, protocol, port) triples in groups.

Dossier §4.3 and §4.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from operator import itemgetter

from ..ir.nodes import EndpointPorts, Prefix
from ..ir.sets import merge

Ranges = tuple[tuple[int, int], ...]
Triple = tuple[Prefix, int, int]  # address, protocol, port
Group = tuple[int, Ranges, tuple[Prefix, ...]]  # protocol, ports, canonical addresses
NameSet = Callable[[tuple[Prefix, ...]], str]


def merged_ranges(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same ports as the fewest inclusive ranges, sorted."""
    kept: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if kept and first <= kept[-1][1] + 1:
            kept[-1] = (kept[-1][0], max(last, kept[-1][1]))
        else:
            kept.append((first, last))
    return tuple(kept)


def grouped(triples: Iterable[Triple]) -> tuple[Group, ...]:
    """Of each protocol the addresses with equal ports together, sorted by protocol and ports."""
    ports: dict[tuple[int, Prefix], set[int]] = {}
    for prefix, protocol, port in triples:
        ports.setdefault((protocol, prefix), set()).add(port)
    ranges: dict[frozenset[int], Ranges] = {}
    rows = []
    for (protocol, prefix), found in ports.items():
        key = frozenset(found)
        if key not in ranges:
            ranges[key] = merged_ranges((port, port) for port in found)
        rows.append((protocol, ranges[key], prefix))
    which = itemgetter(0, 1)
    return tuple(
        (protocol, asked, merge(prefix for _, _, prefix in members))
        for (protocol, asked), members in groupby(sorted(rows, key=which), key=which)
    )


def entries(groups: Iterable[Group], name_set: NameSet) -> tuple[EndpointPorts, ...]:
    """The groups as the IR has them, their address sets named in order."""
    return tuple(EndpointPorts(protocol, ranges, name_set(prefixes)) for protocol, ranges, prefixes in groups)


def holds(ranges: Ranges, port: int) -> bool:
    return any(first <= port <= last for first, last in ranges)
