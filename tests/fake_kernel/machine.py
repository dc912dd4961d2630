"""The fake kernel: objects, network namespaces and the bpf filesystem, shared by all fake processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from polc.runtime.bpf import Object
from polc.runtime.hooks import TcHook
from polc.tests.fake_kernel.devices import Device, Namespace, drop_tcx
from polc.tests.fake_kernel.errnos import refused
from polc.tests.fake_kernel.objects import Link, Map, Objects, Thing

if TYPE_CHECKING:
    from polc.tests.fake_kernel.process import Process

_PATIENCE = 40  # door calls, some hundred microseconds
ROOT = PurePosixPath("/fake/bpffs")


@functools.cache
def place_of(path: str) -> PurePosixPath:
    """The path, parsed once."""
    return PurePosixPath(path)


def _nobody() -> None:
    """Watches nothing."""


def _nothing(word: Map, value: int) -> None:
    """Watches no store."""


class FakeKernel:
    """watcher: called after each change of state, whoever made it. stored: before a store into a word.

    grace: after a grace period. eager: the kernel does at once what it may put off.
    """

    def __init__(self) -> None:
        self.objects = Objects(self)
        self.namespaces: list[Namespace] = []
        self.directories: set[PurePosixPath] = {ROOT}
        self.pins: dict[PurePosixPath, Thing] = {}
        self.foreign_pins: set[PurePosixPath] = set()
        self.eager = False
        self._waited = 0
        self.locks: dict[tuple[int, int], Process] = {}
        self.watcher: Callable[[], None] = _nobody
        self.stored: Callable[[Map, int], None] = _nothing
        self.grace: Callable[[], None] = _nobody

    def namespace(self) -> Namespace:
        made = Namespace(len(self.namespaces) + 0x1001)
        self.namespaces.append(made)
        return made

    # --- links and devices --------------------------------------------------------------------------

    def forget(self, link: Link) -> None:
        """Takes the link off its hook; it stays an object of no device."""
        if link.device is not None:
            tcx = link.device.tcx[link.hook]
            tcx.remove(next(one for one in tcx.entries if one.link is link))
        link.device = None

    def delete_device(self, space: Namespace, device: Device) -> None:
        del space.devices[device.index]
        device.alive = False
        drop_tcx(self.objects, device)
        self.end_clsact(device)
        self.watcher()

    def move_device(self, device: Device, source: Namespace, target: Namespace) -> None:
        """clsact goes, tcx stays, the index is a new one (measured)."""
        del source.devices[device.index]
        self.end_clsact(device)
        target.adopt(device)
        self.watcher()

    def end_clsact(self, device: Device) -> None:
        filters = [one for hook in TcHook for one in (device.clsact.filters[hook] if device.clsact else ())]
        device.set_clsact(None)
        for one in filters:
            if one.program is not None:
                self.objects.drop_later(one.program)

    # --- the bpf filesystem --------------------------------------------------------------------------

    def pin(self, path: PurePosixPath, thing: Thing) -> None:
        if path in self.pins or path in self.directories:
            raise refused("obj_pin: the path is taken")
        if path.parent in self.pins:
            raise refused("obj_pin: the directory is a pin")
        if path.parent not in self.directories:
            raise refused(
                "obj_pin: no such directory" if ROOT in path.parents else "obj_pin: no bpf filesystem"
            )
        self.objects.hold(thing, user=True)
        self.pins[path] = thing

    def unpin(self, path: PurePosixPath) -> None:
        self.objects.drop(self.pins.pop(path), user=True)

    def tick(self) -> None:
        """A door call while work is put off: it takes a moment, and that work does not wait for ever."""
        self._waited += 1
        if self.eager or self._waited > _PATIENCE:
            self.work()

    def work(self) -> None:
        """What the kernel put off."""
        self._waited = 0
        if self.objects.work():
            self.watcher()

    def living(self, kind: Object) -> dict[int, Thing]:
        return self.objects.living[kind]
