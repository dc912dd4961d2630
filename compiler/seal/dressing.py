"""Gives an object that LLVM made the lines of one policy and room for its texts.

LLVM sees neither: its module depends on the plan's shape alone, so one run serves every endpoint of that
shape, and a text that moves costs no run at all. Its debug lines number the rules; here they become file,
line, column and the line's words, as the kernel and its tools show them. DWARF, which says the same once more
and which the kernel does not load, is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...pair.btf_types import BTF_HEADER, BTF_TRIPLE, BTF_TYPE, Kind, read_btf
from ...pair.elf import read_elf
from ...pair.layout import SECTION_NOTE, SECTION_PROVENANCE
from ..plan.plan import FIRST_LINE, HOME_LINE
from .elf_writing import rewritten

# include/uapi/linux/btf.h, struct bpf_line_info: line_col is 22 bits of line and 10 of column
_COLUMN_BITS: Final = 10
_LAST_LINE, _LAST_COLUMN = (1 << 22) - 1, (1 << _COLUMN_BITS) - 1
_EXT_HEADER: Final = struct.Struct("<HBBIIIII")
_GROUP: Final = struct.Struct("<II")
_LINE: Final = struct.Struct("<IIII")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the policy: file as the source is named, line and column from 1, text without its indent."""

    file: str
    line: int
    column: int
    text: str


def dress(raw: bytes, home: Place, places: Sequence[Place], provenance_size: int, note_size: int) -> bytes:
    """The object with these places, by rule index, and with the two sections zero and of these sizes."""
    elf = read_elf(raw)
    names = _Strings(elf.section(".BTF").data)
    lines = {HOME_LINE: home, **{FIRST_LINE + index: place for index, place in enumerate(places)}}
    ext = _with_places(elf.section(".BTF.ext").data, lines, names)
    contents = {
        ".BTF": _resized(names.finish(), SECTION_PROVENANCE, provenance_size),
        ".BTF.ext": ext,
        SECTION_PROVENANCE: bytes(provenance_size),
        SECTION_NOTE: bytes(note_size),
    }
    return rewritten(raw, lambda name: name.startswith((".debug_", ".rel.debug_")), contents)


class _Strings:
    """The strings of a `.BTF` section, which stand last in it, and more of them."""

    def __init__(self, btf: bytes) -> None:
        self._btf = btf
        _, _, _, header, _, _, at, size = BTF_HEADER.unpack_from(btf)
        self._data = bytearray(btf[header + at : header + at + size])
        self._known: dict[str, int] = {"": 0}

    def offset(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = len(self._data)
            self._data += text.encode() + b"\0"
        return self._known[text]

    def finish(self) -> bytes:
        magic, version, flags, header, type_at, type_size, at, _ = BTF_HEADER.unpack_from(self._btf)
        head = BTF_HEADER.pack(magic, version, flags, header, type_at, type_size, at, len(self._data))
        return head + self._btf[BTF_HEADER.size : header + at] + bytes(self._data)


def _with_places(ext: bytes, lines: Mapping[int, Place], names: _Strings) -> bytes:
    """`.BTF.ext` with other lines. Source: Documentation/bpf/btf.rst of the kernel."""
    data = bytearray(ext)
    _, _, _, header, _, _, lines_at, size = _EXT_HEADER.unpack_from(data)
    at = header + lines_at
    end = at + size
    (record,) = struct.unpack_from("<I", data, at)
    at += 4
    while at < end:
        _, count = _GROUP.unpack_from(data, at)
        at += _GROUP.size
        for _ in range(count):
            instruction, _, _, stands = _LINE.unpack_from(data, at)
            place = lines[stands >> _COLUMN_BITS]
            # Both share 32 bits: a column past its own would run into the line.
            packed = min(place.line, _LAST_LINE) << _COLUMN_BITS | min(place.column, _LAST_COLUMN)
            _LINE.pack_into(data, at, instruction, names.offset(place.file), names.offset(place.text), packed)
            at += record
    return bytes(data)


def _resized(btf: bytes, section: str, size: int) -> bytes:
    """The BTF with another length of the one array in that section."""
    data = bytearray(btf)
    found = read_btf(btf)
    number = found.named(Kind.DATASEC, section)
    assert number is not None
    item = found.type(number)
    ((variable, offset, _),) = item.entries
    array = found.type(found.type(variable).value)
    element, index, _ = array.entries[0]
    BTF_TRIPLE.pack_into(data, array.at + BTF_TYPE.size, element, index, size)
    BTF_TRIPLE.pack_into(data, item.at + BTF_TYPE.size, variable, offset, size)
    return bytes(data)
