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
from functools import lru_cache
from typing import Final

from ...pair.btf_types import BTF_HEADER, BTF_TRIPLE, BTF_TYPE, read_btf
from ...pair.layout import SECTION_NOTE, SECTION_PROVENANCE
from ..plan.plan import FIRST_LINE, HOME_LINE
from .elf_writing import Blank, read_blank

# include/uapi/linux/btf.h, struct bpf_line_info: line_col is 22 bits of line and 10 of column
_COLUMN_BITS: Final = 10
_LAST_LINE, _LAST_COLUMN = (1 << 22) - 1, (1 << _COLUMN_BITS) - 1
_EXT_HEADER: Final = struct.Struct("<HBBIIIII")
_GROUP: Final = struct.Struct("<II")
_LINE: Final = struct.Struct("<IIII")
_WORD: Final = struct.Struct("<I")
FORMS: Final = 8  # runs of LLVM whose objects are remembered in parts


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the policy: file as the source is named, line and column from 1, text without its indent."""

    file: str
    line: int
    column: int
    text: str


def dress(raw: bytes, home: Place, places: Sequence[Place], provenance_size: int, note_size: int) -> bytes:
    """The object with these places, by rule index, and with the two sections zero and of these sizes."""
    form = _form(raw)
    names = _Strings(form.blank.section(".BTF"))
    lines = {HOME_LINE: home, **{FIRST_LINE + index: place for index, place in enumerate(places)}}
    contents = {
        ".BTF.ext": _with_places(form.blank.section(".BTF.ext"), lines, names),
        ".BTF": names.finish(dict.fromkeys(form.sizes_at, provenance_size)),
        SECTION_PROVENANCE: bytes(provenance_size),
        SECTION_NOTE: bytes(note_size),
    }
    return form.blank.written(contents)


@dataclass(frozen=True, slots=True)
class _Form:
    """What all objects of one run of LLVM share. sizes_at: where `.BTF` gives the provenance's size."""

    blank: Blank
    sizes_at: tuple[int, ...]


@lru_cache(maxsize=FORMS)
def _form(raw: bytes) -> _Form:
    blank = read_blank(raw, lambda name: name.startswith((".debug_", ".rel.debug_")))
    btf = read_btf(blank.section(".BTF"))
    number = btf.section(SECTION_PROVENANCE)
    assert number is not None
    section = btf.type(number)
    ((variable, _, _),) = btf.entries(section)
    array = btf.type(btf.type(variable).value)
    # Last of three words in both: an array's count of elements, a section's size of a variable.
    last = BTF_TYPE.size + BTF_TRIPLE.size - _WORD.size
    return _Form(blank, (array.at + last, section.at + last))


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

    def finish(self, words: Mapping[int, int]) -> bytes:
        """The section with all strings. words: values to write, by offset."""
        magic, version, flags, header, type_at, type_size, at, _ = BTF_HEADER.unpack_from(self._btf)
        head = BTF_HEADER.pack(magic, version, flags, header, type_at, type_size, at, len(self._data))
        data = bytearray(head + self._btf[BTF_HEADER.size : header + at] + self._data)
        for place, value in words.items():
            _WORD.pack_into(data, place, value)
        return bytes(data)


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
