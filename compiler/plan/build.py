"""IR → plan: bit positions for rules (one for each alternative), rows for fields, and the tables' bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...pair.layout import Direction
from ..ir.nodes import (
    Action,
    AddressSet,
    Criterion,
    Judge,
    MatchAddress,
    MatchIcmp,
    MatchPort,
    MatchProtocol,
    MatchVersion,
    Program,
    Rule,
    Side,
    Tier,
)
from . import intervals as iv
from .alternatives import alternative_count, alternatives
from .plan import (
    FIELD_BITS,
    LOG_LIMIT,
    RULE_LIMIT,
    TABLE_LIMIT,
    VERDICT_CODES,
    VERDICT_SHIFT,
    WORD_BITS,
    Field,
    FieldKind,
    JudgePlan,
    Plan,
    StagedPlan,
    TierPlan,
    log_places,
)
from .tables import TableBuilder, add_fixed

# One entry a rule in row order: (bit mask of the rules, what this field allows them).
Groups = Sequence[tuple[int, iv.Intervals]]


class PlanLimitError(Exception):
    """The policy is larger than the plan supports; the message says the limit."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where a tier's rules got their bits."""

    tier: Tier
    first_word: int
    words: int
    deciding: tuple[Rule, ...]
    logs: tuple[Rule, ...]
    log_word: int


def build(program: Program) -> Plan:
    """The plan of both directions. Raises PlanLimitError."""
    sets = {item.name: item for item in program.sets}
    return Plan(*(build_judge(program.judge(direction), sets) for direction in Direction))


def build_judge(judge: Judge, sets: Mapping[str, AddressSet]) -> JudgePlan:
    placed, words = _place(judge)
    bits: list[tuple[int, Rule]] = []
    for part in placed:
        bits += [(part.first_word * WORD_BITS + bit, rule) for bit, rule in enumerate(part.deciding)]
        bits += [(part.log_word * WORD_BITS + bit, rule) for bit, rule in enumerate(part.logs)]
    builder = TableBuilder()
    fixed = add_fixed(builder)
    rows = _Rows(builder, words)
    fields = [_protocol_field(bits, rows)]
    for kind in FIELD_BITS:
        groups = _groups(kind, bits, sets)
        if groups is not None:
            fields.append(_interval_field(kind, groups, rows))
    parts = tuple(_tier_plan(part, builder) for part in placed)
    tiers, proposed = parts[: len(judge.tiers)], parts[len(judge.tiers) :]
    staged = None
    if judge.staged is not None:
        staged = StagedPlan(proposed, judge.staged.end.action, judge.staged.end.index)
    row_limit = rows.limit
    tables = builder.finish()
    if len(tables) > TABLE_LIMIT:
        raise PlanLimitError(
            f"the {judge.direction.word} tables need {len(tables)} bytes; at most {TABLE_LIMIT} are supported"
        )
    return JudgePlan(
        judge.direction,
        words,
        row_limit,
        tuple(fields),
        tiers,
        judge.end.action,
        judge.end.index,
        fixed,
        tables,
        staged,
    )


def _place(judge: Judge) -> tuple[list[_Placed], int]:
    placed = []
    word = 0
    total = 0
    for tier in (*judge.tiers, *(judge.staged.tiers if judge.staged else ())):
        rules = [plain for policy in tier.policies for rule in policy.rules for plain in _plain(rule)]
        logs = tuple(rule for rule in rules if rule.action is Action.LOG)
        deciding = tuple(rule for rule in rules if rule.action is not Action.LOG)
        total += len(deciding)
        if len(logs) > LOG_LIMIT:
            raise PlanLimitError(
                f"{len(logs)} Log rules apply in {judge.direction.word} in tier {tier.name}; "
                f"at most {LOG_LIMIT} are supported"
            )
        words = (len(deciding) + WORD_BITS - 1) // WORD_BITS
        log_word = word + words if logs else -1
        placed.append(_Placed(tier, word, words, deciding, logs, log_word))
        word += words + bool(logs)
    if total > RULE_LIMIT:
        raise PlanLimitError(
            f"{total} rules decide in {judge.direction.word}; at most {RULE_LIMIT} are supported"
        )
    return placed, max(word, 1)


