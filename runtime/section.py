"""Read-only sections as kernel maps: one element, no writing by programs, frozen against user space."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from .bpf import Bpf, Fd, MapFlag, MapInfo, MapShape, MapType

KEY: Final = bytes(4)


def section_map(bpf: Bpf, name: str, data: bytes, btf: Fd | None = None, value_type: int = 0) -> Fd:
    """A frozen map that holds `data`; value_type: the DATASEC's id in `btf`, if any. Raises BpfError."""
    shape = MapShape(name, MapType.ARRAY, 4, len(data), 1, MapFlag.RDONLY_PROG, btf, value_type)
    with ExitStack() as undo:
        map_ = undo.enter_context(bpf.map_create(shape))
        bpf.map_update(map_, KEY, data)
        bpf.map_freeze(map_)
        undo.pop_all()
        return map_


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
