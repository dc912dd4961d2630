"""Canonical address sets: merging prefixes, and naming a program's sets by first use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from .nodes import AddressSet, Judge, Prefix, Program, Rule
from .rewrite import judges_of, map_judges, map_rules, rename_sets, rules_of, sets_of

_BITS = {4: 32, 6: 128}


def merge(prefixes: Iterable[Prefix]) -> tuple[Prefix, ...]:
    """The same addresses as the fewest prefixes, sorted by version and address.

    Takes prefixes without host bits. A prefix inside another vanishes; two halves become the whole.
    """
    kept: list[tuple[int, int, int]] = []
    # Sorted by address and then length, so whatever contains a prefix stands right before it.
    for item in sorted({(prefix.version, prefix.address, prefix.length) for prefix in prefixes}):
        if kept and _contains(kept[-1], item):
            continue
        kept.append(item)
        while len(kept) > 1 and _halves(kept[-2], kept[-1]):
            kept.pop()
            version, address, length = kept.pop()
            kept.append((version, address, length - 1))
    return tuple(Prefix(*item) for item in kept)


def _contains(outer: tuple[int, int, int], inner: tuple[int, int, int]) -> bool:
    shift = _BITS[outer[0]] - outer[2]
    return outer[0] == inner[0] and outer[2] <= inner[2] and outer[1] >> shift == inner[1] >> shift


def _halves(low: tuple[int, int, int], high: tuple[int, int, int]) -> bool:
    if low[0] != high[0] or low[2] != high[2] or low[2] == 0:
        return False
    bit = 1 << (_BITS[low[0]] - low[2])
    return not low[1] & bit and high[1] == low[1] | bit


def disjoint(sets: Iterable[tuple[Prefix, ...]]) -> bool:
    """Whether no address is in two of the sets (each canonical)."""
    kept: tuple[int, int, int] | None = None
    for prefix in sorted((item.version, item.address, item.length) for content in sets for item in content):
        if kept is not None and _contains(kept, prefix):
            return False
        kept = prefix
    return True


def addresses_used(program: Program) -> Iterator[str]:
    """The set names that criteria use, in walk order, with repetitions: ingress before egress, and either
    before what is staged in it."""
    for judge in judges_of(program):
        for rule in rules_of(judge):
            for criterion in rule.criteria:
                yield from sets_of(criterion)


def number_sets(program: Program) -> Program:
    """The same program with only the sets in use, equal ones made one, named by first use.

    Equal means equal prefixes: sets are expected to be canonical. Raises KeyError when a criterion names a
    set that is not there.
    """
    contents = {item.name: item.prefixes for item in program.sets}
    names: dict[tuple[Prefix, ...], str] = {}
    renamed: dict[str, str] = {}
    for old in addresses_used(program):
        if old not in renamed:
            renamed[old] = names.setdefault(contents[old], f"${len(names)}")
    sets = tuple(AddressSet(name, prefixes) for prefixes, name in names.items())
    if sets == program.sets and all(old == new for old, new in renamed.items()):
        return program
    return replace(map_judges(program, lambda judge: _rename(judge, renamed)), sets=sets)


def _rename(judge: Judge, names: dict[str, str]) -> Judge:
    def rule(old: Rule) -> Rule:
        return replace(old, criteria=tuple(rename_sets(item, names) for item in old.criteria))

    return map_rules(judge, rule)
