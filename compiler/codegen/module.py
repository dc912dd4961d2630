"""A direction's LLVM module as text: globals, map definitions, debug metadata and the judge function.

The tables are zero bytes here, the provenance and the note a single one, and the debug lines are numbers of
rules; the seal puts in what they stand for. So the text depends on the plan's shape alone: endpoints of one
shape share one run of LLVM, and neither a changed member of a set nor a moved line takes another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from ...pair import layout
from ..plan.plan import FIRST_LINE, HOME_LINE, JudgePlan
from .debug import Metadata, quote
from .judge import write_judge
from .machine import BPF

# include/uapi/linux/bpf.h, enum bpf_map_type
PROG_ARRAY, PERCPU_ARRAY, LRU_HASH, RINGBUF = 3, 6, 9, 27

PLACEHOLDER: Final = 1  # bytes of a section that the seal makes as long as its contents
TEXTS: Final = 16  # module texts to remember; that of a policy with 4,096 rules has some MiB

LAYOUT_STRING = 'target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"\ntarget triple = "bpfel"\n'


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


def write_module(plan: JudgePlan) -> str:
    """The module's LLVM IR; of the tables it knows no more than their size."""
    return _write(replace(plan, tables=b""), len(plan.tables))


@lru_cache(maxsize=TEXTS)
def _write(plan: JudgePlan, table_size: int) -> str:
    meta = Metadata()
    unit, subprogram = meta.reserve(), meta.reserve()
    # With a source of its own, so that LLVM looks for no file of that name.
    home = meta.add('!DIFile(filename: "policy", directory: "", source: "\\0A")')
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
    for item in (*MAPS, _hits(plan)):
        node = meta.variable(item.name, _map_type(meta, item, number, home), unit, home)
        expressions.append(node)
        pointers = ", ".join(["ptr"] * len(_members(item)))
        lines.append(
            f"@{item.name} = global {{ {pointers} }} zeroinitializer, "
            f'section "{layout.SECTION_MAPS}", align 8, !dbg !{node}'
        )
    data = (
        (layout.SYMBOL_TABLES, table_size, layout.SECTION_TABLES),
        (layout.SYMBOL_CONFIG, layout.CONFIG_FORMAT.size, layout.SECTION_CONFIG),
        (layout.SYMBOL_PROVENANCE, PLACEHOLDER, layout.SECTION_PROVENANCE),
    )
    # External and not constant: LLVM would fold a constant's zeros into the code (reference notes §9).
    for name, size, section in data:
        node = meta.variable(name, meta.array(character, size, 8), unit, home)
        expressions.append(node)
        lines.append(_global(name, size, section, 16, f", !dbg !{node}"))
    lines.append(_global(layout.SYMBOL_NOTE, PLACEHOLDER, layout.SECTION_NOTE, 16))
    text = layout.LICENSE + "\\00"
    lines.append(
        f'@_license = global [{len(layout.LICENSE) + 1} x i8] c"{text}", '
        f'section "{layout.SECTION_LICENSE}", align 1'
    )
    body = _function(meta, plan, subprogram)
    _describe(meta, plan, (unit, subprogram, home, number), expressions)
    flags = meta.add('!{i32 7, !"Dwarf Version", i32 5}'), meta.add('!{i32 2, !"Debug Info Version", i32 3}')
    tail = f"!llvm.dbg.cu = !{{!{unit}}}\n!llvm.module.flags = !{{!{flags[0]}, !{flags[1]}}}\n{meta.text()}"
    declarations = "".join(f"declare i{n} @llvm.bswap.i{n}(i{n})\n" for n in (16, 32, 64))
    return "\n".join([LAYOUT_STRING, *lines, declarations, body, tail])


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


def _function(meta: Metadata, plan: JudgePlan, subprogram: int) -> str:
    def locate(line: int) -> int:
        return meta.add(f"!DILocation(line: {line}, column: 1, scope: !{subprogram})")

    locations = {index: locate(FIRST_LINE + index) for index in range(plan.index_count)}
    body = write_judge(plan, locations, locate(HOME_LINE))
    return f"define i32 @{BPF.header(plan.direction)} !dbg !{subprogram} {{\n{body}}}\n"


def _describe(
    meta: Metadata, plan: JudgePlan, nodes: tuple[int, int, int, int], expressions: list[int]
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
        f"line: {HOME_LINE}, type: !{buffer})"
    )
    name = quote(layout.program_symbol(plan.direction))
    meta.fill(
        subprogram,
        f"distinct !DISubprogram(name: {name}, scope: !{home}, file: !{home}, line: {HOME_LINE}, "
        f"type: !{signature}, scopeLine: {HOME_LINE}, spFlags: DISPFlagDefinition, unit: !{unit}, "
        f"retainedNodes: !{meta.list([argument])})",
    )
