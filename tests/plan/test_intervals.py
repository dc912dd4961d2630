"""The interval algebra agrees with sets of integers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from polc.compiler.ir.nodes import Prefix
from polc.compiler.plan import intervals as iv

BITS = 6
parts = st.lists(
    st.tuples(st.integers(0, 63), st.integers(0, 63)).map(lambda p: (min(p), max(p))), max_size=6
)


def members(intervals: iv.Intervals) -> set[int]:
    return {value for low, high in intervals for value in range(low, high + 1)}


def is_canonical(intervals: iv.Intervals) -> bool:
    ordered = all(low <= high for low, high in intervals)
    gaps = (right[0] - left[1] for left, right in pairwise(intervals))
    return ordered and all(gap > 1 for gap in gaps)


@given(parts)
def test_merge_keeps_members_and_is_canonical(raw: list[tuple[int, int]]) -> None:
    merged = iv.merge(raw)
    assert members(merged) == members(tuple(raw))
    assert is_canonical(merged)


@given(parts)
def test_complement_holds_exactly_the_rest(raw: list[tuple[int, int]]) -> None:
    merged = iv.merge(raw)
    rest = iv.complement(merged, BITS)
    assert members(rest) == set(range(64)) - members(merged)
    assert is_canonical(rest)


@given(parts, parts)
def test_intersect_holds_exactly_the_common(
    left: list[tuple[int, int]], right: list[tuple[int, int]]
) -> None:
    one, other = iv.merge(left), iv.merge(right)
    common = iv.intersect(one, other)
    assert members(common) == members(one) & members(other)


def test_prefixes_of_one_family_become_their_addresses() -> None:
    prefixes = [Prefix(4, 10 << 24, 8), Prefix(4, 11 << 24, 8), Prefix(6, 0, 0)]
    assert iv.of_prefixes(prefixes, 4) == ((10 << 24, (12 << 24) - 1),)
    assert iv.of_prefixes(prefixes, 6) == iv.full(128)


def test_a_complement_has_the_one_value_that_is_left_at_either_end() -> None:
    assert iv.complement(((0, 254),), 8) == ((255, 255),)
    assert iv.complement(((1, 255),), 8) == ((0, 0),)
    assert iv.complement(((0, 99), (101, 255)), 8) == ((100, 100),)
