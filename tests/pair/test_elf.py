"""The ELF reader sees what another reader sees, and refuses odd files with its own error."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from polc.pair.elf import ElfError, read_elf
from polc.tests.pair.specimen import Specimen, emit

SECTION_HEADER = 64


def header_of(data: bytes, name: str) -> int:
    """Byte offset of that section's header."""
    (table,) = struct.unpack_from("<Q", data, 40)
    return int(table) + read_elf(data).section(name).number * SECTION_HEADER


def patched(at: int, content: bytes) -> bytes:
    data = bytearray(emit(Specimen()))
    data[at : at + len(content)] = content
    return bytes(data)


def test_sections_symbols_and_relocations_are_those_that_pyelftools_reads() -> None:
    data = emit(Specimen())
    ours, theirs = read_elf(data), ELFFile(io.BytesIO(data))
    assert [(part.name, part.data) for part in ours.sections.values()] == [
        (part.name, part.data()) for part in theirs.iter_sections() if part.name
    ]
    symtab = theirs.get_section_by_name(".symtab")
    named = {item.name: item for item in symtab.iter_symbols() if item.name}
    for symbol in ours.symbols:
        if symbol.name in named and symbol.section != symbol.name:
            other = named[symbol.name]
            assert (symbol.value, symbol.size) == (other["st_value"], other["st_size"])
    assert [(item.offset, item.type, item.symbol) for item in ours.relocations("tc")] == [
        (item["r_offset"], item["r_info_type"], symtab.get_symbol(item["r_info_sym"]).name)
        for item in theirs.get_section_by_name(".reltc").iter_relocations()
    ]


def test_addends_are_the_immediates_in_place() -> None:
    elf = read_elf(emit(Specimen()))
    code = bytearray(elf.section("tc").data)
    first = elf.relocations("tc")[0]
    at = elf.section("tc").offset + first.offset
    assert first.addend == 0
    assert code[first.offset] == 0x18
    elf = read_elf(patched(at + 4, struct.pack("<i", -8)))
    assert elf.relocations("tc")[0].addend == 0xFFFFFFF8
    elf = read_elf(patched(at + 4, struct.pack("<i4xi", -8, -1)))
    assert elf.relocations("tc")[0].addend == -8


def test_the_interpreter_is_refused_as_another_machine() -> None:
    with pytest.raises(ElfError, match="not a relocatable BPF object"):
        read_elf(Path(sys.executable).read_bytes())


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (4, b"\1", "64-bit"),
        (5, b"\2", "little-endian"),
        (16, b"\3\0", "type 3"),
        (40, b"\xff" * 8, "section table ends"),
        (58, b"\x28\0", "entries of 40 bytes"),
        (60, b"\xff\xff", "has 65535 entries"),
        (60, b"\0\0", "has 0 entries"),
        (62, b"\xff\xff", "no section of section names"),
    ],
)
def test_an_odd_file_header_is_named(field: int, value: bytes, words: str) -> None:
    with pytest.raises(ElfError, match=words):
        read_elf(patched(field, value))


@pytest.mark.parametrize(
    ("section", "field", "value", "words"),
    [
        ("tc", 24, b"\xff" * 8, "section tc ends at byte"),
        ("tc", 0, b"\xff" * 4, "not terminated"),
        (".reltc", 44, b"\xff\0\0\0", "target of .reltc is section 255"),
        (".reltc", 4, b"\4\0\0\0", "addends"),
        (".reltc", 32, struct.pack("<Q", 17), ".reltc ends inside an entry"),
        (".symtab", 4, b"\1\0\0\0", "0 symbol tables"),
        (".symtab", 32, struct.pack("<Q", 25), "symbol table ends inside an entry"),
        (".symtab", 40, b"\xff\0\0\0", "symbol names is section 255"),
    ],
)
def test_an_odd_section_header_is_named(section: str, field: int, value: bytes, words: str) -> None:
    at = header_of(emit(Specimen()), section)
    with pytest.raises(ElfError, match=words):
        read_elf(patched(at + field, value))


def test_two_sections_of_one_name_are_refused() -> None:
    data = emit(Specimen())
    name = data[header_of(data, "tc") : header_of(data, "tc") + 4]
    with pytest.raises(ElfError, match="two sections are named 'tc'"):
        read_elf(patched(header_of(data, ".rodata"), name))


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [
        (0, struct.pack("<Q", 392), "outside section tc"),
        (0, b"\xff" * 8, "outside section tc"),
        (8, b"\x63\0\0\0", "unknown type 99"),
        (12, b"\xff\xff\0\0", "refers to symbol 65535"),
    ],
)
def test_an_odd_relocation_is_named(offset: int, value: bytes, words: str) -> None:
    at = read_elf(emit(Specimen())).section(".reltc").offset
    with pytest.raises(ElfError, match=words):
        read_elf(patched(at + offset, value))


def test_missing_sections_and_symbols_are_named() -> None:
    elf = read_elf(emit(Specimen()))
    with pytest.raises(ElfError, match=r"no section \.data"):
        elf.section(".data")
    with pytest.raises(ElfError, match="0 symbols nothing"):
        elf.symbol("nothing")
