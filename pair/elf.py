"""Reads a relocatable BPF ELF file: sections, symbols, relocations, and nothing it does not need.

A strict reader of its own, because the bytes come from strangers: every offset, size and index is checked
against the file before it is used, work is linear in the file's size, and anything odd is an `ElfError`.
Source: System V gABI (ELF-64), and LLVM's BPF relocation types (llvm/BinaryFormat/ELFRelocs/BPF.def).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from types import MappingProxyType
from typing import Final, NamedTuple

ELF_MAGIC: Final = b"\x7fELF"
MACHINE_BPF: Final = 247
TYPE_RELOCATABLE: Final = 1

SHT_SYMTAB: Final = 2
SHT_STRTAB: Final = 3
SHT_RELA: Final = 4
SHT_NOBITS: Final = 8
SHT_REL: Final = 9

STT_SECTION: Final = 3

R_BPF_64_64: Final = 1  # ld_imm64: the addend is split over the immediates of both halves
R_BPF_64_ABS64: Final = 2
R_BPF_64_ABS32: Final = 3
R_BPF_64_NODYLD32: Final = 4
R_BPF_64_32: Final = 10  # call: the addend is the instruction's immediate

_HEADER: Final = struct.Struct("<4sBBBB8xHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_REL: Final = struct.Struct("<QQ")
# The value in place, as LLVM's BPF back end and LLD read it (R_BPF_* in LLVM's BPF documentation): of
# R_BPF_64_64 the low and the high half.
_ADDENDS: Final = {
    R_BPF_64_64: struct.Struct("<4xI4xi"),
    R_BPF_64_32: struct.Struct("<4xi"),
    R_BPF_64_ABS64: struct.Struct("<q"),
    R_BPF_64_ABS32: struct.Struct("<i"),
    R_BPF_64_NODYLD32: struct.Struct("<i"),
}
# Section indices from here on are special: absolute, common, extended numbering.
_RESERVED_INDEX: Final = 0xFF00
_MAX_SECTIONS: Final = 1024
_MAX_SIZE: Final = 0xFFFFFFFF  # BTF counts a section's bytes in 32 bits


class ElfError(Exception):
    """The bytes are not a relocatable BPF ELF file of sane shape; the message says what is odd."""


class Section(NamedTuple):
    """offset: in the file, bytes. data: empty for a section without bytes in the file. type: SHT_*."""

    name: str
    number: int
    offset: int
    data: bytes
    type: int
    size: int
    link: int
    info: int


class Symbol(NamedTuple):
    """section: name of the section it is defined in, `` when undefined or absolute. value: byte offset in it.

    A section symbol has the section's name. type: STT_*, binding: STB_*.
    """

    name: str
    section: str
    value: int
    size: int
    type: int
    binding: int


class Relocation(NamedTuple):
    """offset: byte offset in the section. addend: the signed value in place (BPF uses REL)."""

    offset: int
    type: int
    symbol: str
    addend: int


@dataclass(frozen=True, slots=True)
class Elf:
    """One file. sections: by name, in the order of the section table."""

    sections: Mapping[str, Section]
    symbols: tuple[Symbol, ...]
    _defined: Mapping[str, tuple[Symbol, ...]] = field(repr=False)  # by name
    _relocations: Mapping[str, tuple[Relocation, ...]] = field(repr=False)

    def relocations(self, section_name: str) -> tuple[Relocation, ...]:
        """The relocations that apply to that section, by offset; empty when there are none."""
        return self._relocations.get(section_name, ())

    def section(self, name: str) -> Section:
        """Raises ElfError when there is none of that name."""
        try:
            return self.sections[name]
        except KeyError:
            raise ElfError(f"there is no section {name}") from None

    def symbol(self, name: str) -> Symbol:
        """The defined symbol of that name; raises ElfError when there is none or more than one."""
        found = self._defined.get(name, ())
        if len(found) != 1:
            raise ElfError(f"there are {len(found)} symbols {name}, not one")
        return found[0]


def read_elf(data: bytes) -> Elf:
    """Raises ElfError when `data` is not a little-endian 64-bit relocatable BPF object of sane shape."""
    table = _section_table(data)
    by_index = {section.number: section for section in table}
    sections: dict[str, Section] = {}
    for section in table:
        if section.name in sections:
            raise ElfError(f"two sections are named {section.name!r}")
        sections[section.name] = section
    symbols = _symbols(table, by_index)
    relocations = {}
    for section in table:
        if section.type == SHT_RELA:
            raise ElfError(f"section {section.name} has relocations with addends, which BPF does not use")
        if section.type == SHT_REL:
            target = _at(by_index, section.info, f"the target of {section.name}")
            if target.name in relocations:
                raise ElfError(f"two sections relocate {target.name}")
            relocations[target.name] = _relocations(section, target, symbols)
    defined: dict[str, tuple[Symbol, ...]] = {}
    for symbol in symbols:
        if symbol.section:
            defined[symbol.name] = (*defined.get(symbol.name, ()), symbol)
    return Elf(MappingProxyType(sections), symbols, MappingProxyType(defined), MappingProxyType(relocations))


def _section_table(data: bytes) -> list[Section]:
    """Every section but the null one."""
    if len(data) < _HEADER.size or data[:4] != ELF_MAGIC:
        raise ElfError("it does not begin with an ELF header")
    (_, elf_class, encoding, version, _abi, kind, machine, *rest) = _HEADER.unpack_from(data)
    (_, _, _, table_offset, _, _, _, _, entry_size, count, names_index) = rest
    if (elf_class, encoding, version) != (2, 1, 1):
        raise ElfError("it is not a little-endian 64-bit ELF file")
    if machine != MACHINE_BPF or kind != TYPE_RELOCATABLE:
        raise ElfError(f"it is not a relocatable BPF object (machine {machine}, type {kind})")
    if entry_size != _SECTION.size or not 0 < count <= _MAX_SECTIONS:
        raise ElfError(f"its section table has {count} entries of {entry_size} bytes")
    _inside(data, table_offset, count * _SECTION.size, "the section table")
    headers = [_SECTION.unpack_from(data, table_offset + i * _SECTION.size) for i in range(count)]
    if names_index >= count:
        raise ElfError("it has no section of section names")
    names = headers[names_index]
    _inside(data, names[4], names[5], "the section names")
    strings = data[names[4] : names[4] + names[5]]
    return [_section(data, strings, i, header) for i, header in enumerate(headers) if i > 0]


def _section(data: bytes, strings: bytes, index: int, header: tuple[int, ...]) -> Section:
    name_at, kind, _flags, _address, offset, size, link, info, _align, _entry = header
    name = _string(strings, name_at)
    if size > _MAX_SIZE:
        raise ElfError(f"section {name} claims {size} bytes")
    if kind == SHT_NOBITS:
        return Section(name, index, offset, b"", kind, size, link, info)
    _inside(data, offset, size, f"section {name}")
    return Section(name, index, offset, data[offset : offset + size], kind, size, link, info)


def _symbols(table: list[Section], by_index: Mapping[int, Section]) -> tuple[Symbol, ...]:
    tables = [section for section in table if section.type == SHT_SYMTAB]
    if len(tables) != 1:
        raise ElfError(f"it has {len(tables)} symbol tables, not one")
    (symtab,) = tables
    strings = _at(by_index, symtab.link, "the symbol names")
    if symtab.size % _SYMBOL.size:
        raise ElfError("its symbol table ends inside an entry")
    symbols = []
    for name_at, info, _other, index, value, size in _SYMBOL.iter_unpack(symtab.data):
        section = ""
        if 0 < index < _RESERVED_INDEX:
            section = _at(by_index, index, "a symbol's section").name
        kind = info & 0xF
        name = section if kind == STT_SECTION else _string(strings.data, name_at)
        symbols.append(Symbol(name, section, value, size, kind, info >> 4))
    return tuple(symbols)


def _relocations(section: Section, target: Section, symbols: tuple[Symbol, ...]) -> tuple[Relocation, ...]:
    if section.size % _REL.size:
        raise ElfError(f"{section.name} ends inside an entry")
    found = []
    for offset, info in _REL.iter_unpack(section.data):
        index, kind = info >> 32, info & 0xFFFFFFFF
        if index >= len(symbols):
            raise ElfError(f"{section.name} refers to symbol {index} of {len(symbols)}")
        addend = _ADDENDS.get(kind)
        if addend is None:
            raise ElfError(f"section {target.name} has a relocation of unknown type {kind}")
        if offset + addend.size > len(target.data):
            raise ElfError(f"a relocation lies outside section {target.name}")
        low, *high = addend.unpack_from(target.data, offset)
        found.append(Relocation(offset, kind, symbols[index].name, low + (high[0] << 32) if high else low))
    return tuple(sorted(found, key=itemgetter(0)))


def _at(by_index: Mapping[int, Section], index: int, what: str) -> Section:
    try:
        return by_index[index]
    except KeyError:
        raise ElfError(f"{what} is section {index}, which does not exist") from None


def _inside(data: bytes, offset: int, size: int, what: str) -> None:
    if offset + size > len(data):
        raise ElfError(f"{what} ends at byte {offset + size} of a file of {len(data)}")


def _string(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset)
    if end < 0:
        raise ElfError("a name is not terminated")
    try:
        return strings[offset:end].decode()
    except UnicodeDecodeError:
        raise ElfError("a name is not UTF-8") from None
