"""A veth between two namespaces, a private bpf filesystem, and short words for what tests do there."""

from __future__ import annotations

import errno
import struct
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Any, TypeVar

from polc.pair.layout import Direction
from polc.pair.object import ObjectPair
from polc.runtime import netns
from polc.runtime.attach import AttachReport, AttachRequest, attach
from polc.runtime.bpf import (
    AttachFlag,
    AttachType,
    Bpf,
    BpfError,
    Command,
    Fd,
    MapShape,
    Object,
    ProgramCode,
)
from polc.runtime.detach import DetachReport, detach
from polc.runtime.hooks import Mechanism, Mode, TcHook, hook_of
from polc.runtime.kernel import Kernel
from polc.runtime.netlink import Link, Netlink
from polc.runtime.snapshot import Snapshot, snapshot
from polc.runtime.status import InterfaceStatus, interface_status
from polc.runtime.verify import verify
from polc.tests.pair.pairs import pair_of
from polc.tests.pair.specimen import Specimen

_T = TypeVar("_T")
_KINDS = (Object.PROG, Object.MAP, Object.LINK)
_PATIENCE = 60.0  # seconds; the kernel takes namespaces down in its own time, on a busy machine late
_CROSSING = 0.5  # seconds a packet has
NODE, WORKLOAD = "10.99.0.1", "10.99.0.2"

_AT_4 = 0x07060504  # what the specimen's tables hold at offset 4: compared equal, the specimen allows
ALLOW = Specimen(constant=_AT_4)
DENY = Specimen(constant=80)


def allowing() -> ObjectPair:
    """A pair that lets everything through."""
    return pair_of(ALLOW)


def denying() -> ObjectPair:
    """A pair that drops everything."""
    return pair_of(DENY)


def moved_text() -> ObjectPair:
    """`allowing()` compiled from a text in which only the lines moved."""
    source = ALLOW.source.replace("spec:\n", "spec:\n\n")
    return pair_of(replace(ALLOW, source=source, lines=(4, 6)))


@dataclass(frozen=True)
class Veth:
    """The node's end is `device` in `namespace`; the other end is in the namespace `workload`."""

    namespace: str
    workload: str
    device: str = "polc-test-h"


def sh(*command: str) -> str:
    """Runs a command; its output. Fails the test with the command's own words."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


class Recorder(Bpf):
    """The real door; remembers every program, map and link made through it.

    fail_at: the number of the write, counted from 1 since it was set, that answers ENOMEM; 0 = none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made: set[tuple[Object, int]] = set()
        self.fail_at = 0

    def note_write(self, what: str) -> None:
        super().note_write(what)
        if self.fail_at:
            self.fail_at -= 1
            if not self.fail_at:
                raise BpfError(errno.ENOMEM, Command.MAP_CREATE, f"injected instead of {what}")

    def map_create(self, shape: MapShape) -> Fd:
        made = super().map_create(shape)
        self.made.add((Object.MAP, self.map_info(made).id))
        return made

    def prog_load(self, code: ProgramCode, log_level: int = 0, log_size: int = 1 << 24) -> tuple[Fd, str]:
        made = super().prog_load(code, log_level, log_size)
        self.made.add((Object.PROG, self.prog_info(made[0]).id))
        return made

    def begin_load(self, code: ProgramCode) -> Future[Fd]:
        """Waited for, so that what was made is known."""
        made = super().begin_load(code)
        if made.exception() is None:
            self.made.add((Object.PROG, self.prog_info(made.result()).id))
        return made

    def link_create(
        self,
        prog: Fd,
        ifindex: int,
        hook: AttachType,
        flags: AttachFlag = AttachFlag.NONE,
        relative: int = 0,
        revision: int = 0,
    ) -> Fd:
        made = super().link_create(prog, ifindex, hook, flags, relative, revision)
        self.made.add((Object.LINK, self.link_info(made).id))
        return made

    def alive(self) -> set[tuple[Object, int]]:
        """What was made here and still lives after a moment of patience.

        Asked by walking ids, never by opening one: the last close of a slot map starts the kernel's work that
        empties it, and a second start while the first is pending loses a reference for ever (Linux 6.18,
        kernel/bpf/arraymap.c, prog_array_map_clear).
        """
        end = time.monotonic() + _PATIENCE
        while living := self.made & {(kind, number) for kind in _KINDS for number in self.ids(kind)}:
            if time.monotonic() > end:
                return living
            time.sleep(0.02)
        return set()


