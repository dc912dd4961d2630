"""Every object and pair that is not ours, not whole or not one compilation is refused for its own reason."""

from __future__ import annotations

import random
import struct
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from polc.pair.elf import read_elf
from polc.pair.layout import SECTION_NOTE, SECTION_PROVENANCE, SECTION_RODATA, SECTION_TABLES, Direction
from polc.pair.naming import parse_ref
from polc.pair.note import DIGEST_OFFSET, find_note
from polc.pair.object import PairError, PairFault, read_object, read_pair, require_endpoint
from polc.tests.pair.pairs import ADDRESSES, ENDPOINT, PLAIN, TABLES, pair_of, resealed, sealed
from polc.tests.pair.specimen import emit

INGRESS, EGRESS = sealed()
OTHER_INGRESS, OTHER_EGRESS = sealed(replace(PLAIN, constant=81))


def refusal(data: bytes) -> PairError:
    with pytest.raises(PairError) as caught:
        read_object(data, "x.ingress.o")
    assert caught.value.message.startswith("x.ingress.o: ")
    assert caught.value.hint
    return caught.value


def pair_refusal(ingress: bytes, egress: bytes) -> PairError:
    with pytest.raises(PairError) as caught:
        read_pair(ingress, egress, "x.ingress.o", "x.egress.o")
    assert caught.value.hint
    return caught.value


def offset(data: bytes, section: str) -> int:
    return read_elf(data).section(section).offset


def test_a_whole_object_says_what_it_is() -> None:
    item = read_object(INGRESS, "x.ingress.o")
    assert (item.direction, item.layout, item.path) == (Direction.INGRESS, 1, "x.ingress.o")
    assert (item.endpoint, item.addresses, item.program) == (ENDPOINT, ADDRESSES, "polc_ingress")
    assert item.identity == pair_of().identity
    assert [rule.place for rule in item.provenance.rules] == ["policy.yaml:3:5", "policy.yaml:5:5"]


def test_two_objects_of_one_compilation_are_a_pair() -> None:
    pair = read_pair(INGRESS, EGRESS)
    assert pair.side(Direction.INGRESS) is pair.ingress
    assert pair.side(Direction.EGRESS).direction is Direction.EGRESS
    assert pair.endpoint == ENDPOINT


def test_two_compilations_of_one_meaning_are_a_pair() -> None:
    moved = replace(PLAIN, source="\n" * 9 + PLAIN.source, lines=(12, 14))
    pair = read_pair(INGRESS, sealed(moved)[1])
    assert pair.egress.provenance.rules[0].line == 12


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_is_found_as_an_alteration(mask: int) -> None:
    faults: Counter[PairFault] = Counter()
    data = bytearray(INGRESS)
    for at in range(len(data)):
        data[at] ^= mask
        faults[refusal(bytes(data)).fault] += 1
        data[at] ^= mask
    assert faults == {PairFault.ALTERED: len(data)}


def test_every_truncation_is_found_as_one() -> None:
    assert refusal(b"").fault is PairFault.NOT_ELF
    for size in range(1, len(INGRESS)):
        error = refusal(INGRESS[:size])
        assert error.fault is PairFault.TRUNCATED
        assert f"ends after {size} bytes" in error.message
    assert f"{len(INGRESS) - 1} bytes of {len(INGRESS)}" in refusal(INGRESS[:-1]).message


@pytest.mark.parametrize("tail", [b"\0", b"x" * 100, INGRESS])
def test_bytes_after_the_end_are_an_alteration(tail: bytes) -> None:
    assert refusal(INGRESS + tail).fault is PairFault.ALTERED


@pytest.mark.parametrize(
    ("data", "fault", "words"),
    [
        (b"", PairFault.NOT_ELF, "is empty"),
        (b"kind: NetworkPolicy\n", PairFault.NOT_ELF, "not an ELF file"),
        (Path(sys.executable).read_bytes(), PairFault.NOT_OURS, "ELF file of another kind"),
        (b"\x7fELF\x02\x01" + bytes(100), PairFault.NOT_OURS, "ELF file of another kind"),
    ],
)
def test_foreign_files_are_not_ours(data: bytes, fault: PairFault, words: str) -> None:
    error = refusal(data)
    assert (error.fault, words in error.message) == (fault, True)


def test_a_bpf_object_of_another_tool_is_not_ours() -> None:
    foreign = emit(PLAIN).replace(b".note.polc", b".note.else")
    error = refusal(foreign)
    assert error.fault is PairFault.NOT_OURS
    assert "polc did not write it" in error.message


def test_an_object_that_was_never_sealed_is_refused() -> None:
    assert refusal(emit(PLAIN)).fault is PairFault.ALTERED


def test_an_unknown_layout_version_is_named() -> None:
    note = find_note(INGRESS)
    assert note is not None
    error = refusal(resealed(INGRESS, note + DIGEST_OFFSET + 40, struct.pack("<I", 2)))
    assert error.fault is PairFault.LAYOUT
    assert "layout version 2" in error.message
    assert "knows 1" in error.message


