"""The identity of a pair: one hash over everything in both objects that decides a verdict.

Seal writes it, the runtime recomputes it with this same function and without a compiler. What is hashed is
a canonical list, never file layout: symbol order, debug lines, provenance, configuration and the identity's
own place do not enter. Design §5.

The list is a sequence of items, each `u32 length of name · name · u64 length · bytes`, little-endian:
`polc`: the layout version; then for ingress and again for egress: `direction`; for each code section that is
not empty its name with its bytes, `functions` (name, offset, size), `relocations` (offset, type, symbol,
addend); `.rodata.tables`; `symbols` (what the relocations refer to: name, section, offset); `maps`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import Final

from .btf import BtfError, map_specs
from .elf import Elf, ElfError, Symbol
from .layout import (
    LAYOUT_VERSION,
    SECTION_CONFIG,
    SECTION_MAPS,
    SECTION_PROGRAM,
    SECTION_RODATA,
    SECTION_TABLES,
    Direction,
)

IDENTITY_SIZE: Final = 32
SECTION_TEXT: Final = ".text"  # subprograms, if any
_CODE: Final = (SECTION_PROGRAM, SECTION_TEXT)
_STT_FUNC: Final = 2
# Code may refer to these and to nothing else, or something outside the identity could decide a verdict.
_REFERRED: Final = frozenset({*_CODE, SECTION_MAPS, SECTION_RODATA, SECTION_TABLES, SECTION_CONFIG})


class IdentityError(Exception):
    """An object has no identity: it lacks a section, or its code refers to something outside the list."""


def identity(ingress: Elf, egress: Elf) -> bytes:
    """32 bytes. Raises IdentityError. Which is which is the caller's word: swapping them changes it."""
    digest = hashlib.sha256()
    for name, data in _items(ingress, egress):
        digest.update(struct.pack("<I", len(name)) + name.encode() + struct.pack("<Q", len(data)) + data)
    return digest.digest()


def _items(ingress: Elf, egress: Elf) -> Iterable[tuple[str, bytes]]:
    yield "polc", struct.pack("<I", LAYOUT_VERSION)
    for direction, elf in ((Direction.INGRESS, ingress), (Direction.EGRESS, egress)):
        yield "direction", direction.word.encode()
        try:
            yield from _object(elf)
        except (ElfError, BtfError) as error:
            raise IdentityError(f"the {direction.word} object: {error}") from None


def _object(elf: Elf) -> Iterable[tuple[str, bytes]]:
    code = [name for name in _CODE if name == SECTION_PROGRAM or _filled(elf, name)]
    for name in code:
        yield name, elf.section(name).data
        yield "functions", _functions(elf, name)
        yield (
            "relocations",
            b"".join(
                struct.pack("<QIq", item.offset, item.type, item.addend) + _text(item.symbol)
                for item in elf.relocations(name)
            ),
        )
    tables = elf.section(SECTION_TABLES)
    if elf.relocations(SECTION_TABLES):
        raise ElfError(f"section {SECTION_TABLES} is relocated")
    yield SECTION_TABLES, tables.data
    yield "symbols", _referred(elf, code)
    yield (
        "maps",
        b"".join(
            _text(spec.name)
            + struct.pack("<5I", spec.type, spec.max_entries, spec.map_flags, spec.key_size, spec.value_size)
            for spec in map_specs(elf).values()
        ),
    )


def _filled(elf: Elf, name: str) -> bool:
    section = elf.sections.get(name)
    return section is not None and section.size > 0


def _functions(elf: Elf, section: str) -> bytes:
    found = sorted(
        (symbol.name, symbol.value, symbol.size)
        for symbol in elf.symbols
        if symbol.type == _STT_FUNC and symbol.section == section
    )
    return b"".join(_text(name) + struct.pack("<QQ", value, size) for name, value, size in found)


def _referred(elf: Elf, code: Iterable[str]) -> bytes:
    names = sorted({item.symbol for section in code for item in elf.relocations(section)})
    found = []
    for name in names:
        # A section symbol has its section's name and may share it with nothing else.
        symbol = elf.symbol(name)
        if symbol.section not in _REFERRED:
            raise ElfError(f"the code refers to {name} in section {symbol.section}, which no identity covers")
        found.append(_text(name) + _text(symbol.section) + struct.pack("<Q", _place(symbol)))
    return b"".join(found)


def _place(symbol: Symbol) -> int:
    """Offset in its section; a map is known by its name, wherever its definition stands."""
    return 0 if symbol.section == SECTION_MAPS else symbol.value


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data
