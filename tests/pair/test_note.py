"""The note says what was packed, has the size that was promised, and odd bytes are refused."""

from __future__ import annotations

import hashlib
import struct

import pytest
from polc.pair.layout import Direction
from polc.pair.note import (
    DIGEST_OFFSET,
    NOTE_MAGIC,
    Note,
    NoteError,
    file_digest,
    find_note,
    note_size,
    read_head,
)

NOTE = Note(
    meaning=b"m" * 32,
    direction=Direction.EGRESS,
    endpoint="shop/wéb",
    addresses=("10.0.0.1", "fd00::1"),
    identity=b"i" * 32,
    digest=b"d" * 32,
    file_size=77,
)


@pytest.mark.parametrize("endpoint", ["", "a/b", "a/bc", "shop/wéb"])
@pytest.mark.parametrize("addresses", [(), ("10.0.0.1",), ("10.0.0.1", "fd00::1")])
def test_a_note_reads_back_and_has_the_promised_size(endpoint: str, addresses: tuple[str, ...]) -> None:
    note = Note(meaning=b"m" * 32, direction=Direction.INGRESS, endpoint=endpoint, addresses=addresses)
    packed = note.pack()
    assert Note.parse(packed) == note
    assert len(packed) == note_size(endpoint, addresses)
    assert len(packed) % 4 == 0


def test_the_section_is_an_elf_note_of_our_name() -> None:
    packed = NOTE.pack()
    name_size, size, kind = struct.unpack_from("<III", packed)
    assert packed[12 : 12 + name_size] == b"polc\0"
    assert kind == 1
    assert 20 + size <= len(packed) < 20 + size + 4


def test_the_magic_is_sixteen_bytes_that_no_text_contains() -> None:
    assert len(NOTE_MAGIC) == 16
    with pytest.raises(UnicodeDecodeError):
        NOTE_MAGIC.decode()


def test_the_head_is_read_whatever_the_layout() -> None:
    packed = bytearray(NOTE.pack())
    struct.pack_into("<I", packed, DIGEST_OFFSET + 40, 9)
    head = read_head(bytes(packed))
    assert (head.digest, head.file_size, head.layout) == (b"d" * 32, 77, 9)
    with pytest.raises(NoteError, match="layout version 9"):
        Note.parse(bytes(packed))


def test_every_truncation_of_a_note_is_refused() -> None:
    packed = NOTE.pack()
    unpadded = 20 + struct.unpack_from("<I", packed, 4)[0]
    for size in range(unpadded):
        with pytest.raises(NoteError):
            Note.parse(packed[:size])


@pytest.mark.parametrize(
    ("at", "content", "words"),
    [
        (0, b"\4", "ELF header"),
        (8, b"\2", "ELF header"),
        (12, b"P", "ELF header"),
        (20, b"\0", "magic"),
        (DIGEST_OFFSET + 44, b"\2", "fields cannot be read"),
        (DIGEST_OFFSET + 112, b"\xff" * 4, "4294967295 addresses"),
        (DIGEST_OFFSET + 116, b"\xff\xff", "end early"),
        (DIGEST_OFFSET + 118, b"\xff", "not UTF-8"),
    ],
)
def test_odd_fields_are_named(at: int, content: bytes, words: str) -> None:
    packed = bytearray(NOTE.pack())
    packed[at : at + len(content)] = content
    with pytest.raises(NoteError, match=words):
        Note.parse(bytes(packed))


def test_names_and_lists_that_do_not_fit_are_refused() -> None:
    with pytest.raises(NoteError, match="does not fit"):
        note_size("x" * 65536, ())
    with pytest.raises(NoteError, match="1025 addresses"):
        note_size("", ["10.0.0.1"] * 1025)


def test_a_note_is_found_by_itself_and_not_when_there_are_two() -> None:
    packed = NOTE.pack()
    assert find_note(b"abc" + packed + b"xyz") == 3
    assert find_note(b"abc") is None
    assert find_note(packed[8:]) is None
    assert find_note(packed + packed) is None


def test_the_digest_covers_every_byte_but_its_own_field() -> None:
    data = b"head" + NOTE.pack() + b"tail"
    start = 4 + DIGEST_OFFSET
    blank = data[:start] + bytes(32) + data[start + 32 :]
    digest = file_digest(data, 4)
    assert digest == hashlib.sha256(blank).digest() == file_digest(blank, 4)
    for at in range(len(data)):
        if not start <= at < start + 32:
            assert file_digest(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], 4) != digest
