"""Makes two raw objects one pair: fills in contents, computes the identity over both, writes it and digests.

LLVM leaves the reserved sections zero at exactly the right size; nothing here moves a byte or changes a size.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ...pair.elf import Elf, ElfError, read_elf
from ...pair.identity import IdentityError, identity
from ...pair.layout import (
    CONFIG_FORMAT,
    LAYOUT_VERSION,
    SECTION_CONFIG,
    SECTION_NOTE,
    SECTION_PROVENANCE,
    SECTION_RODATA,
    SECTION_TABLES,
    SYMBOL_DIRECTION,
    SYMBOL_ID,
    SYMBOL_LAYOUT,
    SYMBOL_NOTE,
    SYMBOL_PROVENANCE,
    SYMBOL_TABLES,
    Direction,
    Rodata,
)
from ...pair.note import DIGEST_OFFSET, Note, NoteError, file_digest, find_note

_METADATA = ((SYMBOL_ID, 0, 65), (SYMBOL_DIRECTION, 65, 8), (SYMBOL_LAYOUT, 73, 8))


class SealError(Exception):
    """The raw objects are not what seal was promised: a fault of code generation, never of a policy."""


@dataclass(frozen=True, slots=True)
class RawParts:
    """One direction before sealing. data: the object as LLVM wrote it; tables, provenance: the contents of
    `.rodata.tables` and `.rodata.prov`, exactly as long as the sections; note: identity and digest zero."""

    data: bytes
    tables: bytes
    provenance: bytes
    note: Note


def seal(parts: Mapping[Direction, RawParts]) -> Mapping[Direction, bytes]:
    """Both finished objects. Pure; equal parts give equal bytes. Raises SealError."""
    if set(parts) != set(Direction):
        raise SealError("a pair has exactly one object for each direction")
    try:
        filled = {direction: _fill(direction, parts[direction]) for direction in Direction}
        shared = identity(filled[Direction.INGRESS][1], filled[Direction.EGRESS][1])
        return {
            direction: _finish(*filled[direction], parts[direction].note, shared) for direction in Direction
        }
    except (ElfError, IdentityError, NoteError) as error:
        raise SealError(str(error)) from error


def _fill(direction: Direction, raw: RawParts) -> tuple[bytearray, Elf]:
    """The object with its tables and provenance, and as read."""
    if raw.note.direction is not direction or raw.note.layout != LAYOUT_VERSION:
        raise SealError(f"the note given for {direction.word} is for something else")
    elf = read_elf(raw.data)
    data = bytearray(raw.data)
    _write(data, elf, SECTION_TABLES, SYMBOL_TABLES, raw.tables)
    _write(data, elf, SECTION_PROVENANCE, SYMBOL_PROVENANCE, raw.provenance)
    if elf.section(SECTION_CONFIG).size != CONFIG_FORMAT.size:
        raise SealError(f"{SECTION_CONFIG} has {elf.section(SECTION_CONFIG).size} bytes")
    contents = ((SECTION_TABLES, raw.tables), (SECTION_PROVENANCE, raw.provenance))
    sections = {name: elf.section(name)._replace(data=content) for name, content in contents}
    return data, replace(elf, sections=MappingProxyType({**elf.sections, **sections}))


def _finish(data: bytearray, elf: Elf, note: Note, shared: bytes) -> bytes:
    """Writes identity, note and, last, the digest over everything."""
    for name, offset, size in _METADATA:
        symbol = elf.symbol(name)
        if (symbol.section, symbol.value, symbol.size) != (SECTION_RODATA, offset, size):
            raise SealError(f"{name} is not at byte {offset} of {SECTION_RODATA}")
    texts = Rodata(shared.hex(), note.direction.word, str(note.layout)).pack()
    _write(data, elf, SECTION_RODATA, SYMBOL_ID, texts)
    packed = replace(note, identity=shared, file_size=len(data)).pack()
    _write(data, elf, SECTION_NOTE, SYMBOL_NOTE, packed)
    at = find_note(bytes(data))
    if at != elf.section(SECTION_NOTE).offset:
        raise SealError("the object contains the note's magic in another place too")
    digest = file_digest(bytes(data), at)
    struct.pack_into("32s", data, at + DIGEST_OFFSET, digest)
    return bytes(data)


def _write(data: bytearray, elf: Elf, section_name: str, symbol_name: str, content: bytes) -> None:
    """Puts `content` in place of the whole section's zeros."""
    section, symbol = elf.section(section_name), elf.symbol(symbol_name)
    if symbol.section != section_name or symbol.value != 0:
        raise SealError(f"{symbol_name} is not at the start of {section_name}")
    if not len(content) == section.size == len(section.data):
        raise SealError(f"{section_name} has {section.size} bytes, its contents {len(content)}")
    data[section.offset : section.offset + section.size] = content
