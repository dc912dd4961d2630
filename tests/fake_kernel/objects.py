"""The kernel's objects in the fake: what they hold, and when they go.

References are counted as the kernel counts them, so what it would leak is leaked here: programs hold maps,
slot maps hold programs, and only the loss of the last *user* reference (descriptor, pin, mapping) of a
program array breaks that circle, by work that runs later (kernel/bpf/arraymap.c, prog_array_map_clear).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from polc.runtime.bpf import MapShape, MapType, Object
from polc.runtime.hooks import TcHook

if TYPE_CHECKING:
    from polc.tests.fake_kernel.devices import Device


@dataclass(eq=False, slots=True)
class Thing:
    """id: within its kind, never used again. owner: who made it ("polc" or a stranger)."""

    id: int
    owner: str
    refs: int = 0


@dataclass(eq=False, slots=True)
class Btf(Thing):
    size: int = 0


@dataclass(eq=False, slots=True)
class Map(Thing):
    """values: by key bytes; programs, inner: by index. users: descriptors, pins and mappings."""

    shape: MapShape = field(default_factory=lambda: MapShape("", MapType.ARRAY, 4, 4, 1))
    btf: Btf | None = None
    values: dict[bytes, bytes] = field(default_factory=dict)
    programs: dict[int, Program] = field(default_factory=dict)
    inner: Map | None = None
    frozen: bool = False
    users: int = 0
    writable_mappings: int = 0

    @property
    def name(self) -> str:
        return self.shape.name[:15]

    @property
    def word(self) -> int:
        return int.from_bytes(self.values.get(bytes(4), b""), "little")


@dataclass(eq=False, slots=True)
class Program(Thing):
    """maps: in the order of first reference, then as bound. meaning: what truth.py read in it, once.

    seen: what the runtime read in it, by the function that read (swift.py).
    """

    name: str = ""
    tag: bytes = b""
    maps: list[Map] = field(default_factory=list)
    btf: Btf | None = None
    size: int = 0
    meaning: object = None
    seen: dict[str, Seen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read in a program, by which door calls, when it had so many maps."""

    answer: object
    calls: tuple[str, ...]
    maps: int


@dataclass(eq=False, slots=True)
class Link(Thing):
    """device: None when it was detached or its device went; the hook is told also then (kernel/bpf/tcx.c)."""

    program: Program = field(default_factory=lambda: Program(0, ""))
    device: Device | None = None
    hook: TcHook = TcHook.INGRESS


KINDS: dict[type[Thing], Object] = {
    Program: Object.PROG,
    Map: Object.MAP,
    Link: Object.LINK,
    Btf: Object.BTF,
}


class Detacher(Protocol):
    def forget(self, link: Link) -> None:
        """Takes a link that nothing holds any more off its hook."""


class Objects:
    """All living objects, by kind and id; the only place that counts references."""

    def __init__(self, detacher: Detacher) -> None:
        self.living: dict[Object, dict[int, Thing]] = {kind: {} for kind in Object}
        self._last: dict[Object, int] = dict.fromkeys(Object, 0)
        self.pending: list[Thing] = []  # work that the kernel puts off
        self.lost: list[Map] = []  # by the kernel's own fault, see _schedule_clear
        self._detacher = detacher

    def number(self, kind: Object) -> int:
        self._last[kind] += 1
        return self._last[kind]

    def add(self, thing: Thing) -> None:
        self.living[KINDS[type(thing)]][thing.id] = thing

    def hold(self, thing: Thing, user: bool = False) -> None:
        thing.refs += 1
        if user and isinstance(thing, Map):
            thing.users += 1

    def drop(self, thing: Thing, user: bool = False) -> None:
        if user and isinstance(thing, Map):
            thing.users -= 1
            if not thing.users and thing.shape.type is MapType.PROG_ARRAY:
                self._schedule_clear(thing)
        thing.refs -= 1
        if not thing.refs:
            self._free(thing)

    def drop_later(self, thing: Thing) -> None:
        """As a filter that is deleted lets its program go (net/sched/cls_bpf.c, cls_bpf_delete_prog_work)."""
        self.pending.append(thing)

    def _schedule_clear(self, slots: Map) -> None:
        """The kernel counts the map up even when the work is pending already: that reference never goes."""
        self.hold(slots)
        if slots in self.pending:
            self.lost.append(slots)
        else:
            self.pending.append(slots)

    def work(self) -> bool:
        """Runs what the kernel put off; whether there was any."""
        some = bool(self.pending)
        while self.pending:
            thing = self.pending.pop(0)
            if isinstance(thing, Map):
                for index in sorted(thing.programs):
                    self.drop(thing.programs.pop(index))
            self.drop(thing)
        return some

    def _free(self, thing: Thing) -> None:
        del self.living[KINDS[type(thing)]][thing.id]
        held: list[Thing | None] = []
        if isinstance(thing, Program):
            held = [*thing.maps, thing.btf]
        elif isinstance(thing, Map):
            held = [*thing.programs.values(), thing.inner, thing.btf]
        elif isinstance(thing, Link):
            self._detacher.forget(thing)
            held = [thing.program]
        for one in held:
            if one is not None:
                self.drop(one)
