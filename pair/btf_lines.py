"""Reads `.BTF.ext`: which instruction came from which function and which line of the policy's text.

Source of the format: Documentation/bpf/btf.rst of the kernel, section ".BTF.ext section".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from .btf_types import BTF_MAGIC, BtfError, parts, string_at
from .elf import Elf, ElfError
from .layout import SECTION_PROGRAM

INSTRUCTION_SIZE: Final = 8
_HEADER: Final = struct.Struct("<HBBIIIII")
_FUNC: Final = struct.Struct("<II")
_LINE: Final = struct.Struct("<IIII")
_GROUP: Final = struct.Struct("<II")
_COLUMN_BITS: Final = 10


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """func_info and line_info as BPF_PROG_LOAD takes them for one section; offsets in instructions."""

    func_info: bytes
    func_rec_size: int
    line_info: bytes
    line_rec_size: int


@dataclass(frozen=True, slots=True)
class Line:
    """From instruction `insn` of the section on, until the next entry. text: the source line, trimmed."""

    insn: int
    file: str
    line: int
    column: int
    text: str


def program_info(elf: Elf, section: str = SECTION_PROGRAM) -> ProgramInfo:
    """The records of one code section, empty when it has none. Raises BtfError."""
    funcs, lines = _tables(elf)
    strings = _strings(elf)
    return ProgramInfo(
        _instructions(funcs.records(strings, section)),
        funcs.size,
        _instructions(lines.records(strings, section)),
        lines.size,
    )


def line_table(elf: Elf, section: str = SECTION_PROGRAM) -> tuple[Line, ...]:
    """One code section's lines by instruction. Raises BtfError."""
    _, lines = _tables(elf)
    strings = _strings(elf)
    found = []
    for record in lines.records(strings, section):
        offset, file_at, text_at, place = _LINE.unpack_from(record)
        line, column = place >> _COLUMN_BITS, place & (1 << _COLUMN_BITS) - 1
        file, text = string_at(strings, file_at), string_at(strings, text_at)
        found.append(Line(_insn(offset), file, line, column, text))
    return tuple(sorted(found, key=lambda item: item.insn))


@dataclass(frozen=True, slots=True)
class _Table:
    """One of the two tables. size: bytes a record; groups: (offset of section name, records)."""

    size: int
    groups: tuple[tuple[int, tuple[bytes, ...]], ...]

    def records(self, strings: bytes, section: str) -> tuple[bytes, ...]:
        for name_at, records in self.groups:
            if string_at(strings, name_at) == section:
                return records
        return ()


def _strings(elf: Elf) -> bytes:
    try:
        return parts(elf.section(".BTF").data)[1]
    except ElfError as error:
        raise BtfError(str(error)) from None


def _tables(elf: Elf) -> tuple[_Table, _Table]:
    try:
        data = elf.section(".BTF.ext").data
        magic, version, _, header, func_at, func_size, line_at, line_size = _HEADER.unpack_from(data)
    except ElfError as error:
        raise BtfError(str(error)) from None
    except struct.error:
        raise BtfError(".BTF.ext is shorter than its header") from None
    if magic != BTF_MAGIC or version != 1:
        raise BtfError("the .BTF.ext header is not one we know")
    funcs = data[header + func_at : header + func_at + func_size]
    lines = data[header + line_at : header + line_at + line_size]
    return _table(funcs, _FUNC.size), _table(lines, _LINE.size)


def _table(data: bytes, least: int) -> _Table:
    try:
        (size,) = struct.unpack_from("<I", data)
        if size < least or size % 4:
            raise BtfError(f".BTF.ext has records of {size} bytes")
        groups = []
        at = 4
        while at < len(data):
            name_at, count = _GROUP.unpack_from(data, at)
            at += _GROUP.size
            if at + count * size > len(data):
                raise BtfError(".BTF.ext ends early")
            groups.append((name_at, tuple(data[at + i * size : at + (i + 1) * size] for i in range(count))))
            at += count * size
    except struct.error:
        raise BtfError(".BTF.ext ends early") from None
    return _Table(size, tuple(groups))


def _insn(offset: int) -> int:
    if offset % INSTRUCTION_SIZE:
        raise BtfError(f".BTF.ext names byte {offset}, inside an instruction")
    return offset // INSTRUCTION_SIZE


def _instructions(records: tuple[bytes, ...]) -> bytes:
    """The records with their first field, a byte offset, turned into an instruction index."""
    return b"".join(
        struct.pack("<I", _insn(struct.unpack_from("<I", record)[0])) + record[4:] for record in records
    )
