"""All interfaces of one node: from what is wanted and what was noticed to the next few reconciles.

Level-triggered: what is told (`want`, `pair`, `link`, `look`) only marks records; `step` takes those whose
time has come, brings them right, reads back and files what it found. No thread and no clock of its own: time
and chance are handed in, the kernel is the runtime's doors, and a fake fits behind all three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from ..pair.object import ObjectPair
from ..runtime.bpf import Bpf, HookState
from ..runtime.detach import detach
from ..runtime.drift import Drift
from ..runtime.errors import CannotError, GoneError, RuntimeFault, cannot
from ..runtime.flows import Fill
from ..runtime.gate import Gates
from ..runtime.grace import Grace
from ..runtime.hooks import TcHook, tcx_state
from ..runtime.kernel import Kernel
from ..runtime.netlink import Link
from ..runtime.reconcile import Done, Job, reconcile
from ..runtime.request import AttachRequest
from ..runtime.standing import State
from ..runtime.status import interface_status
from .backoff import Chance
from .endpoint import TC_WORK, Place, Record, Sums, Task
from .settings import Settings

PAUSE: Final = 0.1  # seconds between two looks at one interface that events ask for
RETRY_LISTING: Final = 1.0  # seconds
_SWAPS: Final = frozenset({Drift.OTHER_POLICY, Drift.SETTINGS})
_TC_WRITES_EACH: Final = 3  # what a first attach by clsact takes: the qdisc and two filters
_STRANGERS_A_STEP: Final = 8
_COUNTS_A_TURN: Final = 4


class Node:
    """Works in the network namespace of the calling thread, whose doors `kernel` holds.

    dry: nothing is written; `Record.plan` says what would be done. chance: numbers in [0, 1). fill: counts
    the flow table of a program, None = nobody counts.
    """

    def __init__(
        self,
        kernel: Kernel,
        settings: Settings,
        clock: Callable[[], float],
        chance: Chance,
        dry: bool = False,
        fill: Callable[[Bpf, int], Fill | None] | None = None,
    ) -> None:
        self.records: dict[str, Record] = {}
        self.links: dict[int, Link] = {}
        self.sums = Sums()
        self.breaker = settings.breaker()
        self._kernel, self._settings, self._dry = kernel, settings, dry
        self._clock, self._chance, self._fill = clock, chance, fill
        self._gates, self._grace = Gates(), Grace()
        self._places: dict[str, str] = {}  # interface by endpoint
        self._strangers: set[int] = set()  # devices of no record, to be looked at for gates of ours
        self._told = False  # what is wanted is known
        self._listing: float | None = clock()  # when to list all devices, None = not needed
        self._polled = clock()

    # --- what is wanted -----------------------------------------------------------------------------

    def want(self, places: Mapping[str, Place]) -> None:
        """The whole inventory: by interface what is wanted there. What is wanted no more stays in force."""
        now = self._clock()
        self._told = True
        self._places = {place.endpoint: interface for interface, place in places.items()}
        for interface, place in places.items():
            record = self.records.setdefault(interface, Record(interface))
            record.belong(place, now)
            if record.link is None:
                record.place(self._named(interface), now)
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
        due.sort(key=lambda one: (one.due or now, one.interface))
        self._turn(due[: self._settings.batch], now)
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
            if record.link is not None and record.looked is not None and self._hooks(record) != record.hooks:
                record.look(now, 0.0)

    def _hooks(self, record: Record) -> tuple[HookState | None, ...]:
        if record.link is None:
            return ()
        try:
            return tuple(tcx_state(self._kernel, record.link.index, hook) for hook in TcHook)
        except OSError:
            return ()

    # --- one batch ----------------------------------------------------------------------------------

    def _turn(self, due: Sequence[Record], now: float) -> None:
        apply = [one for one in due if one.task(now) is Task.APPLY]
        for record in due:
            record.due, record.looked = None, now
            record.hooks = self._hooks(record)
            if record not in apply:
                self._observe(record)
        room = self.breaker.room(now)
        held = [one for one in apply if not room or now < one.rest]
        free = [one for one in apply if one not in held] + self._held_back(held, now)
        most = max(1, room // _TC_WRITES_EACH) if room else len(free)
        for record in free[most:]:
            record.due = now
        self._apply(free[:most])
        for record in due:
            self._schedule(record, now)
        if len(due) <= _COUNTS_A_TURN:
            for record in due:
                self._count_flows(record, now)

    def _held_back(self, held: Sequence[Record], now: float) -> list[Record]:
        """Those of `held` that need no write at a tc hook; the others wait, and it is read how they stand."""
        able = []
        for record, done in self._reconciled(held, dry=True):
            if done.report is None or TC_WORK.isdisjoint(_mending(done)):
                able.append(record)
                continue
            record.seen(done.report.status)
            record.plan = done.report.plan
            record.due = max(record.rest, now + self.breaker.closes_in(now))
        return able

    def _apply(self, records: Sequence[Record]) -> None:
        for record, done in self._reconciled(records, self._dry):
            self._count(record, done)
            if isinstance(done.fault, GoneError):
                self.gone(done.job.link.index)
                self._listing = self._clock()
            elif done.report is None:
                assert done.fault is not None, "a job has a report or a fault"
                self._failed(record, done.job.pair, done.fault)
            elif self._dry:
                record.seen(done.report.status)
                record.plan = done.report.plan
            else:
                record.plan = ()
                record.succeeded(done.job.pair, done.report.status)
                if done.tc_writes:
                    record.mended(_mending(done), self._settings.backoff, self._chance, self._clock())

    def _reconciled(self, records: Sequence[Record], dry: bool) -> Iterable[tuple[Record, Done]]:
        jobs = [
            Job(one.link, one.target, self._request(one, dry))
            for one in records
            if one.link is not None and one.target is not None
        ]
        assert len(jobs) == len(records), "whose turn it is to be applied has a device and a pair"
        done = reconcile(self._kernel, jobs, self._gates, self._grace) if jobs else ()
        return zip(records, done, strict=True)

    def _request(self, record: Record, dry: bool) -> AttachRequest:
        told = self._settings
        return AttachRequest(
            interface=record.interface,
            bpffs=told.bpffs,
            mode=record.mode,
            mechanism=told.hook,
            refresh=told.refresh,
            host_access=told.host_access,
            dry_run=dry,
        )

    def _count(self, record: Record, done: Done) -> None:
        sums, counts = self.sums, record.counts
        found = {one.drift for one in done.drifts}
        new = found - record.lasting
        record.lasting = {one.drift for one in done.drifts if not one.repair}
        counts.drifts.update(new)
        sums.drifts.update(new)
        sums.reconciles += 1
        sums.retries += record.attempts > 0
        sums.failures += done.fault is not None and not isinstance(done.fault, GoneError)
        if self._dry:
            return
        swapped = done.report is not None and done.report.changed and not _SWAPS.isdisjoint(found)
        sums.writes += done.writes
        sums.swaps += swapped
        sums.tc_writes += done.tc_writes
        counts.swaps += swapped
        counts.tc_writes += done.tc_writes
        if done.tc_writes:
            self.breaker.spend(done.tc_writes, self._clock())

    def _failed(self, record: Record, pair: ObjectPair, fault: RuntimeFault) -> None:
        """Files the fault and reads what is in force all the same: a failed try says nothing about that."""
        record.failed(pair, fault, self._settings.backoff, self._chance, self._clock())
        self._observe(record)

    def _observe(self, record: Record) -> None:
        """Reads only."""
        link = record.link
        if link is None:
            return
        try:
            record.seen(interface_status(self._kernel, link, self._gates))
        except GoneError:
            self.gone(link.index)
            self._listing = self._clock()
        except CannotError as error:
            record.doubt = error.message
        except OSError as error:
            record.doubt = cannot(error, f"read {link.name}").message
        if not record.endpoint:
            self._unwanted(record)

    def _count_flows(self, record: Record, now: float) -> None:
        """How full the flow table is: now and then, and in quiet turns only, so that it delays no policy."""
        recently = record.counted is not None and now < record.counted + self._settings.resync / 2
        if self._fill is None or recently or record.status is None or not record.status.in_force:
            return
        record.counted = now
        try:
            record.flows = self._fill(self._kernel.bpf, record.status.policies[0].program)
        except OSError:
            record.flows = None

    def _unwanted(self, record: Record) -> None:
        """An interface that no endpoint is wanted on: forgotten when nothing of ours is there."""
        if record.status is not None and record.status.state is State.ABSENT:
            self.records.pop(record.interface, None)
        elif record.status is not None and self._told and self._settings.detach_unwanted and not self._dry:
            before = self._kernel.writes
            try:
                detach(self._kernel, record.interface, self._settings.bpffs, self._gates)
                self.records.pop(record.interface, None)
            except RuntimeFault as error:
                record.doubt = error.message
            self.sums.writes += self._kernel.writes - before

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
            self._turn([record], self._clock())

    def _schedule(self, record: Record, now: float) -> None:
        """When to look again without any reason; spread, so that not all are read back at once."""
        if record.link is None:
            return
        later = now + self._settings.resync * (0.75 + 0.5 * self._chance())
        times = [later, record.next_try, record.due]
        record.due = min(one for one in times if one is not None)


def _mending(done: Done) -> set[Drift]:
    """What the job put right, or would."""
    return {one.drift for one in done.drifts if one.repair}
