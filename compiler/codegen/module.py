"""A direction's LLVM module as text: globals, map definitions, debug metadata and the judge function.

The tables, the provenance and the note are zero bytes here; seal writes their contents. So LLVM's work, and
the text it reads, do not grow with the policy's data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...pair import layout
from ..plan.plan import JudgePlan
from .debug import Metadata, quote
from .judge import write_judge
from .machine import BPF

# include/uapi/linux/bpf.h, enum bpf_map_type
PROG_ARRAY, PERCPU_ARRAY, LRU_HASH, RINGBUF = 3, 6, 9, 27

# include/uapi/linux/btf.h, struct bpf_line_info: line_col is 22 bits of line and 10 of column
BTF_LAST_LINE, BTF_LAST_COLUMN = (1 << 22) - 1, (1 << 10) - 1

LAYOUT_STRING = 'target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"\ntarget triple = "bpfel"\n'


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the policy: file as the source is named, line and column from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ModuleInput:
    """texts: source by file; lines without a place may be blank. places: by rule index. home: for other code.
    sizes in bytes."""

    plan: JudgePlan
    texts: Mapping[str, str]
    places: Sequence[Place]
    home: Place
    provenance_size: int
    note_size: int


@dataclass(frozen=True, slots=True)
class _Map:
    name: str
    type: int
    max_entries: int
    key_size: int
    value_size: int


MAPS = (
    _Map(layout.MAP_SLOTS, PROG_ARRAY, layout.SLOT_COUNT, 4, 4),
    _Map(layout.MAP_FLOWS, LRU_HASH, layout.FLOW_CAPACITY, layout.FLOW_KEY_SIZE, layout.FLOW_ENTRY_SIZE),
    _Map(layout.MAP_EVENTS, RINGBUF, layout.EVENT_BYTES, 0, 0),
)


def _hits(plan: JudgePlan) -> _Map:
    """One counter a reason and a rule index."""
    size = layout.hits_size(plan.index_count)
    return _Map(layout.hits_map(plan.direction), PERCPU_ARRAY, size, 4, layout.HIT.size)


def write_module(given: ModuleInput) -> str:
    """The module's LLVM IR."""
    meta = Metadata()
    unit, subprogram = meta.reserve(), meta.reserve()
    files = {name: _file(meta, name, given.texts[name]) for name in sorted(given.texts)}
    home = files[given.home.file]
    character = meta.basic("char", 8, "DW_ATE_signed_char")
    number = meta.basic("int", 32, "DW_ATE_signed")
    lines: list[str] = []
    expressions: list[int] = []
    rodata = (
        (layout.SYMBOL_ID, 65),
        (layout.SYMBOL_DIRECTION, 8),
        (layout.SYMBOL_LAYOUT, 8),
    )
    for name, size in rodata:
        node = meta.variable(name, meta.array(character, size, 8), unit, home)
        expressions.append(node)
        lines.append(_global(name, size, layout.SECTION_RODATA, 1, f", !dbg !{node}"))
    for item in (*MAPS, _hits(given.plan)):
        node = meta.variable(item.name, _map_type(meta, item, number, home), unit, home)
        expressions.append(node)
        pointers = ", ".join(["ptr"] * len(_members(item)))
        lines.append(
            f"@{item.name} = global {{ {pointers} }} zeroinitializer, "
            f'section "{layout.SECTION_MAPS}", align 8, !dbg !{node}'
        )
    data = (
        (layout.SYMBOL_TABLES, len(given.plan.tables), layout.SECTION_TABLES),
        (layout.SYMBOL_CONFIG, layout.CONFIG_FORMAT.size, layout.SECTION_CONFIG),
        (layout.SYMBOL_PROVENANCE, given.provenance_size, layout.SECTION_PROVENANCE),
    )
    # External and not constant: LLVM would fold a constant's zeros into the code (reference notes §9).
    for name, size, section in data:
        node = meta.variable(name, meta.array(character, size, 8), unit, home)
        expressions.append(node)
        lines.append(_global(name, size, section, 16, f", !dbg !{node}"))
    lines.append(_global(layout.SYMBOL_NOTE, given.note_size, layout.SECTION_NOTE, 16))
    text = layout.LICENSE + "\\00"
    lines.append(
        f'@_license = global [{len(layout.LICENSE) + 1} x i8] c"{text}", '
        f'section "{layout.SECTION_LICENSE}", align 1'
    )
    body = _function(meta, given, files, subprogram)
    _describe(meta, given, (unit, subprogram, home, number), expressions)
    flags = meta.add('!{i32 7, !"Dwarf Version", i32 5}'), meta.add('!{i32 2, !"Debug Info Version", i32 3}')
    tail = f"!llvm.dbg.cu = !{{!{unit}}}\n!llvm.module.flags = !{{!{flags[0]}, !{flags[1]}}}\n{meta.text()}"
    declarations = "".join(f"declare i{n} @llvm.bswap.i{n}(i{n})\n" for n in (16, 32, 64))
    return "\n".join([LAYOUT_STRING, *lines, declarations, body, tail])


