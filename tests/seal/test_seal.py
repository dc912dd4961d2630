"""Seal fills reserved bytes in place, is a pure function, and refuses raw objects of another shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from polc.compiler.seal import RawParts, SealError, seal
from polc.pair.elf import read_elf
from polc.pair.layout import Direction, Rodata
from polc.pair.note import NOTE_MAGIC, NOTE_NAME, Note, file_digest
from polc.pair.object import read_object
from polc.tests.pair.pairs import PLAIN, TABLES, raw_parts, sealed

FILLED = (".rodata", ".rodata.tables", ".rodata.prov", ".note.polc")


def parts(**ingress: object) -> dict[Direction, RawParts]:
    both = {direction: raw_parts(PLAIN, direction) for direction in Direction}
    both[Direction.INGRESS] = replace(both[Direction.INGRESS], **ingress)  # type: ignore[arg-type]
    return both


def test_only_reserved_sections_change_and_no_byte_moves() -> None:
    both = parts()
    for direction, data in seal(both).items():
        raw = bytearray(both[direction].data)
        assert len(data) == len(raw)
        for name in FILLED:
            section = read_elf(data).section(name)
            assert not any(raw[section.offset : section.offset + section.size])
            raw[section.offset : section.offset + section.size] = section.data
        assert bytes(raw) == data


def test_the_contents_are_those_given() -> None:
    both = parts()
    sealed_both = seal(both)
    identities = set()
    for direction, data in sealed_both.items():
        elf = read_elf(data)
        assert elf.section(".rodata.tables").data == TABLES
        assert elf.section(".rodata.prov").data == both[direction].provenance
        note = Note.parse(elf.section(".note.polc").data)
        assert note.digest == file_digest(data, elf.section(".note.polc").offset)
        assert replace(note, identity=bytes(32), digest=bytes(32), file_size=0) == both[direction].note
        texts = Rodata.unpack(elf.section(".rodata").data)
        assert texts == Rodata(note.identity.hex(), direction.word, "1")
        identities.add(note.identity)
    assert len(identities) == 1


def test_equal_parts_give_equal_bytes_whatever_their_order() -> None:
    both = parts()
    again = {direction: both[direction] for direction in reversed(Direction)}
    assert seal(both) == seal(again)
    assert tuple(seal(both).values()) == sealed()


def test_what_seal_writes_is_read_as_an_object() -> None:
    for direction, data in seal(parts()).items():
        assert read_object(data).direction is direction


def renamed(old: bytes, new: bytes) -> Callable[[], dict[Direction, RawParts]]:
    return lambda: parts(data=raw_parts(PLAIN, Direction.INGRESS).data.replace(old, new))


FORGED_NOTE = b"\1\0\0\0" + NOTE_NAME + NOTE_MAGIC


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda: {Direction.INGRESS: raw_parts(PLAIN, Direction.INGRESS)}, "exactly one object for each"),
        (lambda: parts(tables=TABLES + b"x"), "64 bytes, its contents 65"),
        (lambda: parts(tables=b""), "64 bytes, its contents 0"),
        (lambda: parts(provenance=b"{}\0"), "its contents 3"),
        (lambda: parts(data=b"not an object"), "ELF header"),
        (lambda: parts(note=Note(meaning=bytes(32), direction=Direction.EGRESS)), "something else"),
        (lambda: parts(note=Note(meaning=bytes(32), direction=Direction.INGRESS)), r"\.note\.polc has"),
        (renamed(b"polc_note\0", b"polc_nope\0"), "0 symbols polc_note"),
        (renamed(b".rodata.config\0", b".rodata.nofigc\0"), r"no section \.rodata\.config"),
        (renamed(b"polc_layout\0", b"polc_levels\0"), "0 symbols bpf_metadata_polc_layout"),
        (lambda: parts(tables=FORGED_NOTE.ljust(64, b"\0")), "magic in another place"),
    ],
)
def test_raw_objects_of_another_shape_are_refused(
    given: Callable[[], dict[Direction, RawParts]], words: str
) -> None:
    with pytest.raises(SealError, match=words):
        seal(given())
