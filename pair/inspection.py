"""What `polc inspect` shows of one object, as data: its claims, its parts, and its instructions by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from .btf import line_table
from .identity import SECTION_TEXT
from .layout import SECTION_PROGRAM, SECTION_TABLES
from .object import PairObject
from .provenance import DirectionWord, RuleProvenance

INSPECTION_VERSION: Final = 1
_INSTRUCTION_BYTES: Final = 8
# The names bpftool gives the map types of include/uapi/linux/bpf.h that a pair uses.
_MAP_TYPES: Final = {1: "hash", 2: "array", 3: "prog_array", 6: "percpu_array", 9: "lru_hash", 27: "ringbuf"}


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SectionView(_Shape):
    """size: bytes."""

    name: str
    size: int


class MapView(_Shape):
    """type: bpftool's word, or the number. Sizes in bytes, 0 when the type has none."""

    name: str
    type: str
    max_entries: int
    flags: int
    key_size: int
    value_size: int


class RuleView(RuleProvenance):
    """instructions: how many the line table gives to this rule's place; a hint, since LLVM merges code."""

    instructions: int


class Inspection(_Shape):
    """One object. identity, meaning: hex. size, table_bytes: bytes. instructions: 8-byte units, all code;
    shared: those of them that belong to no single rule. sources: SHA-256 in hex of each file's text."""

    version: int = INSPECTION_VERSION
    path: str
    identity: str
    meaning: str
    direction: DirectionWord
    layout: int
    endpoint: str
    addresses: tuple[str, ...]
    program: str
    size: int
    sections: tuple[SectionView, ...]
    maps: tuple[MapView, ...]
    table_bytes: int
    instructions: int
    shared: int
    sources: Mapping[str, str] = Field(default_factory=dict)
    rules: tuple[RuleView, ...]


def inspect_object(item: PairObject) -> Inspection:
    """Everything that can be told of an object that `read_object` accepted. Raises nothing."""
    elf = item.elf
    total = elf.section(SECTION_PROGRAM).size // _INSTRUCTION_BYTES
    owners = _owners(item, total)
    text = elf.sections.get(SECTION_TEXT)
    subprograms = text.size // _INSTRUCTION_BYTES if text else 0
    maps = tuple(
        MapView(
            name=spec.name,
            type=_MAP_TYPES.get(spec.type, str(spec.type)),
            max_entries=spec.max_entries,
            flags=spec.map_flags,
            key_size=spec.key_size,
            value_size=spec.value_size,
        )
        for spec in item.maps.values()
    )
    return Inspection(
        path=item.path,
        identity=item.identity.hex(),
        meaning=item.meaning.hex(),
        direction=item.direction,
        layout=item.layout,
        endpoint=item.endpoint,
        addresses=item.addresses,
        program=item.program,
        size=len(item.data),
        sections=tuple(SectionView(name=part.name, size=part.size) for part in elf.sections.values()),
        maps=maps,
        table_bytes=elf.section(SECTION_TABLES).size,
        instructions=total + subprograms,
        shared=owners[None] + subprograms,
        sources=item.provenance.sources,
        rules=tuple(
            RuleView(**rule.model_dump(), instructions=owners[rule.index]) for rule in item.provenance.rules
        ),
    )


def _owners(item: PairObject, total: int) -> Counter[int | None]:
    """Instructions by rule index; None owns what the line table gives to no rule's place, and what it gives
    to the function's own line: the compiler puts there all code that belongs to no rule."""
    exact, by_line = _places(item.provenance.rules)
    lines = line_table(item.elf)
    if not lines:
        return Counter({None: total})
    owners: Counter[int | None] = Counter({None: min(lines[0].insn, total)})
    ends = [line.insn for line in lines[1:]] + [total]
    home = (lines[0].file, lines[0].line)
    for line, end in zip(lines, ends, strict=True):
        place = (line.file, line.line)
        owner = None if place == home else exact.get((*place, line.column), by_line.get(place))
        owners[owner] += max(0, min(end, total) - line.insn)
    return owners


def _places(
    rules: tuple[RuleProvenance, ...],
) -> tuple[dict[tuple[str, int, int], int], dict[tuple[str, int], int]]:
    """The one rule at a place, and the one rule of a line; places that several rules share are left out."""
    at_place = Counter((rule.file, rule.line, rule.column) for rule in rules)
    on_line = Counter((rule.file, rule.line) for rule in rules)
    exact = {
        (rule.file, rule.line, rule.column): rule.index
        for rule in rules
        if at_place[rule.file, rule.line, rule.column] == 1
    }
    by_line = {(rule.file, rule.line): rule.index for rule in rules if on_line[rule.file, rule.line] == 1}
    return exact, by_line
