"""Sets of integers as sorted, disjoint, non-adjacent inclusive intervals: the algebra behind the tables."""

from __future__ import annotations

from collections.abc import Iterable

from ..ir.nodes import Prefix

Intervals = tuple[tuple[int, int], ...]

WIDTH = {4: 32, 6: 128}


def full(bits: int) -> Intervals:
    """Every value of `bits` bits."""
    return ((0, (1 << bits) - 1),)


def merge(parts: Iterable[tuple[int, int]]) -> Intervals:
    """The canonical form of any intervals."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(parts):
        if out and low <= out[-1][1] + 1:
            if high > out[-1][1]:
                out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return tuple(out)


def of_prefixes(prefixes: Iterable[Prefix], version: int) -> Intervals:
    """The addresses of one family."""
    width = WIDTH[version]
    return merge(
        (p.address, p.address | ((1 << (width - p.length)) - 1)) for p in prefixes if p.version == version
    )


def complement(parts: Intervals, bits: int) -> Intervals:
    out = []
    start = 0
    for low, high in parts:
        if low > start:
            out.append((start, low - 1))
        start = high + 1
    last = (1 << bits) - 1
    if start <= last:
        out.append((start, last))
    return tuple(out)


def intersect(left: Intervals, right: Intervals) -> Intervals:
    out = []
    i = j = 0
    while i < len(left) and j < len(right):
        low = max(left[i][0], right[j][0])
        high = min(left[i][1], right[j][1])
        if low <= high:
            out.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(out)