def _restricted(whole: Snapshot, made: set[tuple[Object, int]]) -> Snapshot:
    def of(kind: Object) -> frozenset[int]:
        return frozenset(number for of_kind, number in made if of_kind is kind)

    return replace(
        whole,
        programs=whole.programs & of(Object.PROG),
        maps=whole.maps & of(Object.MAP),
        links=whole.links & of(Object.LINK),
    )


@dataclass(frozen=True)
class Scene:
    """Each call enters the namespace in a thread of its own."""

    veth: Veth
    root: Path
    mechanism: Mechanism
    door: Recorder
    mode: Mode = Mode.WORKLOAD

    @property
    def device(self) -> str:
        return self.veth.device

    @property
    def made(self) -> set[tuple[Object, int]]:
        return self.door.made

    def run(self, work: Callable[[Kernel], _T]) -> _T:
        def inside() -> _T:
            with Netlink() as net:
                return work(Kernel(net, self.door))

        return netns.run(self.veth.namespace, inside)

    def request(self, **changes: Any) -> AttachRequest:
        """Without access for the host, since it is the node itself that sends here."""
        plain = AttachRequest(self.device, self.root, self.mode, self.mechanism, host_access=False)
        return replace(plain, **changes)

    def attach(self, pair: ObjectPair, **changes: Any) -> AttachReport:
        return self.run(lambda kernel: attach(kernel, pair, self.request(**changes)))

    def detach(self) -> DetachReport:
        return self.run(lambda kernel: detach(kernel, self.device, self.root))

    def status(self) -> InterfaceStatus:
        return self.run(lambda kernel: interface_status(kernel, kernel.net.link(self.device)))

    def verify(self, *allow_before: str) -> InterfaceStatus:
        return self.run(lambda kernel: verify(kernel, self.device, allow_before))

    def snapshot(self) -> Snapshot:
        return self.run(lambda kernel: snapshot(kernel, self.root))

    def left_over(self, before: Snapshot, patience: float = _PATIENCE) -> tuple[str, ...]:
        """What differs from `before`, once the kernel had a moment to free what nothing holds any more.

        Of programs, maps and links only those made through this scene's doors count: other processes of the
        machine come and go, and what a process leaves behind can only live on by a pin, a hook or a filter.
        What was dying already when `before` was taken may be gone.
        """
        end = time.monotonic() + patience
        while True:
            now = _restricted(self.snapshot(), self.made)
            then = replace(
                before,
                programs=before.programs & now.programs,
                maps=before.maps & now.maps,
                links=before.links & now.links,
            )
            changes = then.changes(now)
            if not changes or time.monotonic() > end:
                return changes
            time.sleep(0.05)

    def link(self, kernel: Kernel) -> Link:
        return kernel.net.link(self.device)

    def passes(self, direction: Direction, port: int = 0) -> bool:
        """Whether a UDP packet to `port` (0 = any) crosses the veth: ingress = towards the workload."""
        ends = ((self.veth.workload, WORKLOAD), (self.veth.namespace, NODE))
        (receiver, address), (sender, _) = ends if direction is Direction.INGRESS else ends[::-1]
        with netns.run(receiver, lambda: socket(AF_INET, SOCK_DGRAM)) as listening:
            listening.bind((address, port))
            listening.settimeout(_CROSSING)
            with netns.run(sender, lambda: socket(AF_INET, SOCK_DGRAM)) as sending:
                sending.sendto(b"polc", listening.getsockname())
            try:
                return listening.recv(16) == b"polc"
            except TimeoutError:
                return False

    def crossing(self) -> tuple[bool, bool]:
        """(ingress passes, egress passes)."""
        return self.passes(Direction.INGRESS), self.passes(Direction.EGRESS)

    def hook(self, direction: Direction) -> TcHook:
        return hook_of(self.mode, direction)

    def names(self, direction: Direction) -> list[tuple[str, str]]:
        """(role, name) of everything on the hook of a policy direction, in running order."""
        return [(one.role, one.name) for one in self.status().hooks[self.hook(direction)].programs]


def returning(bpf: Bpf, name: str, verdict: int) -> Fd:
    """A foreign program that always returns `verdict`."""
    insns = struct.pack("<BBhi", 0xB7, 0, 0, verdict) + struct.pack("<BBhi", 0x95, 0, 0, 0)
    return bpf.prog_load(ProgramCode(name, insns, "GPL"))[0]
