"""The identity is the same for the same meaning, and another for anything that could decide a verdict."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from polc.pair.elf import Elf, read_elf
from polc.pair.identity import IdentityError, identity
from polc.pair.layout import SECTION_CONFIG, SECTION_PROVENANCE, SECTION_TABLES, Config
from polc.tests.pair.pairs import PLAIN, TABLES, pair_of, resealed, sealed

INGRESS, EGRESS = sealed()
OTHER = read_elf(EGRESS)
IDENTITY = pair_of().identity
SYMBOL_BYTES = 24


def changed(at: int, content: bytes) -> bytes:
    """The identity when the ingress object has other bytes there."""
    data = INGRESS[:at] + content + INGRESS[at + len(content) :]
    return identity(read_elf(data), OTHER)


def symbol_at(elf: Elf, name: str) -> int:
    """File offset of that symbol's entry."""
    (index,) = (at for at, symbol in enumerate(elf.symbols) if symbol.name == name)
    return elf.section(".symtab").offset + index * SYMBOL_BYTES


def test_the_function_recomputes_what_seal_wrote() -> None:
    assert identity(read_elf(INGRESS), read_elf(EGRESS)) == IDENTITY
    assert len(IDENTITY) == 32


def test_moved_text_lines_and_provenance_leave_it_alone() -> None:
    source = "# a comment\n\n\nkind: NetworkPolicy\nspec:\n    - action: Allow\n    - action: Deny\n"
    moved = replace(PLAIN, source=source, lines=(6, 7))
    assert pair_of(moved).identity == IDENTITY
    assert sealed(moved) != sealed()
    assert pair_of(moved).ingress.provenance != pair_of().ingress.provenance


def test_the_order_of_symbols_and_definitions_leaves_it_alone() -> None:
    reverse = replace(PLAIN, reverse=True)
    assert pair_of(reverse).identity == IDENTITY
    before, after = (pair_of(item).ingress.elf for item in (PLAIN, reverse))
    assert before.symbol("polc_flows").value != after.symbol("polc_flows").value


def test_the_endpoint_leaves_it_alone() -> None:
    first, _ = sealed(PLAIN, TABLES, "other/endpoint-of-the-same-policy")
    assert identity(read_elf(first), OTHER) == IDENTITY


@pytest.mark.parametrize(
    "section", [SECTION_CONFIG, SECTION_PROVENANCE, ".BTF.ext", "license", ".debug_line"]
)
def test_what_decides_no_verdict_leaves_it_alone(section: str) -> None:
    part = read_elf(INGRESS).section(section)
    assert changed(part.offset, bytes(byte ^ 0xFF for byte in part.data)) == IDENTITY


def test_a_config_in_the_file_leaves_it_alone() -> None:
    at = read_elf(INGRESS).section(SECTION_CONFIG).offset
    configured = resealed(INGRESS, at, Config(generation=7, l2_header=18).pack())
    assert identity(read_elf(configured), OTHER) == IDENTITY


@pytest.mark.parametrize("section", ["tc", SECTION_TABLES])
def test_each_byte_of_code_and_tables_changes_it(section: str) -> None:
    part = read_elf(INGRESS).section(section)
    seen = {IDENTITY}
    for at, byte in enumerate(part.data):
        seen.add(changed(part.offset + at, bytes([byte ^ 1])))
    assert len(seen) == part.size + 1


def test_each_relocation_field_changes_it() -> None:
    elf = read_elf(INGRESS)
    part = elf.section(".reltc")
    tables = [symbol.name for symbol in elf.symbols].index("polc_tables")
    config = [symbol.name for symbol in elf.symbols].index("polc_config")
    seen = {IDENTITY}
    for at in range(0, part.size, 16):
        (offset,) = struct.unpack_from("<Q", part.data, at)
        seen.add(changed(part.offset + at, struct.pack("<Q", offset - 8)))
        (symbol,) = struct.unpack_from("<I", part.data, at + 12)
        target = config if symbol == tables else tables
        seen.add(changed(part.offset + at + 12, struct.pack("<I", target)))
        seen.add(changed(part.offset + at + 8, struct.pack("<I", 10)))
    assert len(seen) == 3 * part.size // 16 + 1


@pytest.mark.parametrize("name", ["polc_tables", "polc_config", "polc_ingress"])
def test_where_a_name_points_changes_it(name: str) -> None:
    at = symbol_at(read_elf(INGRESS), name)
    assert changed(at + 8, struct.pack("<Q", 8)) != IDENTITY


def test_a_maps_definition_changes_it() -> None:
    assert pair_of(replace(PLAIN, capacity=12346)).identity != IDENTITY
    elf = read_elf(INGRESS)
    data = elf.section(".BTF").data
    capacity = struct.pack("<I", 12345)
    assert data.count(capacity) == 1
    at = elf.section(".BTF").offset + data.index(capacity)
    assert changed(at, struct.pack("<I", 1025)) != IDENTITY


def test_another_table_or_constant_changes_it() -> None:
    found = {
        IDENTITY,
        pair_of(PLAIN, TABLES[:-1] + b"\0").identity,
        pair_of(PLAIN, TABLES + bytes(1)).identity,
        pair_of(replace(PLAIN, constant=81)).identity,
        pair_of(replace(PLAIN, reads="polc_config")).identity,
    }
    assert len(found) == 5


def test_the_sides_are_not_interchangeable() -> None:
    assert identity(OTHER, read_elf(INGRESS)) != IDENTITY


@pytest.mark.parametrize("section", [".rodata.prov", "license"])
def test_code_that_reads_what_no_identity_covers_has_none(section: str) -> None:
    elf = read_elf(INGRESS)
    at = symbol_at(elf, "polc_tables")
    with pytest.raises(IdentityError, match=f"ingress object: .*{section}, which no identity covers"):
        changed(at + 6, struct.pack("<H", elf.section(section).number))


def test_an_undefined_name_has_no_identity() -> None:
    with pytest.raises(IdentityError, match="0 symbols polc_tables"):
        changed(symbol_at(read_elf(INGRESS), "polc_tables") + 6, b"\0\0")
