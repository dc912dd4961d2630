"""A process that is killed at its n-th door call: bpf(2), netlink, a pin, a file, a store into the word.

It is a child of the test's process and gets SIGKILL from itself, right before the call: nothing of it runs
any more, and what it had open the kernel closes.
"""

from __future__ import annotations

import builtins
import fcntl
import gc
import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future
from ctypes import Structure
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

from polc.runtime.bpf import Command, Fd, Object
from polc.runtime.bpf.kinds import WRITES
from polc.runtime.bpf.memory import Memory
from polc.runtime.kernel import Kernel
from polc.runtime.netlink import Netlink
from polc.tests.kernel.scene import Recorder

_CHANGES: Final = {*(one.name for one in WRITES), "WORD_STORE", "MKDIR", "RMDIR", "UNLINK", "NETLINK tc"}
_T = TypeVar("_T")
_FILES: Final = ("stat", "lstat", "mkdir", "rmdir", "unlink", "listdir", "scandir", "open")


@dataclass(frozen=True)
class End:
    """How it ended. call: at which call it was killed, "" when it lived to the end of its work.

    made: the kernel objects it made until then.
    """

    call: str
    made: frozenset[tuple[Object, int]]


class Life:
    """So many door calls, then death. tell: the descriptor to which the last words go."""

    def __init__(self, calls: int, tell: int, changes_only: bool) -> None:
        self.tell = tell
        self._changes_only = changes_only
        self.made: set[tuple[Object, int]] = set()
        self._calls = calls
        self._left = 0

    def begin(self) -> None:
        self._left = self._calls

    def spend(self, call: str) -> None:
        if self._changes_only and call not in _CHANGES:
            return
        self._left -= 1
        if self._left == 0:
            self._say(call)
            os.kill(os.getpid(), signal.SIGKILL)

    def end(self) -> None:
        """It lived, and is done."""
        self._left = 0
        self._say("")

    def _say(self, call: str) -> None:
        os.write(self.tell, json.dumps([call, sorted(self.made)]).encode())

    def spending(self, function: Callable[..., Any], call: str) -> Callable[..., Any]:
        def inner(*arguments: Any, **named: Any) -> Any:
            self.spend(call)
            return function(*arguments, **named)

        return inner


class MortalBpf(Recorder):
    def __init__(self, life: Life) -> None:
        super().__init__()
        self._life = life
        self.made = life.made

    def call(self, command: Command, attr: Structure, about: str = "") -> int:
        self._life.spend(command.name)
        return super().call(command, attr, about)

    def begin(
        self, command: Command, attr: Structure, about: str, answered: Callable[[int], _T]
    ) -> Future[_T]:
        self._life.spend(command.name)
        return super().begin(command, attr, about, answered)

    def note_write(self, what: str) -> None:
        super().note_write(what)
        if what == "WORD_STORE":
            self._life.spend(what)

    def map_memory(self, map_: Fd, size: int, offset: int = 0, writable: bool = False) -> Memory:
        self._life.spend("MMAP")
        return super().map_memory(map_, size, offset, writable)


class MortalRoute:
    """A netlink socket, each of whose requests is a call."""

    def __init__(self, route: Any, life: Life) -> None:
        self._route = route
        self._life = life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._route, name)
        return self._life.spending(found, f"NETLINK {name}") if callable(found) else found


def dying(work: Callable[[Kernel], object], calls: int, changes_only: bool = False) -> End:
    """Does the work in a child process that is killed right before door call number `calls`.

    The child is in the network namespace of the calling thread. changes_only: reading calls do not count.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _child(work, Life(calls, write, changes_only))
    os.close(write)
    with os.fdopen(read, "rb") as words:
        said = words.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"the work failed before call {calls}: {said!r}"
    call, made = json.loads(said)
    assert bool(call) == (status != 0)
    return End(call, frozenset((Object(kind), number) for kind, number in made))


def _child(work: Callable[[Kernel], object], life: Life) -> NoReturn:
    try:
        gc.disable()  # it would only copy pages
        net = Netlink()
        net._route, net._lists = MortalRoute(net._route, life), MortalRoute(net._lists, life)
        _files(life)
        life.begin()
        work(Kernel(net, MortalBpf(life)))
        life.end()
        os._exit(0)
    except BaseException as error:
        os.write(life.tell, repr(error).encode())
    finally:
        os._exit(1)


def _files(life: Life) -> None:
    """From now on each file call of this process counts; nobody ever sets them right again."""
    for name in _FILES:
        setattr(os, name, life.spending(getattr(os, name), name.upper()))
    builtins.open = life.spending(builtins.open, "OPEN")
    fcntl.flock = life.spending(fcntl.flock, "FLOCK")
