"""polc's pins of one interface: what keeps slot map, word and tcx links alive when no process holds them.

Pins are set right by comparing what stands at each path with the object that should; the paths themselves
witness nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from .bpf import Bpf, Fd, Object
from .bpffs import Bpffs
from .hooks import TcHook
from .rollback import Rollback

SLOTS: Final = "slots"
WORD: Final = "word"


def gate_pin(hook: TcHook) -> str:
    """The name of a tcx link's pin."""
    return f"gate-tc-{hook.word}"


NAMES: Final = (SLOTS, WORD, *(gate_pin(hook) for hook in TcHook))


@dataclass(frozen=True, slots=True)
class Target:
    """What a pin should lead to."""

    kind: Object
    id: int


class Pins:
    """The pin directory of one interface (`Bpffs.directory` names it)."""

    def __init__(self, bpf: Bpf, bpffs: Bpffs, directory: Path) -> None:
        self._bpf = bpf
        self._bpffs = bpffs
        self.directory = directory

    def wrong(self, wanted: Mapping[str, Target]) -> tuple[str, ...]:
        """Names whose pin is missing, leads elsewhere, or should not be there. Reads only."""
        return tuple(name for name in NAMES if not self._is_right(name, wanted.get(name)))

    def put(self, name: str, fd: Fd, undo: Rollback, held: ExitStack) -> None:
        """Pins `fd`, in place of what stood there; `undo` gets the way back.

        `held` keeps the object that lost its pin alive: the gate behind it must go on until the end.
        """
        path = self.directory / name
        self._make_directory(undo)
        before = self._bpf.obj_get(str(path))
        if before is not None:
            held.enter_context(before)
            undo.add(f"pin {name} again", partial(self._bpf.obj_pin, str(path), before))
            self._bpffs.remove(path)
        undo.add(f"remove pin {name}", partial(self._bpffs.remove, path))
        self._bpf.obj_pin(str(path), fd)

    def put_if_wrong(self, fds: Mapping[str, Fd], undo: Rollback, held: ExitStack) -> None:
        """Pins those of `fds` whose pin is missing or leads elsewhere."""
        for name, fd in fds.items():
            if not self._is_right(name, self._target(name, fd)):
                self.put(name, fd, undo, held)

    def drop(self, name: str) -> bool:
        """Removes one pin; false when there was none."""
        return self._bpffs.remove(self.directory / name)

    def clear(self) -> list[str]:
        """Removes every pin, and the directories when nothing is left in them. Returns the names removed."""
        done = [name for name in NAMES if self.drop(name)]
        self._bpffs.prune(self.directory)
        return done

    def slots(self) -> int:
        """The id of the slot map that is pinned, 0 when there is none."""
        found = self._bpf.obj_get(f"{self.directory}/{SLOTS}")
        if found is None:
            return 0
        with found:
            return self._bpf.map_info(found).id

    def on_a_device(self) -> bool:
        """Whether one of the links pinned here is on a device, wherever that is."""
        return any(self._is_on_a_device(gate_pin(hook)) for hook in TcHook)

    def _is_on_a_device(self, name: str) -> bool:
        link = self._bpf.obj_get(f"{self.directory}/{name}")
        if link is None:
            return False
        with link:
            return self._bpf.link_info(link).ifindex != 0

    def _make_directory(self, undo: Rollback) -> None:
        if not self.directory.is_dir():
            undo.add("remove the pin directory", partial(self._bpffs.prune, self.directory))
            self._bpffs.make(self.directory)

    def _target(self, name: str, fd: Fd) -> Target:
        if name in (SLOTS, WORD):
            return Target(Object.MAP, self._bpf.map_info(fd).id)
        return Target(Object.LINK, self._bpf.link_info(fd).id)

    def _is_right(self, name: str, wanted: Target | None) -> bool:
        found = self._bpf.obj_get(f"{self.directory}/{name}")
        if found is None:
            return wanted is None
        with found:
            if wanted is None:
                return False
            if wanted.kind is Object.LINK:
                return name not in (SLOTS, WORD) and self._bpf.link_info(found).id == wanted.id
            return name in (SLOTS, WORD) and self._bpf.map_info(found).id == wanted.id
