"""The commit word that both gates read: 0 is not armed, else the generation in force (design §6)."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from ..pair import layout
from .bpf import Bpf, Fd, MapFlag, MapShape, MapType
from .bpf.memory import PAGE

WORD_BYTES: Final = 8


def create_word(bpf: Bpf) -> Fd:
    """A new word map, 0 inside; raises BpfError."""
    return bpf.map_create(MapShape(layout.MAP_WORD, MapType.ARRAY, 4, WORD_BYTES, 1, MapFlag.MMAPABLE))


class Word:
    """One word map, mapped. Reading and storing are single aligned accesses: no reader sees half a word.

    The map's descriptor stays the caller's. Mapped for reading only unless `writable`.
    """

    def __init__(self, bpf: Bpf, map_: Fd, writable: bool = False) -> None:
        self._bpf = bpf
        self._memory = bpf.map_memory(map_, PAGE, writable=writable)

    def read(self) -> int:
        return self._memory.load(0)

    def store(self, value: int) -> None:
        """Puts `value` in force for both directions at once; counted at the door as WORD_STORE."""
        self._bpf.note_write("WORD_STORE")
        self._memory.store(0, value)

    def close(self) -> None:
        self._memory.close()

    def __enter__(self) -> Word:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
