"""A node over the fake kernel, driven step by step: its devices, its clock, and other people's doings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polc.agent.endpoint import Place, Record
from polc.agent.node import Node
from polc.agent.settings import Settings
from polc.pair.object import ObjectPair
from polc.runtime.hooks import Mechanism, TcHook
from polc.runtime.netlink import Link
from polc.tests.fake_kernel.devices import Device
from polc.tests.fake_kernel.errnos import Refused
from polc.tests.fake_kernel.files import doors
from polc.tests.fake_kernel.machine import ROOT, FakeKernel
from polc.tests.fake_kernel.process import Process
from polc.tests.fake_kernel.truth import hooks_of, in_force, is_gate


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Plagued(Process):
    """Refuses every call of one name with one errno, for as long as it is told to."""

    name, number = "", 0

    def enter(self, what: str) -> None:
        super().enter(what)
        if self.name and what == self.name:
            raise Refused(self.number, f"injected instead of {what}")

    def uneventful(self, calls: int) -> bool:
        return not self.name and super().uneventful(calls)


class Plant:
    """`size` devices `d0`, `d1`, …, each wanted for the endpoint `shop/d0`, …; chance is always 0.5."""

    def __init__(self, size: int, mechanism: Mechanism | None = Mechanism.CLSACT, **changes: Any) -> None:
        self.kernel = FakeKernel()
        self.space = self.kernel.namespace()
        self.devices = [self.space.add(f"d{number}") for number in range(size)]
        self.clock = Clock()
        self.settings = Settings.model_validate(
            {"folders": (Path("policies"),), "bpffs": Path(ROOT), "hook": mechanism, **changes}
        )
        self.start()

    def start(self, dry: bool = False) -> None:
        """A new agent process; the one before is gone, as if killed."""
        old = getattr(self, "process", None)
        if old is not None:
            old.end()
        self.process = Plagued(self.kernel)
        self.doors = doors(self.process, self.space)
        self.node = Node(self.doors, self.settings, self.clock, lambda: 0.5, dry)

    def places(self) -> Mapping[str, Place]:
        return {one.name: Place(f"shop/{one.name}") for one in self.devices}

    def want(self, pair: ObjectPair, *names: str) -> None:
        """The whole inventory, and that pair for those named (none = all)."""
        self.node.want(self.places())
        for name in names or [one.name for one in self.devices]:
            self.node.pair(f"shop/{name}", pair)

    def run(self, seconds: float = 0.0) -> int:
        """Steps until nothing is due for `seconds`; passes the time. Returns kernel writes."""
        before, end = self.doors.writes, self.clock.now + seconds
        for _ in range(100_000):
            pause = self.node.step()
            self.kernel.work()
            if pause is None or self.clock.now + pause > end:
                self.clock.now = end
                return self.doors.writes - before
            self.clock.now += pause
        raise AssertionError("the node never comes to rest")

    def fail_every(self, name: str, number: int) -> None:
        """From now on every door call of that name is refused; "" = none is."""
        self.process.name, self.process.number = name, number

    def record(self, name: str) -> Record:
        return self.node.records[name]

    def held(self, device: Device) -> str | None:
        """The identity in force, from the fake's objects themselves."""
        return in_force(hooks_of(device))

    def all_held(self) -> set[str | None]:
        return {self.held(one) for one in self.devices}

    def delete_clsact(self, device: Device) -> None:
        """Somebody deletes the qdisc; the kernel tells."""
        self.kernel.end_clsact(device)
        self.node.look(device.index)

    def detach_links(self, device: Device, hook: TcHook = TcHook.INGRESS) -> None:
        """Somebody detaches our tcx links from one hook; the kernel tells nobody."""
        for entry in [one for one in device.tcx[hook].entries if is_gate(one.program)]:
            assert entry.link is not None
            self.kernel.forget(entry.link)

    def delete(self, device: Device) -> None:
        self.kernel.delete_device(self.space, device)
        self.devices.remove(device)
        self.node.gone(device.index)

    def add(self, name: str) -> Device:
        device = self.space.add(name)
        self.devices.append(device)
        self.node.link(self.link(device))
        return device

    def link(self, device: Device) -> Link:
        return Link(device.index, device.name, device.hardware, device.kind, device.up)
