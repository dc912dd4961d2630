"""Captures: which of the two formats a file has, and its packets as Ethernet frames.

A packet of another link type gets an Ethernet header that says the same, so that every engine can judge it.
Link types: https://www.tcpdump.org/linktypes.html.

The outer VLAN tag is taken off, as the kernel does before any program at tc sees the packet (net/core/dev.c,
skb_vlan_untag; tests/kernel/test_vlan.py); a second one stays, and what is behind it is no IP packet to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from ..pair.packet import ETH_IPV4, ETH_IPV6
from .capture_bytes import CaptureError, Reader, Record
from .pcap import MAGICS, read_pcap
from .pcapng import SECTION_MAGIC, read_pcapng

ETHERNET: Final = 1
_RAW: Final = frozenset({12, 14, 101, 228, 229})  # the IP packet alone
_COOKED: Final = {113: (14, 16), 276: (0, 20)}  # where the ethertype is, and how long the header
_ETHER: Final = bytes(12)
_TAGS: Final = (b"\x81\x00", b"\x88\xa8")  # 802.1Q and 802.1ad
_TAG_END: Final = 18  # of a tag behind the two addresses, its inner ethertype included


@dataclass(frozen=True, slots=True)
class Captured:
    """One packet. number: from 0. time: nanoseconds since 1970, of the previous packet when it has none.

    frame: from an Ethernet header on, without its outer VLAN tag. missing: bytes of the packet that were not
    captured. vlans: the numbers of the VLANs it is tagged for, the outer first.
    """

    number: int
    time: int
    frame: bytes
    missing: int
    vlans: tuple[int, ...] = ()


def read_capture(stream: BinaryIO) -> Iterator[Captured]:
    """The packets of a pcap or pcapng stream, in order.

    Raises CaptureError for what is neither, is malformed, ends inside a packet, or has a link type that
    carries no IP we can find.
    """
    reader = Reader(stream)
    magic = reader.take(4, "the file's first four bytes") if reader.more() else b""
    if magic in MAGICS:
        records = read_pcap(reader, magic)
    elif magic == SECTION_MAGIC:
        records = read_pcapng(reader)
    elif magic == b"":
        raise CaptureError("it is empty")
    else:
        raise CaptureError(f"it starts with {magic.hex()}, which is neither pcap nor pcapng")
    for number, record in enumerate(records):
        frame = _frame(record, number)
        vlans = tuple(_vlans(frame))
        untagged = frame[:12] + frame[16:] if vlans else frame
        yield Captured(number, record.time, untagged, record.missing, vlans)


def _vlans(frame: bytes) -> Iterator[int]:
    """The numbers in the tags behind the addresses (IEEE 802.1Q, 9.6), whole ones only."""
    while len(frame) >= _TAG_END and frame[12:14] in _TAGS:
        yield int.from_bytes(frame[14:16], "big") & 0xFFF
        frame = frame[:12] + frame[16:]


def _frame(record: Record, number: int) -> bytes:
    if record.link == ETHERNET:
        return record.data
    if record.link in _RAW:
        version = record.data[0] >> 4 if record.data else 0
        ethertype = {4: ETH_IPV4, 6: ETH_IPV6}.get(version, 0)
        return _ETHER + ethertype.to_bytes(2, "big") + record.data
    if record.link in _COOKED:
        at, size = _COOKED[record.link]
        return _ETHER + record.data[at : at + 2].ljust(2, b"\0") + record.data[size:]
    raise CaptureError(
        f"packet {number} has link type {record.link}; known are Ethernet (1), raw IP (12, 14, 101, 228, 229)"
        " and Linux cooked (113, 276)"
    )
