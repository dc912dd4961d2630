"""BTF is read as the kernel reads it: maps, lines, and sizes filled in as BPF_BTF_LOAD demands."""

from __future__ import annotations

import struct

import pytest
from polc.pair.btf import (
    BtfError,
    MapSpec,
    line_table,
    loadable,
    map_specs,
    metadata_btf,
    program_info,
)
from polc.pair.btf_types import BTF_HEADER, Kind, read_btf
from polc.pair.elf import Elf, read_elf
from polc.tests.pair.specimen import Specimen, emit


@pytest.fixture
def elf() -> Elf:
    return read_elf(emit(Specimen()))


def with_btf(edit: tuple[int, bytes], section: str = ".BTF") -> Elf:
    """The specimen with bytes of a BTF section replaced."""
    data = bytearray(emit(Specimen()))
    at = read_elf(bytes(data)).section(section).offset + edit[0]
    data[at : at + len(edit[1])] = edit[1]
    return read_elf(bytes(data))


def test_map_definitions_are_those_of_the_source(elf: Elf) -> None:
    specs = map_specs(elf)
    assert [*specs.values()] == [
        MapSpec("polc_events", 27, 4096, 0, 0, 0),
        MapSpec("polc_flows", 9, 12345, 0, 8, 8),
        MapSpec("polc_hits_in", 6, 18, 0, 4, 16),
        MapSpec("polc_slots", 3, 4, 0, 4, 4),
    ]


def test_loadable_btf_has_every_size_and_ascending_offsets(elf: Elf) -> None:
    btf = read_btf(loadable(elf).data)
    symbols = {symbol.name: symbol for symbol in elf.symbols}
    sections = [item for item in btf.types if item.kind is Kind.DATASEC]
    assert {btf.name(item) for item in sections} == {
        ".maps",
        ".note.polc",
        ".rodata",
        ".rodata.config",
        ".rodata.prov",
        ".rodata.tables",
    }
    for item in sections:
        assert item.value == elf.section(btf.name(item)).size
        offsets = [offset for _, offset, _ in btf.entries(item)]
        assert offsets == sorted(set(offsets))
        for variable, offset, size in btf.entries(item):
            symbol = symbols[btf.name(btf.type(variable))]
            assert (symbol.section, symbol.value, symbol.size) == (btf.name(item), offset, size)


def test_loadable_changes_sections_only(elf: Elf) -> None:
    before, after = read_btf(elf.section(".BTF").data), read_btf(loadable(elf).data)
    assert before.strings == after.strings
    assert [item for item in before.types if item.kind is not Kind.DATASEC] == [
        item for item in after.types if item.kind is not Kind.DATASEC
    ]


def test_the_line_table_quotes_the_policy(elf: Elf) -> None:
    lines = line_table(elf)
    assert lines[0].insn == 0
    assert [line.insn for line in lines] == sorted(line.insn for line in lines)
    assert [(line.file, line.line, line.column, line.text) for line in lines[-2:]] == [
        ("policy.yaml", 3, 5, "  - action: Allow"),
        ("policy.yaml", 5, 5, "  - action: Deny"),
    ]


def test_program_info_counts_in_instructions(elf: Elf) -> None:
    info = program_info(elf)
    lines = [struct.unpack_from("<I", info.line_info, at)[0] for at in range(0, len(info.line_info), 16)]
    assert (info.func_rec_size, info.line_rec_size) == (8, 16)
    assert lines == [line.insn for line in line_table(elf)]
    assert max(lines) < elf.section("tc").size // 8
    insn, function = struct.unpack("<II", info.func_info)
    btf = read_btf(elf.section(".BTF").data)
    found = btf.type(function)
    assert (insn, found.kind, btf.name(found)) == (0, Kind.FUNC, "polc_ingress")


def test_a_section_without_records_has_an_empty_table(elf: Elf) -> None:
    info = program_info(elf, ".text")
    assert (info.func_info, info.line_info) == (b"", b"")
    assert line_table(elf, ".text") == ()


def test_datasec_ids_name_the_sections(elf: Elf) -> None:
    sections = loadable(elf).sections
    number = sections[".rodata"]
    btf = read_btf(elf.section(".BTF").data)
    assert btf.name(btf.type(number)) == ".rodata"
    assert ".nothing" not in sections


@pytest.mark.parametrize("text", ["", "ab12", "grün"])
def test_metadata_btf_describes_one_text(text: str) -> None:
    data, number = metadata_btf("bpf_metadata_polc_gate", text)
    btf = read_btf(data)
    section = btf.type(number)
    ((variable, offset, size),) = btf.entries(section)
    said = section.kind, btf.name(section), section.value
    assert said == (Kind.DATASEC, ".rodata", len(text.encode()) + 1)
    assert (btf.name(btf.type(variable)), offset, size) == ("bpf_metadata_polc_gate", 0, section.value)
    assert btf.size(btf.type(variable).value) == section.value


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ((0, b"\0\0"), "header is not one we know"),
        ((12, b"\xff" * 4), "ends early"),
        ((20, b"\xff" * 4), "ends early"),
        ((BTF_HEADER.size + 7, b"\x1f"), "kind 31 is not known"),
        ((BTF_HEADER.size, b"\xff\xff\xff\0"), "outside the strings"),
    ],
)
def test_broken_btf_is_named(edit: tuple[int, bytes], words: str) -> None:
    with pytest.raises(BtfError, match=words):
        map_specs(with_btf(edit))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ((0, b"\0\0"), "header is not one we know"),
        ((32, b"\1\0\0\0"), "records of 1 bytes"),
        ((40, b"\xff" * 4), "ends early"),
        ((44, b"\1\0\0\0"), "inside an instruction"),
    ],
)
def test_broken_line_info_is_named(edit: tuple[int, bytes], words: str) -> None:
    with pytest.raises(BtfError, match=words):
        program_info(with_btf(edit, ".BTF.ext"))


def test_types_that_refer_to_each_other_in_a_loop_are_refused() -> None:
    # One array whose elements are itself, one typedef of itself.
    header = BTF_HEADER.pack(0xEB9F, 1, 0, BTF_HEADER.size, 0, 36, 36, 1)
    types = struct.pack("<IIIIII", 0, 3 << 24, 0, 1, 1, 1) + struct.pack("<III", 0, 8 << 24, 2)
    btf = read_btf(header + types + b"\0")
    with pytest.raises(BtfError, match="no size"):
        btf.size(1)
    with pytest.raises(BtfError, match="loop"):
        btf.size(2)


@pytest.mark.kernel
def test_the_kernel_takes_loadable_and_metadata_btf_and_not_the_raw_section(elf: Elf) -> None:
    from polc.runtime.bpf import Bpf, BpfError

    bpf = Bpf()
    for data in (loadable(elf).data, metadata_btf("bpf_metadata_polc_gate", "0123")[0]):
        bpf.btf_load(data).close()
    with pytest.raises(BpfError):
        bpf.btf_load(elf.section(".BTF").data)
