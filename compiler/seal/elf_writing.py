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


@dataclass(slots=True)
class _Section:
    """header: name offset, type, flags, address, offset, size, link, info, alignment, entry size."""

    name: str
    header: list[int]
    data: bytes = field(repr=False)

    @property
    def type(self) -> int:
        return self.header[1]


def rewritten(data: bytes, leave_out: Callable[[str], bool], contents: Mapping[str, bytes]) -> bytes:
    """The file without the sections whose names `leave_out` takes, and with these contents for others.

    The one symbol of a section whose content is given gets its size. Nothing that stays may refer to what is
    left out, but for section symbols.
    """
    head, _, rest, entry, count, names_at = _HEADER.unpack_from(data)
    sections = list(_read(data, count, names_at))
    kept = [at for at, section in enumerate(sections) if not leave_out(section.name)]
    numbers = {old: new for new, old in enumerate(kept)}
    symtab = next(section for section in sections if section.type == SHT_SYMTAB)
    resized = {
        at: len(contents[section.name]) for at, section in enumerate(sections) if section.name in contents
    }
    symbols = _symbols(symtab, numbers, resized)
    for old in kept:
        section = sections[old]
        section.data = contents.get(section.name, section.data)
        if section.type == SHT_REL:
            section.data = b"".join(
                _REL.pack(offset, symbols[info >> 32] << 32 | info & 0xFFFFFFFF)
                for offset, info in _REL.iter_unpack(section.data)
            )
            section.header[7] = numbers[section.header[7]]
        section.header[6] = numbers[section.header[6]]
    return _laid_out(head, rest, entry, [sections[at] for at in kept], numbers[names_at])


def _read(data: bytes, count: int, names_at: int) -> Iterator[_Section]:
    start = _HEADER.unpack_from(data)[1]
    headers = [list(_SECTION.unpack_from(data, start + at * _SECTION.size)) for at in range(count)]
    strings = headers[names_at][4]
    for header in headers:
        name_at = strings + header[0]
        name = data[name_at : data.index(b"\0", name_at)].decode()
        size = 0 if header[1] in (0, SHT_NOBITS) else header[5]
        yield _Section(name, header, data[header[4] : header[4] + size])


def _symbols(symtab: _Section, numbers: Mapping[int, int], resized: Mapping[int, int]) -> dict[int, int]:
    """Leaves out the symbols of sections that are left out; the new number of each that stays."""
    kept: dict[int, int] = {}
    packed: list[bytes] = []
    for number, (name, info, other, section, value, size) in enumerate(_SYMBOL.iter_unpack(symtab.data)):
        if 0 < section < _RESERVED:
            if section not in numbers:
                continue
            if section in resized and info & 0xF != STT_SECTION:
                size = resized[section]
            section = numbers[section]
        kept[number] = len(packed)
        packed.append(_SYMBOL.pack(name, info, other, section, value, size))
    symtab.data = b"".join(packed)
    symtab.header[7] = sum(number < symtab.header[7] for number in kept)  # the first that is not local
    return kept


def _laid_out(head: bytes, rest: bytes, entry: int, sections: list[_Section], names_at: int) -> bytes:
    out = bytearray(_HEADER.size)
    for section in sections:
        if section.type == 0:
            continue
        out += bytes(-len(out) % max(1, section.header[8]))
        section.header[4] = len(out)
        if section.type != SHT_NOBITS:
            section.header[5] = len(section.data)
            out += section.data
    out += bytes(-len(out) % 8)
    _HEADER.pack_into(out, 0, head, len(out), rest, entry, len(sections), names_at)
    for section in sections:
        out += _SECTION.pack(*section.header)
    return bytes(out)
