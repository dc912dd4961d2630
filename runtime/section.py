"""Read-only sections as kernel maps: one element, no writing by programs, frozen against user space."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from types import TracebackType
from typing import Final

from ..pair.layout import SECTION_TABLES
from .bpf import Bpf, Fd, MapFlag, MapInfo, MapShape, MapType

KEY: Final = bytes(4)
_KEPT: Final = 20  # of one pair: two of BTF and eight sections

# Maps by id: the name and, of a frozen section that somebody reads, what it holds. Nobody can change either
# while the map lives, and no id comes twice in the moment that a pass takes (the kernel counts them up).
KnownMaps = dict[int, tuple[str, bytes | None]]


def section_map(bpf: Bpf, name: str, data: bytes, btf: Fd | None = None, value_type: int = 0) -> Fd:
    """A frozen map that holds `data`; value_type: the DATASEC's id in `btf`, if any. Raises BpfError."""
    shape = MapShape(name, MapType.ARRAY, 4, len(data), 1, MapFlag.RDONLY_PROG, btf, value_type)
    with ExitStack() as undo:
        map_ = undo.enter_context(bpf.map_create(shape))
        bpf.map_update(map_, KEY, data)
        bpf.map_freeze(map_)
        undo.pop_all()
        return map_


class Frozen:
    """BTF and frozen sections that were loaded, by their bytes: who loads the same again shares it.

    Nobody can change them: a hundred interfaces with one policy have one table. Keeps the newest, enough for
    one pair; an older one is closed when the last who got it lets go. A context manager, at whose end nobody
    may need any more what it gave. Methods raise BpfError.

    known: is told what was frozen here, so that reading a program back does not read its sections once more:
    the kernel took their bytes, and took the freeze.
    """

    def __init__(self, known: KnownMaps | None = None) -> None:
        self._kept: OrderedDict[Hashable, Fd] = OrderedDict()
        self._known = known

    def btf(self, bpf: Bpf, data: bytes) -> Fd:
        return self._get(data, lambda: bpf.btf_load(data))

    def section(self, bpf: Bpf, name: str, data: bytes, btf: bytes, value_type: int) -> Fd:
        """As `section_map`, with the BTF as bytes; the descriptor stays this object's."""
        described = self.btf(bpf, btf)
        key = name, data, btf, value_type
        return self._get(
            key, lambda: self._made(bpf, data, section_map(bpf, name, data, described, value_type))
        )

    def _made(self, bpf: Bpf, data: bytes, map_: Fd) -> Fd:
        if self._known is not None:
            with ExitStack() as undo:
                undo.enter_context(map_)
                info = bpf.map_info(map_)
                self._known[info.id] = info.name, None if info.name == SECTION_TABLES else data
                undo.pop_all()
        return map_

    def _get(self, key: Hashable, make: Callable[[], Fd]) -> Fd:
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    def close(self) -> None:
        while self._kept:
            self._kept.popitem()[1].close()

    def __enter__(self) -> Frozen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def section_data(bpf: Bpf, map_: Fd, known: MapInfo | None = None) -> bytes | None:
    """What a section's map holds, None when the map could still be changed or is no such map.

    known: what `map_info` answered, if that was asked.
    """
    info = known or bpf.map_info(map_)
    if info.type != MapType.ARRAY or info.max_entries != 1 or not info.flags & MapFlag.RDONLY_PROG:
        return None
    if not bpf.map_frozen(map_):
        return None
    return bpf.map_lookup(map_, KEY, info.value_size)
