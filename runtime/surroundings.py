"""What else of polc's is on the machine: looked at once for a whole pass, and only when something asks.

Pins are names and hints, never witnesses. That pins serve nobody is shown by the kernel: the device is gone
from this namespace, or no living gate reads the maps that they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Final

from .bpf import Bpf, Object
from .bpf.kinds import LINK_TYPE_TCX
from .bpffs import Bpffs, interface_of
from .errors import CannotError
from .gate import GATE_PREFIX
from .kernel import Kernel
from .pins import Pins
from .policy import Policy
from .probe import has_tcx
from .readback import Known, Reading, contents

Core = tuple[int, int]
_LOOKS: Final = 100  # at gates that are on no hook any more
_PAUSE: Final = 0.02  # seconds between two of them


class Surroundings:
    """One network namespace, which has that cookie, and one bpf filesystem. Every look raises OSError."""

    def __init__(self, kernel: Kernel, place: Bpffs, cookie: int) -> None:
        self.kernel = kernel
        self.known = Known()
        self.place = place
        self.cookie = cookie
        self._claimed_by: int | None = None
        self._waited_for: set[int] = set()  # gates that did not go

    def pins(self, ifindex: int) -> Pins:
        """Those of one interface of this namespace."""
        return Pins(self.kernel.bpf, self.place, self.place.directory(self.cookie, ifindex))

    @cached_property
    def stacked(self) -> int:
        return self.place.stacked()

    @cached_property
    def tcx(self) -> bool:
        return bool(has_tcx(self.kernel.bpf))

    def twins(self, reading: Reading, slots: int) -> tuple[Pins, ...]:
        """Directories of no interface here that pin the same slot map: where the device was before a move,
        which gives a tcx gate a new ifindex and keeps it."""
        own = self.pins(reading.link.index).directory
        found = tuple(one for one in self._by_slots.get(slots, ()) if one.directory != own)
        return found if found and not any(slots in core for core in self.foreign(reading)) else ()

    def stale(self, ifindex: int, elsewhere: bool) -> tuple[Pins, ...]:
        """What is pinned for devices that are gone. Told to one interface of a pass, the first that asks.

        elsewhere: also what other namespaces left, which takes a walk over all programs of the machine.
        """
        if self._claimed_by not in (None, ifindex):
            return ()
        found = (*self.orphans, *(self.idle if elsewhere else ()))
        if found:
            self._claimed_by = ifindex
        return found

    def clear(self, one: Pins, slots: int = 0) -> list[str]:
        """Removes the pins of a device that is gone, or of the device with that slot map; the names removed.

        Elsewhere under the lock of that interface, so that an attach which pinned its maps a moment ago, and
        has no gate yet, is not taken for one that is gone; held by another, they stay.
        """
        cookie, index = interface_of(one.directory.name)
        if cookie == self.cookie or (slots and one.slots() == slots):
            return one.clear()
        with suppress(CannotError), self.kernel.host.locked(cookie, index, patience=0):
            if self._is_idle(one, self._gates()):
                return one.clear()
        return []

    def foreign(self, reading: Reading) -> frozenset[Core]:
        """The cores of the reading that gates elsewhere than on its hooks read too.

        Waits, for two seconds at most and once a pass, for gates taken off a hook that are about to go.
        """
        here = {runner.program for runners in reading.hooks.values() for runner in runners}
        readers = {
            core: set[int]().union(*(self.gates.get(map_, ()) for map_ in core)) - here
            for core in reading.cores
        }
        staying = self._staying(set[int]().union(*readers.values()))
        return frozenset(core for core, programs in readers.items() if programs & staying)

    def left_by(self, is_it: Callable[[Policy], bool]) -> Pins | None:
        """The directory of a device that is gone, in whose slots is a policy that `is_it` knows."""
        for one in (*self.orphans, *self.idle):
            if any(is_it(found) for found in self._policies(one)):
                return one
        return None

    def is_here(self, one: Pins) -> bool:
        """Whether a directory is named after this network namespace."""
        return interface_of(one.directory.name)[0] == self.cookie

    # --- looked up once --------------------------------------------------------------------------------

    @cached_property
    def _strays(self) -> tuple[Pins, ...]:
        """polc's directories, except those of the interfaces that this namespace has."""
        named = self.place.interfaces()
        ours = {index for cookie, index in named if cookie == self.cookie}
        gone = self.kernel.net.gone(ours) if ours else frozenset()
        return tuple(
            Pins(self.kernel.bpf, self.place, self.place.directory(cookie, index))
            for cookie, index in named
            if cookie != self.cookie or index in gone
        )

    @cached_property
    def orphans(self) -> tuple[Pins, ...]:
        """Of devices that were here and are gone. One with a link that is on a device stays: that device was
        moved, and its tcx gates need what is pinned here."""
        return tuple(one for one in self._strays if self.is_here(one) and not one.on_a_device())

    @cached_property
    def idle(self) -> tuple[Pins, ...]:
        """Of other namespaces, whose slot map no living gate reads."""
        others = [one for one in self._strays if not self.is_here(one)]
        return tuple(one for one in others if self._is_idle(one, self.gates))

    @cached_property
    def gates(self) -> Mapping[int, set[int]]:
        """By map id the programs named as gates that read it, except those on detached links."""
        return self._gates()

    def _gates(self) -> Mapping[int, set[int]]:
        bpf = self.kernel.bpf
        detached = _on_links(bpf)[False]
        found: dict[int, set[int]] = {}
        for number in bpf.ids(Object.PROG):
            program = bpf.fd_by_id(Object.PROG, number) if number not in detached else None
            if program is not None:
                with program:
                    said = bpf.prog_info(program)
                for map_ in said.map_ids if said.name.startswith(GATE_PREFIX) else ():
                    found.setdefault(map_, set()).add(number)
        return found

    def _staying(self, programs: set[int]) -> set[int]:
        """Those that are on a tcx hook, or go on living: a filter that is deleted lets its program go after a
        grace period, by work that the kernel puts off (net/sched/cls_bpf.c, cls_bpf_delete_prog_work), and so
        does a link whose last pin is removed."""
        bpf = self.kernel.bpf
        attached = programs & _on_links(bpf)[True] if programs else set()
        going = programs - attached
        for _ in range(_LOOKS):
            going = {number for number in going if _lives(bpf, number)}
            if going <= self._waited_for:
                break
            self.kernel.host.pause(_PAUSE)
        self._waited_for |= going
        return attached | going

    @cached_property
    def _by_slots(self) -> Mapping[int, list[Pins]]:
        found: dict[int, list[Pins]] = {}
        for one in self._strays:
            found.setdefault(one.slots(), []).append(one)
        return found

    def _is_idle(self, one: Pins, gates: Mapping[int, set[int]]) -> bool:
        return not one.on_a_device() and not gates.get(one.slots())

    def _policies(self, one: Pins) -> list[Policy]:
        number = one.slots()
        slots = self.kernel.bpf.fd_by_id(Object.MAP, number) if number else None
        if slots is None:
            return []
        with slots:
            return [found for found in contents(self.kernel, slots, self.known) if isinstance(found, Policy)]


def _lives(bpf: Bpf, program: int) -> bool:
    found = bpf.fd_by_id(Object.PROG, program)
    if found is not None:
        found.close()
    return found is not None


def _on_links(bpf: Bpf) -> Mapping[bool, set[int]]:
    """Programs on tcx links: True: of links on a device; False: of links that are on none any more."""
    found: dict[bool, set[int]] = {True: set(), False: set()}
    for number in bpf.ids(Object.LINK):
        link = bpf.fd_by_id(Object.LINK, number)
        if link is not None:
            with link:
                info = bpf.link_info(link)
            if info.type == LINK_TYPE_TCX:
                found[bool(info.ifindex)].add(info.prog_id)
    return found
