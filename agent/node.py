"""All interfaces of one node: from what is wanted and what was noticed to the next few reconciles.

Level-triggered: what is told (`want`, `pair`, `link`, `look`) only marks records; `step` takes those whose
time has come, brings them right, reads back and files what it found. No thread and no clock of its own: time
and chance are handed in, the kernel is the runtime's doors, and a fake fits behind all three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..pair.object import ObjectPair
from ..runtime.bpf import Bpf
from ..runtime.flows import Fill
from ..runtime.kernel import Kernel
from ..runtime.netlink import Link
from .backoff import Chance
from .breaker import Breaker
from .endpoint import Place, Record, Sums
from .settings import Settings
from .turn import Clock, Turns

PAUSE: Final = 0.1  # seconds between two looks at one interface that events ask for
RETRY_LISTING: Final = 1.0  # seconds
_STRANGERS_A_STEP: Final = 8


class Node:
    """Works in the network namespace of the calling thread, whose doors `kernel` holds.

    dry: nothing is written; `Record.plan` says what would be done. chance: numbers in [0, 1). fill: counts
    the flow table of a program, None = nobody counts.
    """

    def __init__(
        self,
        kernel: Kernel,
        settings: Settings,
        clock: Clock,
        chance: Chance,
        dry: bool = False,
        fill: Callable[[Bpf, int], Fill | None] | None = None,
    ) -> None:
        self.records: dict[str, Record] = {}
        self.links: dict[int, Link] = {}
        self._kernel, self._settings, self._clock = kernel, settings, clock
        self._turns = Turns(kernel, settings, clock, chance, dry, fill)
        self._places: dict[str, str] = {}  # interface by endpoint
        self._strangers: set[int] = set()  # devices of no record, to be looked at for gates of ours
        self._told = False  # what is wanted is known
        self.turns = 0  # given to interfaces so far
        self._listing: float | None = clock()  # when to list all devices, None = not needed
        self._polled = clock()

    @property
    def sums(self) -> Sums:
        """What was done since the start."""
        return self._turns.sums

    @property
    def breaker(self) -> Breaker:
        return self._turns.breaker

    # --- what is wanted -----------------------------------------------------------------------------

    def want(self, places: Mapping[str, Place]) -> None:
        """The whole inventory: by interface what is wanted there. What is wanted no more stays in force."""
        now = self._clock()
        self._told = True
        named = {link.name: link for link in self.links.values()}
        self._places = {place.endpoint: interface for interface, place in places.items()}
        for interface, place in places.items():
            record = self.records.setdefault(interface, Record(interface))
            record.belong(place, now)
            if record.link is None:
                record.place(named.get(interface), now)
        for record in list(self.records.values()):
            if record.interface not in places:
                record.belong(None, now)
                if self._settings.detach_unwanted:
                    record.look(now, 0.0)
                self._drop_if_idle(record)

    def pair(self, endpoint: str, pair: ObjectPair) -> None:
        """The pair of an endpoint, newly compiled; of an endpoint that is nowhere wanted: ignored."""
        record = self.of(endpoint)
        if record is not None:
            record.want(pair, self._clock())

    def same(self, endpoint: str) -> None:
        """The newest policy gives the endpoint the pair it has."""
        record = self.of(endpoint)
        if record is not None:
            record.obstacle = ""

    def obstacle(self, reason: str, endpoint: str | None = None) -> None:
        """There is no pair of the newest policy for that endpoint (None: for any). What is in force stays."""
        found = self.of(endpoint) if endpoint is not None else None
        wanted = [one for one in self.records.values() if one.endpoint]
        for record in wanted if endpoint is None else [found] if found else []:
            record.obstacle = reason

    def of(self, endpoint: str) -> Record | None:
        """The record of an endpoint that is wanted."""
        return self.records.get(self._places.get(endpoint, ""))

    # --- what was noticed ---------------------------------------------------------------------------

    def link(self, link: Link) -> None:
        """A device came, or something of it changed: its name, its flags."""
        now, before = self._clock(), self.links.get(link.index)
        self.links[link.index] = link
        if before is not None and before.name != link.name:
            self._left(before, now)
        record = self.records.get(link.name)
        if record is not None:
            record.place(link, now)
            record.look(now, PAUSE)
        elif before is None or before.name != link.name:
            self._strangers.add(link.index)

    def gone(self, index: int) -> None:
        """A device went. One of the same name that came since has another index, and stays."""
        link = self.links.pop(index, None)
        self._strangers.discard(index)
        if link is not None:
            self._left(link, self._clock())

    def look(self, index: int) -> None:
        """Something happened to the hooks of a device."""
        link = self.links.get(index)
        record = self.records.get(link.name) if link is not None else None
        if record is not None:
            record.look(self._clock(), PAUSE)

    def look_everywhere(self) -> None:
        """Anything may have happened."""
        now = self._clock()
        self._listing = now
        for record in self.records.values():
            record.look(now, PAUSE)

    def _left(self, link: Link, now: float) -> None:
        record = self.records.get(link.name)
        if record is not None and record.link is not None and record.link.index == link.index:
            record.place(self._named(link.name), now)
            self._drop_if_idle(record)

    def _named(self, name: str) -> Link | None:
        return next((link for link in self.links.values() if link.name == name), None)

    def _drop_if_idle(self, record: Record) -> None:
        if not record.endpoint and record.link is None:
            del self.records[record.interface]

    # --- work ---------------------------------------------------------------------------------------

    def step(self) -> float | None:
        """Does what is due, at most one batch of it. Returns the seconds until something is due again.

        None: not before something is told. Raises nothing for what goes wrong at an interface.
        """
        if self._listing is not None and self._listing <= self._clock():
            self._list()
        self._poll()
        now = self._clock()
        due = [one for one in self.records.values() if one.due is not None and one.due <= now]
        due.sort(key=lambda one: (not one.urgent, one.due, one.interface))
        self._turn(due[: self._settings.batch])
        if len(due) <= self._settings.batch:
            self._look_at_strangers()
        return self._pause()

    @property
    def looked_everywhere(self) -> bool:
        """Whether nothing waits for its first look, and no device was overlooked."""
        waiting = any(one.link is not None and one.looked is None for one in self.records.values())
        return self._listing is None and not self._strangers and not waiting

    def _pause(self) -> float | None:
        times = [one.due for one in self.records.values() if one.due is not None]
        times += [self._listing] if self._listing is not None else []
        times += [self._polled + self._settings.poll] if self.records else []
        times += [self._clock()] if self._strangers else []
        return max(0.0, min(times) - self._clock()) if times else None

    def _list(self) -> None:
        """Compares the devices that are there with those that are known."""
        try:
            found = {link.index: link for link in self._kernel.net.links()}
        except OSError:
            self._listing = self._clock() + RETRY_LISTING
            return
        self._listing = None
        for index in self.links.keys() - found.keys():
            self.gone(index)
        for link in found.values():
            if self.links.get(link.index) != link:
                self.link(link)
            elif link.name not in self.records:
                self._strangers.add(link.index)

    def _poll(self) -> None:
        """tcx tells nobody of a change: compares what is on its hooks with what was at the last look."""
        now = self._clock()
        if now < self._polled + self._settings.poll:
            return
        self._polled = now
        for record in self.records.values():
            if (
                record.link is not None
                and record.looked is not None
                and self._turns.hooks(record) != record.hooks
            ):
                record.look(now, 0.0)

    def _turn(self, due: list[Record]) -> None:
        self.turns += len(due)
        detaching = self._told and self._settings.detach_unwanted
        for index in self._turns.take(due, detaching):
            self.gone(index)
            self._listing = self._clock() + PAUSE  # one that is there all the same must not keep us busy
        for record in due:
            if not record.endpoint and record.bare:
                self.records.pop(record.interface, None)

    def _look_at_strangers(self) -> None:
        """Devices that no endpoint is wanted on may carry gates of an endpoint that was."""
        for index in sorted(self._strangers)[:_STRANGERS_A_STEP]:
            self._strangers.discard(index)
            link = self.links.get(index)
            if link is None or link.name in self.records:
                continue
            record = Record(link.name)
            self.records[link.name] = record
            record.place(link, self._clock())
            self._turn([record])