def _plain(rule: Rule) -> tuple[Rule, ...]:
    """The rule's alternatives: each has a bit, all have the rule's index."""
    if alternative_count(rule) > RULE_LIMIT:
        raise PlanLimitError(
            f"a rule's ports belong to more than {RULE_LIMIT} different groups of endpoints; "
            f"at most {RULE_LIMIT} are supported"
        )
    return alternatives(rule)


class _Rows:
    """Stores each distinct row once and gives its byte offset."""

    def __init__(self, builder: TableBuilder, words: int) -> None:
        self._builder = builder
        self._words = words
        self._seen: dict[int, int] = {}
        self.limit = 0

    @property
    def builder(self) -> TableBuilder:
        return self._builder

    def offset(self, row: int) -> int:
        known = self._seen.get(row)
        if known is None:
            known = self._builder.add(row.to_bytes(self._words * 8, "little"))
            if self._builder.size > TABLE_LIMIT:
                raise PlanLimitError(f"the tables need more than the supported {TABLE_LIMIT} bytes")
            self._seen[row] = known
            self.limit = max(self.limit, known)
        return known


def _protocol_field(bits: Iterable[tuple[int, Rule]], rows: _Rows) -> Field:
    """Rows by version and protocol number: which rules' ipVersion and protocol criteria hold."""
    masks: dict[tuple[MatchVersion | MatchProtocol, ...], int] = {}
    for bit, rule in bits:
        criteria = tuple(c for c in rule.criteria if isinstance(c, MatchVersion | MatchProtocol))
        masks[criteria] = masks.get(criteria, 0) | 1 << bit
    asked = {c.number for criteria in masks for c in criteria if isinstance(c, MatchProtocol)}
    # All numbers that no rule asks for are like the first of them: one in each version is tried.
    other = next((number for number in range(256) if number not in asked), 0)
    found: dict[int, int] = {}
    for at in sorted({number | high for number in {*asked, other} for high in (0, 256)}):
        row = 0
        for criteria, mask in masks.items():
            if all(_holds(c, 6 if at & 256 else 4, at & 255) for c in criteria):
                row |= mask
        found[at] = rows.offset(row)
    offsets = [found[other]] * 256 + [found[256 | other]] * 256
    for at, offset in found.items():
        offsets[at] = offset
    at = rows.builder.add(struct.pack("<512I", *offsets))
    return Field(FieldKind.PROTOCOL, 9, 0, at, len(set(offsets)), 512)


def _holds(criterion: MatchVersion | MatchProtocol, version: int, number: int) -> bool:
    if isinstance(criterion, MatchVersion):
        return criterion.version == version
    return (criterion.number == number) is not criterion.negated


def _groups(
    kind: FieldKind, bits: Sequence[tuple[int, Rule]], sets: Mapping[str, AddressSet]
) -> Groups | None:
    """What the field allows each rule, rules with equal criteria together; None when no rule asks it."""
    masks: dict[tuple[Criterion, ...], int] = {}
    for bit, rule in bits:
        criteria = tuple(c for c in rule.criteria if _concerns(kind, c))
        masks[criteria] = masks.get(criteria, 0) | 1 << bit
    if all(not criteria for criteria in masks):
        return None
    return [(mask, _allowed(kind, criteria, sets)) for criteria, mask in masks.items()]


_SIDES = {
    FieldKind.SOURCE4: (Side.SOURCE, 4),
    FieldKind.SOURCE6: (Side.SOURCE, 6),
    FieldKind.DESTINATION4: (Side.DESTINATION, 4),
    FieldKind.DESTINATION6: (Side.DESTINATION, 6),
}
_PORT_SIDES = {
    FieldKind.SPORT: Side.SOURCE,
    FieldKind.DPORT: Side.DESTINATION,
    FieldKind.ICMP: Side.DESTINATION,
}


