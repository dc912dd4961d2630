"""The classifier plan of one direction: which tables there are, what is in them, and how they are read.

Method: each packet field that some rule constrains is mapped to a *row*, a bit vector with one bit a rule
(1 = this field does not rule it out). The rows of all fields are ANDed word by word; the first set bit of a
tier's words is the first matching rule of that tier. A field's values fall into intervals with equal rows,
found by binary search over the interval starts; equal rows are stored once. So the code depends on which
fields are used and on how many rules there are, never on how many members a set has.

Log rules decide nothing: they have a word of their own behind each tier's words.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from ...pair.layout import Direction
from ..ir.nodes import Action

WORD_BITS = 64
RULE_LIMIT = 4096  # deciding rules a direction
LOG_LIMIT = 63  # Log rules a tier and direction
TABLE_LIMIT = 32 << 20  # bytes of tables a direction
LANDING_LIMIT = 256  # up to this many deciding rules a tier, each has an instruction of its own

# Debug lines as LLVM sees them, until the seal puts the policy's in: rule index i is on FIRST_LINE + i.
HOME_LINE = 1
FIRST_LINE = 2

VERDICT_SHIFT = 28  # a verdict entry is code << 28 | rule index
VERDICT_CODES = {Action.ALLOW: 1, Action.DENY: 2, Action.PASS: 3}


class FieldKind(StrEnum):
    """The packet fields that can have rows. Families of an address are fields of their own."""

    PROTOCOL = "protocol"  # direct: index version(v6 = 1) << 8 | protocol
    SOURCE4 = "src4"
    SOURCE6 = "src6"
    DESTINATION4 = "dst4"
    DESTINATION6 = "dst6"
    SPORT = "sport"
    DPORT = "dport"  # packets that are not ICMP
    ICMP = "icmp"  # ICMP packets: type << 8 | code


FIELD_BITS = {
    FieldKind.SOURCE4: 32,
    FieldKind.SOURCE6: 128,
    FieldKind.DESTINATION4: 32,
    FieldKind.DESTINATION6: 128,
    FieldKind.SPORT: 16,
    FieldKind.DPORT: 16,
    FieldKind.ICMP: 16,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field's tables, as byte offsets into the table section.

    steps: log2 of the number of keys (binary search rounds), 0 = one row for every value.
    keys: 4-byte little-endian starts (16-bit and 32-bit fields) or 16-byte (low half, high half) ones.
    rows: 4-byte row offsets by key (for PROTOCOL by direct index). classes: how many distinct rows.
    """

    kind: FieldKind
    steps: int
    keys: int
    rows: int
    classes: int
    intervals: int

    @property
    def key_bytes(self) -> int:
        """Size of one interval start."""
        return 16 if FIELD_BITS.get(self.kind) == 128 else 4


def log_places(words: int) -> int:
    """The last place of a table by bit position of that many words: a mask that takes in one position more,
    for "no rule matched"."""
    return (1 << max(1, words * WORD_BITS).bit_length()) - 1


@dataclass(frozen=True, slots=True)
class TierPlan:
    """first_word, words: the tier's part of a row. rules: (IR index, action) by bit position.

    log_word: the row word of its Log rules, -1 without. logs: their IR indices by bit.
    verdicts: byte offset of u32 verdict entries by bit position. log_counts: byte offset of u8 counts by bit
    position, 0 to `log_places(words)`: how many Log rules come before it.
    """

    name: str
    default: Action
    default_index: int
    first_word: int
    words: int
    rules: tuple[tuple[int, Action], ...]
    log_word: int
    logs: tuple[int, ...]
    verdicts: int
    log_counts: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """Byte offsets of the tables that every plan has (see tables.py)."""

    transitions: int
    timeouts: int
    timeout_defaults: int
    tcp_events: int
    icmp: int
    carriers: int
    extensions: int
    first_bit: int


@dataclass(frozen=True, slots=True)
class StagedPlan:
    """What would be decided were the staged policies in force; its rows stand behind the judge's own."""

    tiers: tuple[TierPlan, ...]
    end: Action
    end_index: int


@dataclass(frozen=True, slots=True)
class JudgePlan:
    direction: Direction
    row_words: int
    row_limit: int  # the largest legal row offset
    fields: tuple[Field, ...]
    tiers: tuple[TierPlan, ...]
    end: Action
    end_index: int
    fixed: Fixed
    tables: bytes
    staged: StagedPlan | None = None

    @property
    def index_count(self) -> int:
        """How many rule indices there are: the last end has the largest."""
        return (self.staged or self).end_index + 1

    def field(self, kind: FieldKind) -> Field | None:
        return next((field for field in self.fields if field.kind is kind), None)


@dataclass(frozen=True, slots=True)
class Plan:
    ingress: JudgePlan
    egress: JudgePlan

    def judge(self, direction: Direction) -> JudgePlan:
        return self.ingress if direction is Direction.INGRESS else self.egress

    def meaning(self) -> bytes:
        """The meaning key: SHA-256 of the printed plan and the tables of both directions."""
        digest = hashlib.sha256()
        for judge in (self.ingress, self.egress):
            text = dump(judge).encode()
            digest.update(len(text).to_bytes(8, "little") + text)
            digest.update(len(judge.tables).to_bytes(8, "little") + judge.tables)
        return digest.digest()


def _walk_lines(walk: JudgePlan | StagedPlan) -> list[str]:
    lines = []
    for tier in walk.tiers:
        lines.append(
            f"  tier {tier.name}: words {tier.first_word}..{tier.first_word + tier.words - 1}, "
            f"default {tier.default} #{tier.default_index}"
        )
        lines.extend(f"    bit {bit}: {action} #{index}" for bit, (index, action) in enumerate(tier.rules))
        lines.extend(f"    log bit {bit}: #{index}" for bit, index in enumerate(tier.logs))
    return [*lines, f"  end {walk.end} #{walk.end_index}"]


def dump(judge: JudgePlan) -> str:
    """The plan as text: one line a field, a tier, a rule."""
    lines = [
        f"plan {judge.direction.word}: {len(judge.tables)} table bytes, "
        f"{judge.row_words} words a row, rows up to {judge.row_limit}"
    ]
    for field in judge.fields:
        lines.append(
            f"  field {field.kind}: {field.intervals} intervals, {field.classes} classes, "
            f"{field.steps} steps, keys @{field.keys}, rows @{field.rows}"
        )
    lines += _walk_lines(judge)
    if judge.staged is not None:
        lines += ["  staged", *_walk_lines(judge.staged)]
    return "\n".join(lines) + "\n"