def _file(meta: Metadata, name: str, text: str) -> int:
    return meta.add(f'!DIFile(filename: {quote(name)}, directory: "", source: {quote(text)})')


def _global(name: str, size: int, section: str, align: int, debug: str = "") -> str:
    return f'@{name} = global [{size} x i8] zeroinitializer, section "{section}", align {align}{debug}'


def _members(item: _Map) -> list[tuple[str, int]]:
    sizes = [("key_size", item.key_size), ("value_size", item.value_size)]
    return [
        ("type", item.type),
        ("max_entries", item.max_entries),
        *[(name, size) for name, size in sizes if size],
    ]


def _map_type(meta: Metadata, item: _Map, number: int, file: int) -> int:
    """A BTF-defined map: a struct of pointers to arrays whose length is the value (libbpf's __uint)."""
    members = [
        (name, meta.pointer(meta.array(number, value, 32)), 64 * at)
        for at, (name, value) in enumerate(_members(item))
    ]
    return meta.struct("", members, 64 * len(members), file)


def _function(meta: Metadata, given: ModuleInput, files: Mapping[str, int], subprogram: int) -> str:
    scopes = {
        name: subprogram
        if name == given.home.file
        else meta.add(f"!DILexicalBlockFile(scope: !{subprogram}, file: !{file}, discriminator: 0)")
        for name, file in files.items()
    }

    def locate(place: Place) -> int:
        # BTF packs both into 32 bits, and LLVM lets a column past its 10 bits run into the line.
        line, column = min(place.line, BTF_LAST_LINE), min(place.column, BTF_LAST_COLUMN)
        return meta.add(f"!DILocation(line: {line}, column: {column}, scope: !{scopes[place.file]})")

    locations = {index: locate(place) for index, place in enumerate(given.places)}
    body = write_judge(given.plan, locations, locate(given.home))
    return f"define i32 @{BPF.header(given.plan.direction)} !dbg !{subprogram} {{\n{body}}}\n"


def _describe(
    meta: Metadata, given: ModuleInput, nodes: tuple[int, int, int, int], expressions: list[int]
) -> None:
    """Fills the compile unit and the function's description. The kernel rejects all BTF of a function whose
    argument has no name, hence the retained variable."""
    unit, subprogram, home, number = nodes
    meta.fill(
        unit,
        f'distinct !DICompileUnit(language: DW_LANG_C11, file: !{home}, producer: "polc", isOptimized: true, '
        f"runtimeVersion: 0, emissionKind: FullDebug, globals: !{meta.list(expressions)})",
    )
    word = meta.basic("unsigned int", 32, "DW_ATE_unsigned")
    buffer = meta.pointer(meta.struct("__sk_buff", [("len", word, 0)], 32, home))
    signature = meta.add(f"!DISubroutineType(types: !{meta.list([number, buffer])})")
    argument = meta.add(
        f'!DILocalVariable(name: "skb", arg: 1, scope: !{subprogram}, file: !{home}, '
        f"line: {given.home.line}, type: !{buffer})"
    )
    name = quote(layout.program_symbol(given.plan.direction))
    meta.fill(
        subprogram,
        f"distinct !DISubprogram(name: {name}, scope: !{home}, file: !{home}, line: {given.home.line}, "
        f"type: !{signature}, scopeLine: {given.home.line}, spFlags: DISPFlagDefinition, unit: !{unit}, "
        f"retainedNodes: !{meta.list([argument])})",
    )
