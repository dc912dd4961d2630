"""The IR's invariants, stated as a checker: whatever makes a Program must make one that passes it.

They hold for every program: directions stand in their places; indices grow in walk order; sets are named
`$0`, `$1`, … by first use, distinct and canonical; port ranges are sorted and merged; ports are asked only
of protocols that have them. A program straight from resolve has dense indices besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...pair.layout import Direction
from ...pair.packet import PORT_PROTOCOLS
from .nodes import (
    Action,
    AddressSet,
    Criterion,
    Judge,
    MatchAddress,
    MatchEndpointPort,
    MatchIcmp,
    MatchPort,
    MatchProtocol,
    MatchVersion,
    Prefix,
    Program,
    Rule,
)
from .rewrite import judges_of, rules_of
from .sets import addresses_used, disjoint, merge

_BITS = {4: 32, 6: 128}
_END_ACTIONS = (Action.ALLOW, Action.DENY)
_DEFAULT_ACTIONS = (Action.DENY, Action.PASS)


class IrError(Exception):
    """An IR program, or its text, that is not one. The message says what and where."""


def check(program: Program, *, dense: bool = True) -> None:
    """Raises IrError at the first broken invariant.

    dense: indices are 0, 1, 2, … (as resolve gives them); otherwise they only grow (after passes).
    """
    for direction in Direction:
        judge = program.judge(direction)
        if judge.direction is not direction:
            raise IrError(f"{direction.word}: holds the judge of {judge.direction.word}")
        last = _check_judge(judge, dense=dense)
        if judge.staged is not None:
            _check_staged(judge.staged, direction)
            _check_judge(judge.staged, last, dense=dense)
    _check_sets(program)


def _indices(judge: Judge) -> Iterator[int]:
    for tier in judge.tiers:
        for policy in tier.policies:
            for rule in policy.rules:
                yield rule.index
        yield tier.default_index
    yield judge.end.index


def _check_staged(judge: Judge, direction: Direction) -> None:
    if judge.direction is not direction or judge.staged is not None:
        raise IrError(f"{direction.word}: what is staged is of another direction, or staged twice")
    if any(rule.action is Action.LOG for rule in rules_of(judge)):
        raise IrError(f"{direction.word}: what is staged cannot log")


def _check_judge(judge: Judge, last: int = -1, *, dense: bool) -> int:
    """last: the index before its first; the answer is its own last one."""
    word = judge.direction.word
    for index in _indices(judge):
        if index <= last or (dense and index != last + 1):
            raise IrError(f"{word}: index {index} follows {last}")
        last = index
    if judge.end.action not in _END_ACTIONS:
        raise IrError(f"{word}: the end cannot {judge.end.action}")
    _check_names(word, "tier", [tier.name for tier in judge.tiers])
    for tier in judge.tiers:
        if tier.default not in _DEFAULT_ACTIONS:
            raise IrError(f"{word}: tier {tier.name} cannot default to {tier.default}")
        _check_names(word, "policy", [policy.name for policy in tier.policies])
        for policy in tier.policies:
            for rule in policy.rules:
                _check_rule(f"{word} #{rule.index}", rule)
    return last


def _check_names(word: str, what: str, names: list[str]) -> None:
    for name in names:
        if not name or ":" in name or len(name.split()) != 1 or name != name.strip():
            raise IrError(f"{word}: {what} name {name!r} is empty or has a space or a colon")
    if len(set(names)) != len(names):
        raise IrError(f"{word}: two of one {what} name")


def _check_rule(place: str, rule: Rule) -> None:
    ported = any(
        isinstance(criterion, MatchProtocol) and not criterion.negated and criterion.number in PORT_PROTOCOLS
        for criterion in rule.criteria
    )
    for criterion in rule.criteria:
        _check_criterion(place, criterion)
        if isinstance(criterion, MatchPort) and not ported:
            raise IrError(f"{place}: asks for a port of a protocol that may have none")


def _check_criterion(place: str, criterion: Criterion) -> None:
    match criterion:
        case MatchVersion(version):
            good = version in _BITS
        case MatchProtocol(number):
            good = 0 <= number <= 255
        case MatchIcmp(kind, code):
            good = 0 <= kind <= 255 and (code is None or 0 <= code <= 255)
        case MatchPort(_, ranges):
            good = bool(ranges) and _ranges_canonical(ranges)
        case MatchAddress():
            good = True  # its set is checked with all others
        case MatchEndpointPort():
            good = _entries_canonical(criterion)  # disjoint sets: checked with the sets
    if not good:
        raise IrError(f"{place}: {criterion} is out of range, or its ranges are not sorted and merged")


def _entries_canonical(criterion: MatchEndpointPort) -> bool:
    entries = criterion.entries
    order = [(entry.protocol, entry.set is not None) for entry in entries]
    if order != sorted(order) or len(anywhere := [key for key in order if not key[1]]) != len(set(anywhere)):
        return False
    if any(entry.protocol not in PORT_PROTOCOLS or not entry.ranges for entry in entries):
        return False
    if not all(_ranges_canonical(entry.ranges) for entry in entries) or (criterion.negated and anywhere):
        return False
    return not any(
        first.protocol == other.protocol and _overlap(first.ranges, other.ranges)
        for first in entries
        if first.set is None
        for other in entries
        if other is not first
    )


def _overlap(first: tuple[tuple[int, int], ...], second: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= end and start <= high for low, high in first for start, end in second)


def _ranges_canonical(ranges: tuple[tuple[int, int], ...]) -> bool:
    last = -2
    for first, end in ranges:
        if first <= last + 1 or not 0 <= first <= end <= 65535:
            return False
        last = end
    return True


def _check_sets(program: Program) -> None:
    names = [item.name for item in program.sets]
    if names != [f"${number}" for number in range(len(names))]:
        raise IrError("sets are not named $0, $1, … in order")
    used = list(dict.fromkeys(addresses_used(program)))
    if used != names:
        raise IrError(f"sets are not those used, in order of first use: {', '.join(used) or 'none'}")
    seen: dict[tuple[object, ...], str] = {}
    for item in program.sets:
        _check_set(item)
        if item.prefixes in seen:
            raise IrError(f"sets {seen[item.prefixes]} and {item.name} are equal")
        seen[item.prefixes] = item.name
    contents = {item.name: item.prefixes for item in program.sets}
    for judge in judges_of(program):
        for rule in rules_of(judge):
            for criterion in rule.criteria:
                if isinstance(criterion, MatchEndpointPort):
                    _check_disjoint(f"{judge.direction.word} #{rule.index}", criterion, contents)


def _check_disjoint(
    place: str, criterion: MatchEndpointPort, contents: Mapping[str, tuple[Prefix, ...]]
) -> None:
    for protocol in {entry.protocol for entry in criterion.entries}:
        names = [entry.set for entry in criterion.entries if entry.protocol == protocol and entry.set]
        if len(set(names)) < len(names) or not disjoint(contents[name] for name in names):
            raise IrError(f"{place}: sets {', '.join(names)} of protocol {protocol} overlap")


def _check_set(item: AddressSet) -> None:
    for prefix in item.prefixes:
        bits = _BITS.get(prefix.version)
        if bits is None or not 0 <= prefix.length <= bits or prefix.address >> bits or prefix.address < 0:
            raise IrError(f"set {item.name}: {prefix} is not a CIDR")
        if prefix.address & ((1 << (bits - prefix.length)) - 1):
            raise IrError(f"set {item.name}: {prefix} has host bits")
    if merge(item.prefixes) != item.prefixes:
        raise IrError(f"set {item.name}: prefixes are not sorted, disjoint and merged")
