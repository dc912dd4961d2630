"""Reads a capture's bytes in order, and says where it breaks off."""

from __future__ import annotations

from typing import BinaryIO, Final, NamedTuple

MOST: Final = 1 << 26  # no packet or block is larger; a length beyond is a sign of a broken file


class CaptureError(Exception):
    """What is wrong with a capture, without its name."""


class Record(NamedTuple):
    """One packet as captured. link: its link type. time: nanoseconds. missing: bytes not captured."""

    link: int
    time: int
    data: bytes
    missing: int


class Reader:
    """A stream that is read once from front to back. `at`: bytes taken so far."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead = b""
        self.at = 0

    def more(self) -> bool:
        """Whether there is another byte."""
        if not self._ahead:
            self._ahead = self._stream.read(1)
        return bool(self._ahead)

    def take(self, size: int, what: str) -> bytes:
        """Exactly `size` bytes; CaptureError when the file ends before."""
        if size > MOST:
            raise CaptureError(f"{what} at byte {self.at} would have {size} bytes: the file is damaged")
        data = self._ahead + (self._stream.read(size - len(self._ahead)) if size > len(self._ahead) else b"")
        data, self._ahead = data[:size], data[size:]
        if len(data) < size:
            raise CaptureError(f"it ends inside {what}, after byte {self.at + len(data)}")
        self.at += size
        return data
