"""An object's code made loadable: map descriptors, map values and calls put into the instructions.

Sections `tc` and, when there is one, `.text` (subprograms) become one program, `.text` at the end, so that
calls inside a section keep their distance. Source: LLVM's BPF relocations
(Documentation/bpf/llvm_reloc.rst of the kernel) and struct bpf_insn's src_reg in include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from ..pair.btf import Line, ProgramInfo, line_table, program_info
from ..pair.elf import Elf, Relocation, Symbol
from ..pair.layout import SECTION_MAPS, SECTION_PROGRAM
from .bpf import Fd
from .errors import ObjectFault

SECTION_TEXT: Final = ".text"
INSN_BYTES: Final = 8

_R_64_64: Final = 1
_R_CALL: Final = 10
_LD_IMM64: Final = 0x18
_CALL: Final = 0x85
_PSEUDO_MAP_FD: Final = 1
_PSEUDO_MAP_VALUE: Final = 2
_PSEUDO_CALL: Final = 1
_RECORD_OFFSET: Final = struct.Struct("<I")


def code_sections(elf: Elf) -> tuple[str, ...]:
    """The program's sections in the order they are loaded."""
    text = elf.sections.get(SECTION_TEXT)
    return (SECTION_PROGRAM, SECTION_TEXT) if text is not None and text.data else (SECTION_PROGRAM,)


def referred(elf: Elf) -> frozenset[str]:
    """Sections other than code that the code refers to, and the names of its maps."""
    names = set()
    for section in code_sections(elf):
        for relocation in elf.relocations(section):
            if relocation.type == _R_64_64:
                symbol = _target(elf, relocation)
                names.add(symbol.name if symbol.section == SECTION_MAPS else symbol.section)
    return frozenset(names)


def relocated(elf: Elf, maps: Mapping[str, Fd], sections: Mapping[str, Fd]) -> bytes:
    """The instructions to load. maps: by symbol; sections: the map of each data section.

    Raises ObjectFault for a reference to anything else.
    """
    names = code_sections(elf)
    starts = _starts(elf)
    code = bytearray(b"".join(elf.section(name).data for name in names))
    for name in names:
        for relocation in elf.relocations(name):
            at = starts[name] * INSN_BYTES + relocation.offset
            symbol = _target(elf, relocation)
            if relocation.type == _R_64_64 and code[at] == _LD_IMM64:
                _refer(code, at, symbol, relocation.addend, maps, sections)
            elif relocation.type == _R_CALL and code[at] == _CALL and symbol.section in starts:
                target = starts[symbol.section] + symbol.value // INSN_BYTES + relocation.addend + 1
                code[at + 1] = code[at + 1] & 0x0F | _PSEUDO_CALL << 4
                struct.pack_into("<i", code, at + 4, target - at // INSN_BYTES - 1)
            else:
                raise ObjectFault(f"relocation of type {relocation.type} to {symbol.name} is not understood")
    return bytes(code)


def debug_info(elf: Elf) -> ProgramInfo:
    """func_info and line_info of the whole program, offsets counted over its sections. Raises BtfError."""
    starts = _starts(elf)
    parts = [(starts[name], program_info(elf, name)) for name in code_sections(elf)]
    _, first = parts[0]
    return ProgramInfo(
        b"".join(_rebased(part.func_info, part.func_rec_size, start) for start, part in parts),
        first.func_rec_size,
        b"".join(_rebased(part.line_info, part.line_rec_size, start) for start, part in parts),
        first.line_rec_size,
    )


def program_lines(elf: Elf) -> tuple[tuple[int, Line], ...]:
    """(instruction of the whole program, line) in rising order. Raises BtfError."""
    starts = _starts(elf)
    return tuple(
        (starts[name] + line.insn, line) for name in code_sections(elf) for line in line_table(elf, name)
    )


def _starts(elf: Elf) -> Mapping[str, int]:
    starts = {}
    position = 0
    for name in code_sections(elf):
        starts[name] = position
        position += len(elf.section(name).data) // INSN_BYTES
    return starts


def _target(elf: Elf, relocation: Relocation) -> Symbol:
    return elf.symbol(relocation.symbol)


def _refer(
    code: bytearray,
    at: int,
    symbol: Symbol,
    addend: int,
    maps: Mapping[str, Fd],
    sections: Mapping[str, Fd],
) -> None:
    """Fills one 16-byte load of an address in: a map, or a place inside a section's map."""
    if symbol.section == SECTION_MAPS and symbol.name in maps:
        kind, fd, offset = _PSEUDO_MAP_FD, maps[symbol.name], 0
    elif symbol.section in sections:
        kind, fd, offset = _PSEUDO_MAP_VALUE, sections[symbol.section], symbol.value + addend
    else:
        raise ObjectFault(f"the code refers to {symbol.name} in {symbol.section}, which is not loaded")
    code[at + 1] = code[at + 1] & 0x0F | kind << 4
    struct.pack_into("<i", code, at + 4, fd.number)
    struct.pack_into("<i", code, at + 12, offset)


def _rebased(records: bytes, size: int, start: int) -> bytes:
    out = bytearray(records)
    for at in range(0, len(out), size):
        (offset,) = _RECORD_OFFSET.unpack_from(out, at)
        _RECORD_OFFSET.pack_into(out, at, offset + start)
    return bytes(out)
