"""Address sets are canonical: one form for one set of addresses, whatever it was made from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from polc.compiler.ir.nodes import Prefix
from polc.compiler.ir.sets import merge, number_sets
from polc.compiler.ir.text import dump, load

BASE = 0xFFFFFFE0  # the last 32 IPv4 addresses: small enough to list


def _inside(start: int, length: int) -> Prefix:
    return Prefix(4, (BASE + start) >> (32 - length) << (32 - length), length)


def _addresses(prefixes: tuple[Prefix, ...] | list[Prefix]) -> set[int]:
    return {p.address + n for p in prefixes for n in range(1 << (32 - p.length))}


SMALL = st.lists(st.builds(_inside, st.integers(0, 31), st.integers(27, 32)), max_size=12)


@given(SMALL)
def test_merging_keeps_exactly_the_addresses(prefixes: list[Prefix]) -> None:
    merged = merge(prefixes)
    assert _addresses(merged) == _addresses(prefixes)
    assert sum(1 << (32 - p.length) for p in merged) == len(_addresses(prefixes)), "prefixes overlap"
    assert list(merged) == sorted(merged)


@given(SMALL)
def test_equal_addresses_give_equal_prefixes(prefixes: list[Prefix]) -> None:
    singles = [Prefix(4, address, 32) for address in _addresses(prefixes)]
    assert merge(singles) == merge(prefixes)


def test_everything_merges_into_one_prefix_a_family() -> None:
    halves = [Prefix(4, 0, 1), Prefix(4, 1 << 31, 1), Prefix(6, 0, 1), Prefix(6, 1 << 127, 1)]
    assert merge(halves) == (Prefix(4, 0, 0), Prefix(6, 0, 0))


def test_a_prefix_of_one_family_never_swallows_the_other() -> None:
    both = (Prefix(4, 0, 0), Prefix(6, 1, 128))
    assert merge(both) == both


def test_sets_are_numbered_by_first_use_and_equal_ones_are_one() -> None:
    program = load(
        """polc-ir 1
        set unused
          9.9.9.9/32
        set a
          10.0.0.0/8
        set b
          1.1.1.1/32
        set c
          10.0.0.0/8
        ingress
          tier default: deny #1
            policy P/p
              #0 allow: src in b, dst in c
          end: allow #2
        egress
          tier default: deny #1
            policy P/p
              #0 allow: src in a, dst in b
          end: allow #2
        """
    )
    assert dump(number_sets(program)) == (
        "polc-ir 1\n"
        "set $0\n  1.1.1.1/32\n"
        "set $1\n  10.0.0.0/8\n"
        "ingress\n  tier default: deny #1\n    policy P/p\n      #0 allow: src in $0, dst in $1\n"
        "  end: allow #2\n"
        "egress\n  tier default: deny #1\n    policy P/p\n      #0 allow: src in $1, dst in $0\n"
        "  end: allow #2\n"
    )
