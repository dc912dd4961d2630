"""The ELF note of one object: what it claims to be, and a digest over every byte of its file.

Descriptor, little-endian, after the ELF note header (name `polc`, type 1). The head is for ever; what comes
after `layout` belongs to that layout version:

    magic 16 · digest 32 · file size u64 · layout u32 · direction u32 · identity 32 · meaning 32 ·
    address count u32 · endpoint text · address texts · zero padding to 4

A text is its length as u16 and that many bytes of UTF-8. The magic lets a reader find the note, and check the
digest, before it trusts a single ELF header.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .layout import LAYOUT_VERSION, Direction

NOTE_NAME: Final = b"polc\0\0\0\0"  # ELF pads the name to 4 bytes
NOTE_TYPE: Final = 1
# The bytes 0xf5–0xff never occur in UTF-8, so no policy text can contain it.
NOTE_MAGIC: Final = b"\x9cpolc\xf7note\xf9\x87\xfd\x1a\r\n"
DIGEST_SIZE: Final = 32
NO_DIGEST: Final = bytes(DIGEST_SIZE)

_ELF_NOTE: Final = struct.Struct("<III8s")
_HEAD: Final = struct.Struct("<16s32sQI")
_BODY: Final = struct.Struct("<I32s32sI")
_TEXT: Final = struct.Struct("<H")
_TEXT_LIMIT: Final = 0xFFFF
_ADDRESS_LIMIT: Final = 1024

MAGIC_OFFSET: Final = _ELF_NOTE.size  # inside the section
# What is searched for: type, name and magic, longer than any address that a policy could put in a table.
_NEEDLE: Final = struct.pack("<I8s16s", NOTE_TYPE, NOTE_NAME, NOTE_MAGIC)
_NEEDLE_OFFSET: Final = MAGIC_OFFSET + len(NOTE_MAGIC) - len(_NEEDLE)
DIGEST_OFFSET: Final = MAGIC_OFFSET + len(NOTE_MAGIC)


class NoteError(Exception):
    """The bytes are not a note that can be read."""


@dataclass(frozen=True, slots=True)
class NoteHead:
    """What every layout version has: the file's digest, its size in bytes, and the version."""

    digest: bytes
    file_size: int
    layout: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """meaning: SHA-256 of the plan. identity, digest, file_size: zero until seal writes them.

    endpoint: `NS/NAME`, or `` when compiled for labels. addresses: as text, in the inventory's order.
    """

    meaning: bytes
    direction: Direction
    endpoint: str = ""
    addresses: tuple[str, ...] = ()
    layout: int = LAYOUT_VERSION
    identity: bytes = NO_DIGEST
    digest: bytes = NO_DIGEST
    file_size: int = 0

    def pack(self) -> bytes:
        """The whole section; its size depends on endpoint and addresses only. NoteError when too long."""
        if len(self.addresses) > _ADDRESS_LIMIT:
            raise NoteError(f"an endpoint has {len(self.addresses)} addresses, the limit is {_ADDRESS_LIMIT}")
        head = _HEAD.pack(NOTE_MAGIC, self.digest, self.file_size, self.layout)
        body = _BODY.pack(int(self.direction), self.identity, self.meaning, len(self.addresses))
        texts = b"".join(_pack_text(text) for text in (self.endpoint, *self.addresses))
        descriptor = head + body + texts
        padding = bytes(-len(descriptor) % 4)
        return _ELF_NOTE.pack(5, len(descriptor), NOTE_TYPE, NOTE_NAME) + descriptor + padding

    @classmethod
    def parse(cls, section: bytes) -> Note:
        """Reads a `.note.polc` section of a known layout version; raises NoteError."""
        head = read_head(section)
        if head.layout != LAYOUT_VERSION:
            raise NoteError(f"layout version {head.layout} is not known")
        name_size, size, kind, name = _ELF_NOTE.unpack_from(section)
        if (name_size, kind, name) != (5, NOTE_TYPE, NOTE_NAME):
            raise NoteError("the note's ELF header is not ours")
        descriptor = section[_ELF_NOTE.size : _ELF_NOTE.size + size]
        if len(descriptor) != size:
            raise NoteError("the note ends early")
        try:
            direction, identity, meaning, count = _BODY.unpack_from(descriptor, _HEAD.size)
            side = Direction(direction)
        except (struct.error, ValueError):
            raise NoteError("the note's fields cannot be read") from None
        if count > _ADDRESS_LIMIT:
            raise NoteError(f"the note claims {count} addresses")
        texts = _parse_texts(descriptor[_HEAD.size + _BODY.size :], count + 1)
        return cls(
            meaning=meaning,
            direction=side,
            endpoint=texts[0],
            addresses=tuple(texts[1:]),
            layout=head.layout,
            identity=identity,
            digest=head.digest,
            file_size=head.file_size,
        )


def note_size(endpoint: str, addresses: Sequence[str]) -> int:
    """Bytes that `.note.polc` must have for that endpoint; NoteError as `Note.pack`."""
    blank = Note(
        meaning=NO_DIGEST, direction=Direction.INGRESS, endpoint=endpoint, addresses=tuple(addresses)
    )
    return len(blank.pack())


def read_head(section: bytes) -> NoteHead:
    """The part of a note section that any layout version has; raises NoteError."""
    try:
        magic, digest, file_size, layout = _HEAD.unpack_from(section, MAGIC_OFFSET)
    except struct.error:
        raise NoteError("the note ends early") from None
    if magic != NOTE_MAGIC:
        raise NoteError("the note has not our magic")
    return NoteHead(digest, file_size, layout)


def find_note(data: bytes) -> int | None:
    """Where in a file the note section begins, by its magic alone; None unless there is exactly one."""
    at = data.find(_NEEDLE)
    if at < _NEEDLE_OFFSET or data.find(_NEEDLE, at + 1) >= 0:
        return None
    return at - _NEEDLE_OFFSET


def file_digest(data: bytes, note_at: int) -> bytes:
    """SHA-256 of the whole file with the digest field of the note at that offset taken as zero."""
    start = note_at + DIGEST_OFFSET
    digest = hashlib.sha256(data[:start])
    digest.update(NO_DIGEST)
    digest.update(data[start + DIGEST_SIZE :])
    return digest.digest()


def _pack_text(text: str) -> bytes:
    data = text.encode()
    if len(data) > _TEXT_LIMIT:
        raise NoteError(f"a name of {len(data)} bytes does not fit the note")
    return _TEXT.pack(len(data)) + data


def _parse_texts(data: bytes, count: int) -> list[str]:
    """`count` texts and nothing but zero padding after them."""
    texts = []
    at = 0
    for _ in range(count):
        if at + _TEXT.size > len(data):
            raise NoteError("the note's texts end early")
        (size,) = _TEXT.unpack_from(data, at)
        at += _TEXT.size
        if at + size > len(data):
            raise NoteError("the note's texts end early")
        try:
            texts.append(data[at : at + size].decode())
        except UnicodeDecodeError:
            raise NoteError("a text of the note is not UTF-8") from None
        at += size
    return texts
