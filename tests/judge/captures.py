"""Writes captures in every spelling that the readers take, by the formats' own descriptions."""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack

# (microseconds, frame)
Packets = Iterable[tuple[int, bytes]]


def pcap(
    packets: Packets, order: str = "<", nanoseconds: bool = False, link: int = 1, snap: int = 65535
) -> bytes:
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    data = pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snap, link)
    for time, frame in packets:
        kept = frame[:snap]
        fraction = time % 1_000_000 * (1000 if nanoseconds else 1)
        data += pack(f"{order}IIII", time // 1_000_000, fraction, len(kept), len(frame)) + kept
    return data


def block(order: str, kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = len(body) + 12
    return pack(f"{order}II", kind, size) + body + pack(f"{order}I", size)


def section(order: str = "<", version: int = 1) -> bytes:
    return block(order, 0x0A0D0D0A, pack(f"{order}IHHq", 0x1A2B3C4D, version, 0, -1))


def interface(order: str = "<", link: int = 1, snap: int = 0, resolution: int | None = None) -> bytes:
    options = b""
    if resolution is not None:
        options = pack(f"{order}HHBxxx", 9, 1, resolution) + pack(f"{order}HH", 0, 0)
    return block(order, 1, pack(f"{order}HHI", link, 0, snap) + options)


def enhanced(ticks: int, frame: bytes, order: str = "<", index: int = 0, missing: int = 0) -> bytes:
    head = pack(f"{order}IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame) + missing)
    return block(order, 6, head + frame)


def pcapng(packets: Packets, order: str = "<", link: int = 1) -> bytes:
    body = b"".join(enhanced(time, frame, order) for time, frame in packets)
    return section(order) + interface(order, link) + body
