"""The block format of captures (draft-ietf-opsawg-pcapng): sections, interfaces, packets; no other block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

from .capture_bytes import CaptureError, Reader, Record

SECTION_MAGIC: Final = bytes.fromhex("0a0d0d0a")  # the same in both byte orders
_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_OLD_PACKET: Final = 2
_SIMPLE: Final = 3
_PACKET: Final = 6
_BYTE_ORDER: Final = 0x1A2B3C4D
_OPTION_RESOLUTION: Final = 9
_OPTION_OFFSET: Final = 14
_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Interface:
    """ticks: a second. offset: seconds. snap: the most bytes of a packet, 0 for any number."""

    link: int
    snap: int
    ticks: int
    offset: int

    def time(self, stamp: int) -> int:
        return stamp * _NANOSECONDS // self.ticks + self.offset * _NANOSECONDS


def read_pcapng(reader: Reader) -> Iterator[Record]:
    """Everything after the first block's type. Raises CaptureError."""
    sections = _Sections(reader)
    sections.section()
    time = 0
    while reader.more():
        kind, body = sections.block()
        if kind == _SECTION:
            sections.section()
        elif kind == _INTERFACE:
            sections.interface(body)
        elif kind in (_PACKET, _OLD_PACKET, _SIMPLE):
            record = sections.packet(kind, body, time)
            time = record.time
            yield record


class _Sections:
    """The section that is being read: its byte order and its interfaces so far."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._number = 0

    def section(self) -> None:
        """The section header block behind its type."""
        head = self._reader.take(8, "a section header")
        self._order = next((one for one in "<>" if Struct(f"{one}I").unpack(head[4:])[0] == _BYTE_ORDER), "")
        if not self._order:
            raise CaptureError(f"its section header has the byte-order magic {head[4:].hex()}, which is none")
        size = Struct(f"{self._order}I").unpack(head[:4])[0]
        body = self._body(size, 12, "a section header")
        major, _minor = Struct(f"{self._order}HH").unpack(body[:4].ljust(4, b"\0"))
        if major != 1:
            raise CaptureError(f"it is pcapng of version {major}; known is 1")
        self._interfaces = []

    def block(self) -> tuple[int, bytes]:
        """The next block's type, and its body unless it is a section header, whose order is unknown yet."""
        start = self._reader.take(4, "a block header")
        if start == SECTION_MAGIC:
            return _SECTION, b""
        kind: int = Struct(f"{self._order}I").unpack(start)[0]
        size = Struct(f"{self._order}I").unpack(self._reader.take(4, "a block header"))[0]
        return kind, self._body(size, 8, "a block")

    def _body(self, size: int, read: int, what: str) -> bytes:
        """What follows the first `read` bytes of a block, without the length at its end."""
        if size % 4 or size < read + 4:
            raise CaptureError(
                f"{what} at byte {self._reader.at} says it has {size} bytes: the file is damaged"
            )
        body = self._reader.take(size - read, what)
        again = Struct(f"{self._order}I").unpack(body[-4:])[0]
        if again != size:
            raise CaptureError(f"{what} before byte {self._reader.at} has two lengths, {size} and {again}")
        return body[:-4]

    def interface(self, body: bytes) -> None:
        if len(body) < 8:
            raise CaptureError(f"interface {len(self._interfaces)} is described in {len(body)} bytes")
        link, _, snap = Struct(f"{self._order}HHI").unpack(body[:8])
        ticks, offset = 1_000_000, 0
        for code, value in self._options(body[8:]):
            if code == _OPTION_RESOLUTION and value:
                ticks = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
            elif code == _OPTION_OFFSET and len(value) == 8:
                offset = Struct(f"{self._order}q").unpack(value)[0]
        self._interfaces.append(_Interface(link, snap, ticks, offset))

    def _options(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        head, at = Struct(f"{self._order}HH"), 0
        while at + 4 <= len(data):
            code, size = head.unpack(data[at : at + 4])
            if code == 0:
                return
            yield code, data[at + 4 : at + 4 + size]
            at += 4 + (size + 3) // 4 * 4

    def packet(self, kind: int, body: bytes, before: int) -> Record:
        """before: the time of the previous packet, which a simple packet block has no other than."""
        what = f"packet {self._number}"
        self._number += 1
        head = Struct(f"{self._order}I" if kind == _SIMPLE else f"{self._order}IIIII")
        if len(body) < head.size:
            raise CaptureError(f"the block of {what} has only {len(body)} bytes")
        fields = head.unpack(body[: head.size])
        if kind == _SIMPLE:
            interface = self._of(0, what)
            size = min(fields[0], interface.snap or fields[0])
            return self._record(interface, before, body[head.size :], size, fields[0], what)
        index = fields[0] if kind == _PACKET else Struct(f"{self._order}HH").unpack(body[:4])[0]
        interface = self._of(index, what)
        time = interface.time(fields[1] << 32 | fields[2])
        return self._record(interface, time, body[head.size :], fields[3], fields[4], what)

    def _of(self, index: int, what: str) -> _Interface:
        if index >= len(self._interfaces):
            raise CaptureError(f"{what} is from interface {index}, which the capture does not describe")
        return self._interfaces[index]

    def _record(
        self, interface: _Interface, time: int, data: bytes, size: int, original: int, what: str
    ) -> Record:
        if size > len(data):
            raise CaptureError(f"{what} says it has {size} bytes in a block that holds {len(data)}")
        return Record(interface.link, time, data[:size], max(0, original - size))
