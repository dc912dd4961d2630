"""A process on the fake kernel: its descriptors, its door calls by number, and what befalls them.

`plan` maps the number of a door call (counted from 1 since `plan_for`) to what happens before it: an errno,
an interrupted dump, another actor's work, or the end of the process. A dead process changes nothing more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from polc.runtime.bpf import Fd
from polc.tests.fake_kernel.errnos import Refused, refused
from polc.tests.fake_kernel.objects import Link, Thing

if TYPE_CHECKING:
    from polc.tests.fake_kernel.machine import FakeKernel

Event = Callable[["Process", str], None]


class Dead(BaseException):
    """The process was killed: nothing of it runs any more."""


def die(process: Process, what: str) -> None:
    """An event: SIGKILL instead of the call."""
    process.died = True
    process.end()
    raise Dead(what)


def fail(number: int) -> Event:
    """An event: the call is refused with that errno and does nothing."""

    def event(process: Process, what: str) -> None:
        process.faults += 1
        raise Refused(number, f"injected instead of {what}")

    return event


class Process:
    """actor: "polc", or a stranger's name; it owns what the process makes.

    faults: calls refused by the plan. met: events of the plan that came.
    written: changes it asked for, once it has ended.
    """

    def __init__(self, kernel: FakeKernel, actor: str = "polc") -> None:
        self.kernel = kernel
        self.actor = actor
        self.alive = True
        self.calls = 0
        self.trace: list[str] = []
        self.died = False
        self.faults = 0
        self.met = 0
        self.written = 0
        self._plan: Mapping[int, Event] = {}
        self._planned = 0
        self._fds: dict[int, Thing] = {}
        self._last = 2

    def plan_for(self, plan: Mapping[int, Event]) -> None:
        """Starts counting door calls anew."""
        self.calls = 0
        self.trace.clear()
        self._plan = plan
        self._planned = self._after(0)

    def _after(self, call: int) -> int:
        """The first planned call later than `call`; 0 when there is none."""
        return min((one for one in self._plan if one > call), default=0)

    def enter(self, what: str) -> None:
        """Before each door call; raises Refused and Dead as planned."""
        if not self.alive:
            raise Dead(what)
        self.calls += 1
        self.trace.append(what)
        if self.kernel.objects.pending:
            self.kernel.tick()
        if self.calls == self._planned:
            self._planned = self._after(self.calls)
            self.met += 1
            self._plan[self.calls](self, what)

    def uneventful(self, calls: int) -> bool:
        """Whether the next so many door calls, if they only look, are sure to meet what is there now."""
        quiet = not self._planned or self._planned > self.calls + calls
        return quiet and self.alive and not self.kernel.objects.pending

    def pass_over(self, calls: tuple[str, ...]) -> None:
        """Counts calls whose answers are known."""
        self.calls += len(calls)
        self.trace += calls

    def access(self, what: str) -> None:
        """A load or store of mapped memory, which cannot be refused: a planned errno does nothing."""
        with contextlib.suppress(Refused):
            self.enter(what)

    def changed(self) -> None:
        """After each change of kernel state: somebody may watch every moment."""
        self.kernel.watcher()

    def open(self, thing: Thing) -> Fd:
        self.kernel.objects.hold(thing, user=True)
        self._last += 1
        self._fds[self._last] = thing
        return FakeFd(self, self._last)

    def thing(self, fd: Fd) -> Thing:
        return self.by_number(fd.number)

    def by_number(self, number: int) -> Thing:
        found = self._fds.get(number)
        if found is None:
            raise refused("any: the descriptor is closed")
        return found

    def close(self, number: int) -> None:
        thing = self._fds.pop(number, None)
        if thing is not None:
            self.kernel.objects.drop(thing, user=True)
            if isinstance(thing, Link):
                self.kernel.watcher()

    def open_descriptors(self) -> tuple[str, ...]:
        return tuple(f"{type(one).__name__} {one.id}" for one in self._fds.values())

    def open_names(self) -> tuple[str, ...]:
        return tuple(f"{type(one).__name__} {getattr(one, 'name', '')}" for one in self._fds.values())

    def open_things(self) -> tuple[Thing, ...]:
        return tuple(self._fds.values())

    def end(self) -> None:
        """Exit or SIGKILL: the kernel closes what is open."""
        self.alive = False
        self._plan = {}
        for number in list(self._fds):
            self.close(number)


class FakeFd(Fd):
    """A descriptor in a fake process."""

    __slots__ = ("_process",)

    def __init__(self, process: Process, number: int) -> None:
        super().__init__(number)
        self._process = process

    def dup(self) -> Fd:
        return self._process.open(self._process.thing(self))

    def close(self) -> None:
        number, self._number = self._number, -1
        if number >= 0:
            self._process.close(number)
