"""What programs say of themselves, kept by who looks at many interfaces again and again.

A program's code, its tag, the maps it was loaded with and what the frozen among them hold cannot change while
it lives. So an answer read once stands for as long as the kernel shows the same program: the same id, loaded
at the same nanosecond, with the same maps in front (maps bound later come behind: kernel/bpf/syscall.c,
bpf_prog_bind_map). Whether it is that program is asked of the kernel each time, and where it stands as well.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from .bpf import ProgInfo

_KEPT: Final = 4096  # programs: of both directions of 1000 interfaces, and of as many while they are swapped
_T = TypeVar("_T")


class Remembered(Generic[_T]):
    """The answers about the programs that were asked for last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int, bytes], tuple[tuple[int, ...], _T]] = OrderedDict()

    def get(self, info: ProgInfo) -> _T | None:
        """What was kept of the program that the kernel says this of."""
        key = info.id, info.load_time, info.tag
        maps, answer = self._kept.get(key, ((), None))
        if answer is None or info.map_ids[: len(maps)] != maps:
            return None
        self._kept.move_to_end(key)
        return answer

    def keep(self, info: ProgInfo, answer: _T) -> None:
        self._kept[info.id, info.load_time, info.tag] = info.map_ids, answer
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
