"""The classic capture format (draft-ietf-opsawg-pcap): either byte order, micro- or nanoseconds."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from .capture_bytes import CaptureError, Reader, Record

# The magic number as it lies in the file → (byte order, nanoseconds in a tick).
MAGICS: Final = {
    bytes.fromhex("d4c3b2a1"): ("<", 1000),
    bytes.fromhex("a1b2c3d4"): (">", 1000),
    bytes.fromhex("4d3cb2a1"): ("<", 1),
    bytes.fromhex("a1b23c4d"): (">", 1),
}
_LINK_MASK: Final = 0xFFFF  # above are the frame check sequence's length and reserved bits


def read_pcap(reader: Reader, magic: bytes) -> Iterator[Record]:
    """Everything after the magic number. Raises CaptureError."""
    order, tick = MAGICS[magic]
    header = Struct(f"{order}HHiIII")
    major, minor, _, _, _, link = header.unpack(reader.take(header.size, "the file header"))
    if (major, minor) != (2, 4):
        raise CaptureError(f"it is pcap of version {major}.{minor}; known is 2.4")
    packet = Struct(f"{order}IIII")
    number = 0
    while reader.more():
        what = f"packet {number}"
        seconds, fraction, size, original = packet.unpack(reader.take(packet.size, what))
        if fraction * tick >= 1_000_000_000:
            raise CaptureError(f"{what} has a time of {fraction} fractions of a second: the file is damaged")
        data = reader.take(size, what)
        time = seconds * 1_000_000_000 + fraction * tick
        yield Record(link & _LINK_MASK, time, data, max(0, original - size))
        number += 1
