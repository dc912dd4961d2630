"""A map's memory, mapped into this process: whole-word access and copies.

An item of a memoryview of native "Q" is read and written by CPython with one 8-byte copy between the aligned
address and a local (Objects/memoryobject.c, UNPACK_SINGLE and PACK_SINGLE), which compilers make one machine
access on both supported machines; slices and struct.pack_into promise no such thing.
"""

from __future__ import annotations

import mmap
import platform
import threading
from typing import Final

from .fd import Fd

PAGE: Final = mmap.PAGESIZE
WORD: Final = 8

# x86-64 keeps the order of loads, and of loads before stores, by itself.
_STRONG: Final = platform.machine() == "x86_64"
_LOCK: Final = threading.Lock()


def fence() -> None:
    """Keeps loads before this call before the loads and stores after it, as the kernel's smp_rmb would.

    A release followed by an acquire is such a barrier on arm64, and a lock is the only one Python has.
    """
    if _STRONG:
        return
    for _ in range(2):
        with _LOCK:
            pass


class Memory:
    """`size` bytes (a multiple of the page) of a map from `offset` on.

    Raises OSError as mmap(2) does: EINVAL for a map that was not made mappable, EPERM for a frozen one.
    """

    def __init__(self, map_: Fd, size: int, offset: int = 0, writable: bool = False) -> None:
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self._memory = mmap.mmap(map_.number, size, mmap.MAP_SHARED, protection, offset=offset)
        self._bytes = memoryview(self._memory)
        self._words = self._bytes.cast("Q")

    def load(self, offset: int) -> int:
        """The u64 at an offset that is a multiple of 8."""
        return self._words[_index(offset)]

    def store(self, offset: int, value: int) -> None:
        """Raises TypeError when mapped for reading only."""
        self._words[_index(offset)] = value

    def copy(self, offset: int, size: int) -> bytes:
        return bytes(self._bytes[offset : offset + size])

    def close(self) -> None:
        self._words.release()
        self._bytes.release()
        self._memory.close()


def _index(offset: int) -> int:
    index, rest = divmod(offset, WORD)
    if rest or offset < 0:
        raise ValueError(f"no aligned word at offset {offset}")
    return index