def _concerns(kind: FieldKind, criterion: Criterion) -> bool:
    if isinstance(criterion, MatchAddress):
        return kind in _SIDES and criterion.side is _SIDES[kind][0]
    if isinstance(criterion, MatchPort):
        return kind in _PORT_SIDES and criterion.side is _PORT_SIDES[kind]
    if isinstance(criterion, MatchIcmp):
        return kind in (FieldKind.DPORT, FieldKind.ICMP)
    return False


def _allowed(kind: FieldKind, criteria: Iterable[Criterion], sets: Mapping[str, AddressSet]) -> iv.Intervals:
    width = FIELD_BITS[kind]
    allowed = iv.full(width)
    for criterion in criteria:
        parts: iv.Intervals
        if isinstance(criterion, MatchAddress):
            parts = iv.of_prefixes(sets[criterion.set].prefixes, _SIDES[kind][1])
        elif isinstance(criterion, MatchPort):
            parts = iv.merge(criterion.ranges)
            if kind is FieldKind.ICMP:  # an ICMP packet has port 0
                parts = iv.full(width) if any(low == 0 for low, _ in parts) else ()
        elif isinstance(criterion, MatchIcmp):
            parts = _icmp_values(criterion) if kind is FieldKind.ICMP else ()
        else:
            continue
        negated = not isinstance(criterion, MatchVersion) and criterion.negated
        allowed = iv.intersect(allowed, iv.complement(parts, width) if negated else parts)
    return allowed


def _icmp_values(criterion: MatchIcmp) -> iv.Intervals:
    low = criterion.type << 8
    return ((low, low | 0xFF),) if criterion.code is None else ((low | criterion.code,) * 2,)


def _interval_field(kind: FieldKind, groups: Groups, rows: _Rows) -> Field:
    """Sweeps over the interval borders; neighbours with equal rows become one interval."""
    toggles: dict[int, int] = {0: 0}
    width = FIELD_BITS[kind]
    for mask, allowed in groups:
        for low, high in allowed:
            toggles[low] = toggles.get(low, 0) ^ mask
            if high + 1 < 1 << width:
                toggles[high + 1] = toggles.get(high + 1, 0) ^ mask
    starts: list[int] = []
    offsets: list[int] = []
    row = 0
    for start in sorted(toggles):
        row ^= toggles[start]
        offset = rows.offset(row)
        if not offsets or offsets[-1] != offset:
            starts.append(start)
            offsets.append(offset)
    count = len(starts)
    steps = (count - 1).bit_length()
    padding = (1 << steps) - count
    starts += [(1 << width) - 1] * padding
    offsets += [offsets[-1]] * padding
    if width == 128:
        keys = b"".join(start.to_bytes(16, "little") for start in starts)
    else:
        keys = struct.pack(f"<{len(starts)}I", *starts)
    at_keys = rows.builder.add(keys, 16)
    at_rows = rows.builder.add(struct.pack(f"<{len(offsets)}I", *offsets))
    return Field(kind, steps, at_keys, at_rows, len(set(offsets)), count)


def _tier_plan(part: _Placed, builder: TableBuilder) -> TierPlan:
    verdicts = [VERDICT_CODES[rule.action] << VERDICT_SHIFT | rule.index for rule in part.deciding]
    room = max(1, part.words * WORD_BITS)
    at_verdicts = builder.add(struct.pack(f"<{room}I", *verdicts, *[0] * (room - len(verdicts))))
    at_counts = 0
    if part.logs:
        counts = [sum(log.index < rule.index for log in part.logs) for rule in part.deciding]
        # Positions past the rules, and the one that stands for "no rule matched", see every Log rule.
        entries = log_places(part.words) + 1
        at_counts = builder.add(bytes([*counts, *[len(part.logs)] * (entries - len(counts))]))
    return TierPlan(
        part.tier.name,
        part.tier.default,
        part.tier.default_index,
        part.first_word,
        part.words,
        tuple((rule.index, rule.action) for rule in part.deciding),
        part.log_word,
        tuple(rule.index for rule in part.logs),
        at_verdicts,
        at_counts,
    )