@pytest.mark.parametrize(
    ("section", "at", "content", "words"),
    [
        (SECTION_RODATA, 0, b"z", "name different identities"),
        (SECTION_RODATA, 65, b"egress\0", "name different identities"),
        (SECTION_RODATA, 73, b"2", "name different identities"),
        (SECTION_PROVENANCE, 0, b"[", "provenance table is malformed"),
        (SECTION_NOTE, DIGEST_OFFSET + 44, b"\1", "name different"),
        (SECTION_NOTE, DIGEST_OFFSET + 118, b"S", "speak of different objects"),
        (".BTF", 0, b"\0", "BTF header"),
        (".BTF.ext", 0, b"\0", r".BTF.ext header"),
    ],
)
def test_contradictions_behind_a_right_digest_are_named(
    section: str, at: int, content: bytes, words: str
) -> None:
    error = refusal(resealed(INGRESS, offset(INGRESS, section) + at, content))
    assert error.fault is PairFault.MALFORMED
    assert words in error.message


def test_forged_digests_lead_to_an_object_or_to_a_refusal_and_nothing_else() -> None:
    dice = random.Random(20261123)
    faults: Counter[str] = Counter()
    for _ in range(3000):
        data = bytearray(INGRESS)
        for _ in range(dice.randint(1, 4)):
            at, size = dice.randrange(len(data) - 8), dice.randint(1, 8)
            data[at : at + size] = dice.choice([bytes(size), b"\xff" * size, dice.randbytes(size)])
        if find_note(bytes(data)) is None:
            continue
        try:
            read_pair(resealed(data), EGRESS)
            faults["accepted"] += 1
        except PairError as error:
            faults[error.fault] += 1
    assert faults[PairFault.MALFORMED] > 100
    assert faults[PairFault.IDENTITY_NOT_RECOMPUTED] > 10


def test_two_ingress_objects_are_no_pair() -> None:
    error = pair_refusal(INGRESS, OTHER_INGRESS)
    assert error.fault is PairFault.SAME_DIRECTION
    assert "both ingress objects" in error.message
    assert pair_refusal(EGRESS, EGRESS).message.endswith("both egress objects")


def test_swapped_files_are_named() -> None:
    error = pair_refusal(EGRESS, INGRESS)
    assert error.fault is PairFault.SWAPPED
    assert "x.ingress.o is the egress object" in error.message


def test_objects_of_two_compilations_are_no_pair() -> None:
    for ingress, egress in ((INGRESS, OTHER_EGRESS), (OTHER_INGRESS, EGRESS)):
        error = pair_refusal(ingress, egress)
        assert error.fault is PairFault.IDENTITY_DIFFERS
        assert read_object(ingress).identity.hex() in error.message
        assert read_object(egress).identity.hex() in error.message


@pytest.mark.parametrize("section", ["tc", SECTION_TABLES])
@pytest.mark.parametrize("side", Direction)
def test_changed_code_and_tables_do_not_recompute(section: str, side: Direction) -> None:
    both = [INGRESS, EGRESS]
    part = read_elf(both[side]).section(section)
    both[side] = resealed(both[side], part.offset + part.size - 8, b"\xb4\0\0\0\1\0\0\0")
    error = pair_refusal(*both)
    assert error.fault is PairFault.IDENTITY_NOT_RECOMPUTED
    assert pair_of().identity.hex() in error.message


def test_a_changed_map_definition_does_not_recompute() -> None:
    capacity = struct.pack("<I", 12345)
    part = read_elf(EGRESS).section(".BTF")
    forged = resealed(EGRESS, part.offset + part.data.index(capacity), struct.pack("<I", 4))
    assert pair_refusal(INGRESS, forged).fault is PairFault.IDENTITY_NOT_RECOMPUTED


def test_a_pair_without_an_identity_is_refused() -> None:
    elf = read_elf(INGRESS)
    index = [symbol.name for symbol in elf.symbols].index("polc_tables")
    forged = resealed(INGRESS, elf.section(".symtab").offset + index * 24 + 6, b"\0\0")
    assert pair_refusal(forged, EGRESS).fault is PairFault.MALFORMED


def test_a_pair_for_another_endpoint_is_refused_by_name() -> None:
    pair = pair_of()
    require_endpoint(pair, parse_ref(ENDPOINT))
    with pytest.raises(PairError, match="compiled for endpoint shop/web-1; shop/db-1 was named") as caught:
        require_endpoint(pair, parse_ref("shop/db-1"))
    assert caught.value.fault is PairFault.WRONG_ENDPOINT
    assert "--endpoint shop/db-1" in caught.value.hint
    mixed = read_pair(INGRESS, sealed(PLAIN, TABLES, "shop/web-2")[1], "i", "e")
    with pytest.raises(PairError, match="e was compiled for endpoint shop/web-2"):
        require_endpoint(mixed, parse_ref(ENDPOINT))
    labels = read_pair(*sealed(PLAIN, TABLES, ""))
    with pytest.raises(PairError, match="compiled for labels, not for an endpoint"):
        require_endpoint(labels, parse_ref(ENDPOINT))
