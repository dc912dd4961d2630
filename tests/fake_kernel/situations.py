"""Situations in which a call is refused, by name: short scripts over the doors, on whichever kernel.

Each function sets a situation up and returns the call to be refused. What it opens, `stage.held` closes.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from polc.runtime.bpf import (
    AttachFlag,
    AttachType,
    Fd,
    MapFlag,
    MapShape,
    MapType,
    ProgramCode,
)
from polc.runtime.kernel import Kernel

INGRESS: Final = AttachType.TCX_INGRESS
KEY: Final = bytes(4)


@dataclass
class Stage:
    """kernel: doors in a namespace with one device. root: its bpf filesystem. held: closed at the end.

    delete_device: takes the device away, by another actor. settle: the kernel does what it put off.
    """

    kernel: Kernel
    root: Path
    device: str
    delete_device: Callable[[], None]
    settle: Callable[[], None]
    held: ExitStack = field(default_factory=ExitStack)

    @property
    def index(self) -> int:
        return self.kernel.net.link(self.device).index

    def map(self, type_: MapType = MapType.ARRAY, flags: MapFlag = MapFlag.NONE, **shape: int) -> Fd:
        sizes = {"key_size": 4, "value_size": 4, "max_entries": 1, **shape}
        made = self.kernel.bpf.map_create(
            MapShape("t", type_, sizes["key_size"], sizes["value_size"], sizes["max_entries"], flags)
        )
        return self.held.enter_context(made)

    def ring(self) -> Fd:
        return self.map(MapType.RINGBUF, key_size=0, value_size=0, max_entries=4096)

    def program(self, answer: int = -1) -> Fd:
        """Two calls with different answers make different programs."""
        insns = struct.pack("<BBhi", 0xB7, 0, 0, answer) + struct.pack("<BBhi", 0x95, 0, 0, 0)
        return self.held.enter_context(self.kernel.bpf.prog_load(ProgramCode("t", insns, "GPL"))[0])

    def link(self, program: Fd, flags: AttachFlag = AttachFlag.NONE) -> Fd:
        made = self.kernel.bpf.link_create(program, self.index, INGRESS, flags)
        return self.held.enter_context(made)

    def closed(self) -> Fd:
        """A descriptor number that stands for nothing (not even when others are opened)."""
        return NumberOnly(9999)


class NumberOnly(Fd):
    """A number that owns nothing."""

    def close(self) -> None:
        self._number = -1


Call = Callable[[], object]
SITUATIONS: Final[dict[str, Callable[[Stage], Call]]] = {}


def situation(name: str) -> Callable[[Callable[[Stage], Call]], Callable[[Stage], Call]]:
    def register(function: Callable[[Stage], Call]) -> Callable[[Stage], Call]:
        SITUATIONS[name] = function
        return function

    return register


def outcome(stage: Stage, name: str) -> int:
    """The errno of the refused call, 0 when it was not refused. (The door answers False for ENOENT.)"""
    with stage.held:
        try:
            if SITUATIONS[name](stage)() is False:
                return errno.ENOENT
        except OSError as error:
            return error.errno or errno.EIO
    return 0
