"""Network namespaces, devices and their tc hooks in the fake: tcx entries, clsact filters, revisions."""

from __future__ import annotations

from dataclasses import dataclass, field

from polc.runtime.bpf import AttachFlag
from polc.runtime.hooks import TcHook
from polc.tests.fake_kernel.errnos import refused
from polc.tests.fake_kernel.objects import Link, Objects, Program

TCX_ROOM = 64  # BPF_MPROG_MAX
ETHERNET = 1
LOOPBACK = 772


@dataclass(eq=False, slots=True)
class Entry:
    """One tcx attachment; link: None when it was made without."""

    program: Program
    link: Link | None
    owner: str


@dataclass(eq=False, slots=True)
class Tcx:
    """One tcx hook. The revision falls back to 1 when nothing is left on it, clsact included: that goes
    through the same entry of the device (net/sched/sch_ingress.c, tcx_entry_is_active)."""

    entries: list[Entry] = field(default_factory=list)
    revision: int = 1
    clsact: bool = False

    def insert(self, entry: Entry, flags: AttachFlag) -> None:
        if any(one.program is entry.program for one in self.entries):
            raise refused("tcx attach: the program is on the hook already")
        if len(self.entries) == TCX_ROOM:
            raise refused("tcx attach: the hook is full")
        self.entries.insert(0 if flags & AttachFlag.BEFORE else len(self.entries), entry)
        self.revision += 1

    def remove(self, entry: Entry) -> None:
        self.entries.remove(entry)
        self.revision += 1
        self.rest()

    def rest(self) -> None:
        if not self.entries and not self.clsact:
            self.revision = 1


@dataclass(eq=False, slots=True)
class BpfFilter:
    program: Program | None
    kind: str
    preference: int
    handle: int
    protocol: int
    name: str
    direct: bool
    owner: str
    late: bool = False


@dataclass(eq=False, slots=True)
class Clsact:
    """filters: in running order: by preference, in one preference the last added first.

    late: made while a command of polc was at work: netlink cannot delete a clsact only when it is empty or
    still the same, so that a change between the look and the deletion is not held against anybody.
    """

    owner: str
    late: bool = False
    filters: dict[TcHook, list[BpfFilter]] = field(default_factory=lambda: {hook: [] for hook in TcHook})


@dataclass(eq=False, slots=True)
class Device:
    index: int
    name: str
    hardware: int = ETHERNET
    kind: str = "veth"
    up: bool = True
    alive: bool = True
    clsact: Clsact | None = None
    had_clsact: bool = False
    tcx: dict[TcHook, Tcx] = field(default_factory=lambda: {hook: Tcx() for hook in TcHook})

    def set_clsact(self, clsact: Clsact | None) -> None:
        self.clsact = clsact
        self.had_clsact = True
        for tcx in self.tcx.values():
            tcx.clsact = clsact is not None
            tcx.rest()

    def everything(self, hook: TcHook) -> list[tuple[Program | None, str]]:
        """(program, owner) in running order; all tcx programs come before all clsact filters."""
        found: list[tuple[Program | None, str]] = []
        for entry in self.tcx[hook].entries:
            found.append((entry.program, entry.owner))
        if self.clsact is not None:
            for one in self.clsact.filters[hook]:
                found.append((one.program, one.owner))
        return found


class Namespace:
    """One network namespace. Indices are never used again."""

    def __init__(self, cookie: int) -> None:
        self.cookie = cookie
        self.devices: dict[int, Device] = {}
        self._last = 1
        self.devices[1] = Device(1, "lo", LOOPBACK, "")

    def add(self, name: str) -> Device:
        self._last += 1
        device = Device(self._last, name)
        self.devices[device.index] = device
        return device

    def adopt(self, device: Device) -> None:
        self._last += 1
        device.index = self._last
        self.devices[device.index] = device

    def named(self, name: str) -> Device:
        return next(one for one in self.devices.values() if one.name == name)


class Touched(AssertionError):
    """polc changed something that is not polc's."""


def mine(owner: str, actor: str, what: str) -> None:
    """A stranger may change anything; polc only what polc made."""
    if actor == "polc" and owner != "polc":
        raise Touched(f"polc changed {what}, which {owner} made")


def delete_clsact(objects: Objects, device: Device, actor: str) -> None:
    if device.clsact is None:
        missing = "the clsact is gone" if device.had_clsact else "there is no clsact"
        raise refused(f"qdisc del: {missing}")
    if not device.clsact.late:
        mine(device.clsact.owner, actor, "the clsact")
    for hook in TcHook:
        for one in (one for one in device.clsact.filters[hook] if not one.late):
            mine(one.owner, actor, f"the filter {one.name}")
    filters = [one for hook in TcHook for one in device.clsact.filters[hook]]
    device.set_clsact(None)
    for one in filters:
        if one.program is not None:
            objects.drop_later(one.program)


def drop_tcx(objects: Objects, device: Device) -> None:
    """What the end of a device does to its tcx hooks: links stay, of no device; plain attachments go."""
    for hook in TcHook:
        entries, device.tcx[hook].entries = device.tcx[hook].entries, []
        device.tcx[hook].revision = 1
        for one in entries:
            if one.link is not None:
                one.link.device = None
            else:
                objects.drop(one.program)
