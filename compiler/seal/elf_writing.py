"""Writes a relocatable ELF file again with other contents: sections replaced, resized or left out.

What LLVM made is well-formed, so this reads it without the care that `pair/elf.py` takes with strangers'
bytes; the result is read by that reader before it is sealed. Source: System V gABI (ELF-64).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ...pair.elf import SHT_NOBITS, SHT_REL, SHT_SYMTAB, STT_SECTION

_HEADER: Final = struct.Struct("<40sQ10sHHH")  # …, e_shoff, …, e_shentsize, e_shnum, e_shstrndx
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_REL: Final = struct.Struct("<QQ")
_RESERVED: Final = 0xFF00  # section indices from here on are no sections


@dataclass(frozen=True, slots=True)
class _Section:
    """header: name offset, type, flags, address, offset, size, link, info, alignment, entry size."""

    name: str
    header: tuple[int, ...]
    data: bytes = field(repr=False)

    @property
    def type(self) -> int:
        return self.header[1]


@dataclass(frozen=True, slots=True)
class Blank:
    """A file to be written as often as there are contents for it. head, rest: of the ELF header."""

    head: bytes
    rest: bytes
    names_at: int
    sections: tuple[_Section, ...]

    def section(self, name: str) -> bytes:
        """The contents of that section; StopIteration when there is none."""
        return next(section.data for section in self.sections if section.name == name)

    def written(self, contents: Mapping[str, bytes]) -> bytes:
        """The file with these contents instead of its own; the one symbol of such a section gets its size."""
        resized = {
            at: len(contents[item.name]) for at, item in enumerate(self.sections) if item.name in contents
        }
        out = bytearray(_HEADER.size)
        table = bytearray()
        for section in self.sections:
            name, type_, flags, address, _, size, *rest = section.header
            data = contents.get(section.name, section.data)
            if type_ == SHT_SYMTAB:
                data = _with_sizes(data, resized)
            out += bytes(-len(out) % max(1, rest[2]))
            table += _SECTION.pack(
                name, type_, flags, address, len(out) if type_ else 0, size if not data else len(data), *rest
            )
            out += data
        out += bytes(-len(out) % 8)
        count = len(self.sections)
        _HEADER.pack_into(out, 0, self.head, len(out), self.rest, _SECTION.size, count, self.names_at)
        return bytes(out + table)


def read_blank(data: bytes, leave_out: Callable[[str], bool]) -> Blank:
    """The file without the sections whose names `leave_out` takes.

    Nothing that stays may refer to what is left out, but for section symbols.
    """
    head, _, rest, _, count, names_at = _HEADER.unpack_from(data)
    sections = list(_read(data, count, names_at))
    numbers: dict[int, int] = {}
    for old, section in enumerate(sections):
        if not leave_out(section.name):
            numbers[old] = len(numbers)
    symtab = next(at for at, section in enumerate(sections) if section.type == SHT_SYMTAB)
    sections[symtab], symbols = _without(sections[symtab], numbers)
    kept = tuple(_renumbered(sections[old], numbers, symbols) for old in numbers)
    return Blank(head, rest, numbers[names_at], kept)


def _read(data: bytes, count: int, names_at: int) -> Iterator[_Section]:
    start = _HEADER.unpack_from(data)[1]
    headers = [_SECTION.unpack_from(data, start + at * _SECTION.size) for at in range(count)]
    strings = headers[names_at][4]
    for header in headers:
        name_at = strings + header[0]
        name = data[name_at : data.index(b"\0", name_at)].decode()
        size = 0 if header[1] in (0, SHT_NOBITS) else header[5]
        yield _Section(name, header, data[header[4] : header[4] + size])


def _without(symtab: _Section, numbers: Mapping[int, int]) -> tuple[_Section, dict[int, int]]:
    """Leaves out the symbols of sections that are left out; the new number of each that stays."""
    kept: dict[int, int] = {}
    packed: list[bytes] = []
    for number, (name, info, other, section, value, size) in enumerate(_SYMBOL.iter_unpack(symtab.data)):
        if 0 < section < _RESERVED:
            if section not in numbers:
                continue
            section = numbers[section]
        kept[number] = len(packed)
        packed.append(_SYMBOL.pack(name, info, other, section, value, size))
    first_global = sum(number < symtab.header[7] for number in kept)
    header = (*symtab.header[:7], first_global, *symtab.header[8:])
    return _Section(symtab.name, header, b"".join(packed)), kept


def _renumbered(section: _Section, numbers: Mapping[int, int], symbols: Mapping[int, int]) -> _Section:
    *first, link, info, align, entry = section.header
    data = section.data
    if section.type == SHT_REL:
        info = numbers[info]
        data = b"".join(
            _REL.pack(offset, symbols[word >> 32] << 32 | word & 0xFFFFFFFF)
            for offset, word in _REL.iter_unpack(data)
        )
    return _Section(section.name, (*first, numbers[link], info, align, entry), data)


def _with_sizes(symtab: bytes, sizes: Mapping[int, int]) -> bytes:
    """sizes: of their sections' one symbol, by section index."""
    data = bytearray(symtab)
    for number, (name, info, other, section, value, _) in enumerate(_SYMBOL.iter_unpack(symtab)):
        if section in sizes and info & 0xF != STT_SECTION:
            _SYMBOL.pack_into(data, number * _SYMBOL.size, name, info, other, section, value, sizes[section])
    return bytes(data)
