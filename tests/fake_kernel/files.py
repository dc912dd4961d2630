"""The fake's bpf filesystem as `pathlib` shows it, and the host door on top."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import cast

from polc.runtime.bpf import Bpf
from polc.runtime.bpffs import Bpffs
from polc.runtime.errors import CannotError
from polc.runtime.host import Host
from polc.runtime.kernel import Kernel
from polc.tests.fake_kernel.bpf import FakeBpf
from polc.tests.fake_kernel.devices import Namespace, Touched
from polc.tests.fake_kernel.errnos import Refused
from polc.tests.fake_kernel.machine import ROOT, place_of
from polc.tests.fake_kernel.process import Process
from polc.tests.fake_kernel.route import FakeNetlink


class FakePath:
    """As much of `pathlib.Path` as `Bpffs` and `Pins` use."""

    def __init__(self, process: Process, place: PurePosixPath) -> None:
        self._process = process
        self.place = place

    def __truediv__(self, name: str) -> FakePath:
        return FakePath(self._process, place_of(f"{self.place}/{name}"))

    def __str__(self) -> str:
        return str(self.place)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FakePath) and self.place == other.place

    def __lt__(self, other: FakePath) -> bool:
        return self.place < other.place

    def __hash__(self) -> int:
        return hash(self.place)

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def parents(self) -> tuple[FakePath, ...]:
        return tuple(FakePath(self._process, one) for one in self.place.parents)

    def _enter(self, what: str) -> None:
        try:
            self._process.enter(what)
        except Refused as refusal:
            raise OSError(refusal.number, os.strerror(refusal.number)) from None

    def exists(self) -> bool:
        self._enter("STAT")
        kernel = self._process.kernel
        return self.place in kernel.pins or self.place in kernel.directories or self.place in ROOT.parents

    def is_dir(self) -> bool:
        self._enter("STAT")
        return self.place in self._process.kernel.directories

    def iterdir(self) -> Iterator[FakePath]:
        self._enter("READDIR")
        kernel = self._process.kernel
        children = [one for one in (*kernel.pins, *kernel.directories) if one.parent == self.place]
        return iter([FakePath(self._process, one) for one in sorted(children)])

    def mkdir(self, mode: int = 0o777) -> None:
        self._enter("MKDIR")
        assert mode == 0o700, "what polc pins is root's alone"
        kernel = self._process.kernel
        if self.place in kernel.directories or self.place in kernel.pins:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self))
        if self.place.parent not in kernel.directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        kernel.directories.add(self.place)
        self._process.changed()

    def rmdir(self) -> None:
        self._enter("RMDIR")
        kernel = self._process.kernel
        if self.place not in kernel.directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        if any(one.parent == self.place for one in (*kernel.pins, *kernel.directories)):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(self))
        kernel.directories.remove(self.place)
        self._process.changed()

    def unlink(self, missing_ok: bool = False) -> None:
        self._enter("UNLINK")
        kernel = self._process.kernel
        if self.place in kernel.foreign_pins and self._process.actor == "polc":
            raise Touched(f"polc removed the foreign pin {self}")
        if self.place not in kernel.pins:
            if missing_ok:
                return
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        kernel.unpin(self.place)
        self._process.changed()


class FakeBpffs(Bpffs):
    """One bpf filesystem, mounted once."""

    def _names(self) -> list[str]:
        base = self.root / "polc"
        return [one.name for one in base.iterdir()] if base.is_dir() else []

    def stacked(self) -> int:
        return 0


class FakeHost(Host):
    """A machine with the fake's bpf filesystem mounted, in one network namespace."""

    def __init__(self, process: Process, space: Namespace) -> None:
        self._process = process
        self._space = space

    def refuse_netns_exec(self) -> None:
        """The fake has no private mounts."""

    def cookie(self) -> int:
        try:
            self._process.enter("COOKIE")
        except Refused as refusal:
            raise CannotError(f"no cookie: {refusal}") from None
        return self._space.cookie

    @contextmanager
    def locked(self, cookie: int, ifindex: int, patience: float = 0) -> Iterator[None]:  # noqa: ARG002
        """Nobody waits in the fake: a lock that another living process holds is refused at once."""
        self.cookie()  # a call like the others: it may fail, or be the last
        locks, name = self._process.kernel.locks, (cookie, ifindex)
        holder = locks.get(name)
        if holder is not None and holder.alive:
            raise CannotError("another polc is changing this interface")
        locks[name] = self._process
        try:
            yield
        finally:
            if locks.get(name) is self._process:
                del locks[name]

    def pause(self, seconds: float) -> None:  # noqa: ARG002
        self._process.kernel.work()

    def find_bpffs(self, root: Path) -> Bpffs | None:
        return FakeBpffs(cast(Path, FakePath(self._process, place_of(str(root)))))

    def require_bpffs(self, root: Path, mount: bool = False) -> Bpffs:  # noqa: ARG002
        found = self.find_bpffs(root)
        assert found is not None
        return found

    def jiffies_hz(self, bpf: Bpf) -> int:  # noqa: ARG002
        return 250


def doors(process: Process, space: Namespace) -> Kernel:
    """The bundle a process works with in a namespace."""
    return Kernel(FakeNetlink(process, space), FakeBpf(process, space), FakeHost(process, space))
