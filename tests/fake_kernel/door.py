"""How every call of the fake's bpf(2) door is made: counted, planned, refused with BpfError."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Concatenate, ParamSpec, TypeVar, cast

from polc.runtime.bpf import Bpf, BpfError, Command, Fd
from polc.runtime.bpf.kinds import WRITES
from polc.tests.fake_kernel.devices import Namespace
from polc.tests.fake_kernel.errnos import Refused, refused
from polc.tests.fake_kernel.objects import Thing
from polc.tests.fake_kernel.process import Process

P = ParamSpec("P")
T = TypeVar("T")
G = TypeVar("G", bound=Thing)
D = TypeVar("D", bound="Door")
_NOTHING = object()
# Changes that no packet can meet: what they make is on no hook and in no slot yet.
_UNSEEN = {
    Command.MAP_CREATE,
    Command.PROG_LOAD,
    Command.BTF_LOAD,
    Command.MAP_FREEZE,
    Command.PROG_BIND_MAP,
    Command.OBJ_PIN,
}


class Door(Bpf):
    """One process's door, in one network namespace."""

    def __init__(self, process: Process, space: Namespace) -> None:
        super().__init__()
        self.process = process
        self.space = space

    def as_a(self, kind: type[G], fd: Fd) -> G:
        """The object behind a descriptor."""
        return self.is_a(kind, self.process.by_number(fd.number))

    def is_a(self, kind: type[G], thing: Thing) -> G:
        if not isinstance(thing, kind):
            raise refused("any: the descriptor is of another kind")
        return thing


def call(
    command: Command, absent: Collection[int] = (), answer: object = _NOTHING
) -> Callable[[Callable[Concatenate[D, P], T]], Callable[Concatenate[D, P], T]]:
    """Counts a write, lets the plan act, and answers as the real method would.

    `answer` to errnos in `absent`, BpfError to the others.
    """
    write, seen = command in WRITES, command in WRITES and command not in _UNSEEN
    name = command.name

    def wrap(method: Callable[Concatenate[D, P], T]) -> Callable[Concatenate[D, P], T]:
        @functools.wraps(method)
        def inner(self: D, *args: P.args, **named: P.kwargs) -> T:
            if write:
                self.note_write(name)
            try:
                self.process.enter(name)
                result = method(self, *args, **named)
            except Refused as refusal:
                if refusal.number in absent:
                    return cast(T, answer)
                raise BpfError(refusal.number, command, refusal.situation) from None
            if seen:
                self.process.changed()
            return result

        return cast(Callable[Concatenate[D, P], T], inner)

    return wrap
