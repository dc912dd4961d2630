"""One turn of some interfaces: those that may be tried are reconciled, the others only looked at.

Who is resting from a fight, and everybody while the breaker is open, is first looked at without writing: what
needs no tc write is done all the same, the rest is put off.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
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
from ..runtime.reconcile import Done, Job, reconcile
from ..runtime.request import AttachRequest
from ..runtime.status import interface_status
from .backoff import Chance
from .endpoint import TC_WORK, Record, Sums, Task
from .settings import Settings

Clock = Callable[[], float]

_SWAPS: Final = frozenset({Drift.OTHER_POLICY, Drift.SETTINGS})
_TC_WRITES_EACH: Final = 3  # what a first attach by clsact takes: the qdisc and two filters
_COUNTS_A_TURN: Final = 4


class Turns:
    """Gives interfaces their turns, and counts what was done. Arguments as of `Node`."""

    def __init__(
        self,
        kernel: Kernel,
        settings: Settings,
        clock: Clock,
        chance: Chance,
        dry: bool,
        fill: Callable[[Bpf, int], Fill | None] | None,
    ) -> None:
        self.sums = Sums()
        self.breaker = settings.breaker()
        self._kernel, self._settings, self._dry = kernel, settings, dry
        self._clock, self._chance, self._fill = clock, chance, fill
        self._gates, self._grace = Gates(), Grace()

    def take(self, due: Sequence[Record], detaching: bool) -> list[int]:
        """One turn for each. detaching: what no endpoint is wanted on is detached.

        Returns the indices of devices that turned out to be gone. Raises nothing.
        """
        now = self._clock()
        gone: list[int] = []
        apply = [one for one in due if one.task(now) is Task.APPLY]
        for record in due:
            record.due, record.looked, record.urgent = None, now, False
            record.hooks = self.hooks(record)
            if record.task(now) is Task.OBSERVE:
                self._observe(record, gone)
                if detaching and not record.endpoint:
                    self._detach(record, gone)
        room = self.breaker.room(now)
        held = [one for one in apply if not room or now < one.rest]
        free = [one for one in apply if one not in held] + self._held_back(held, now)
        most = max(1, room // _TC_WRITES_EACH) if room else len(free)
        for record in free[most:]:
            record.due = now
        self._apply(free[:most], gone)
        for record in due:
            self._schedule(record, now)
        if len(due) <= _COUNTS_A_TURN:
            for record in due:
                self._count_flows(record, now)
        return gone

    def hooks(self, record: Record) -> tuple[HookState | None, ...]:
        """What is on the tcx hooks of its device; () when that cannot be told."""
        if record.link is None:
            return ()
        try:
            return tuple(tcx_state(self._kernel, record.link.index, hook) for hook in TcHook)
        except OSError:
            return ()

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

    def _apply(self, records: Sequence[Record], gone: list[int]) -> None:
        for record, done in self._reconciled(records, self._dry):
            self._count(record, done)
            record.programs = done.programs
            if isinstance(done.fault, GoneError):
                gone.append(done.job.link.index)
            elif done.report is None:
                assert done.fault is not None, "a job has a report or a fault"
                self._failed(record, done.job.pair, done.fault, gone)
            elif self._dry:
                record.seen(done.report.status)
                record.plan = done.report.plan
            else:
                record.plan = ()
                if done.tc_writes:
                    record.mended(_mending(done), self._settings.backoff, self._chance, self._clock())
                record.succeeded(done.job.pair, done.report.status)

    def _reconciled(self, records: Sequence[Record], dry: bool) -> Iterable[tuple[Record, Done]]:
        jobs = [
            Job(one.link, one.target, self._request(one, dry), one.differs, one.programs)
            for one in records
            if one.link is not None and one.target is not None
        ]
        assert len(jobs) == len(records), "whose turn it is to be applied has a device and a pair"
        return zip(records, self._contained(jobs), strict=True)

    def _contained(self, jobs: Sequence[Job]) -> Sequence[Done]:
        """Reconciles. A fault of polc itself at one interface must not end the work at all the others."""
        try:
            return reconcile(self._kernel, jobs, self._gates, self._grace) if jobs else ()
        except Exception as error:
            if len(jobs) > 1:
                return [one for job in jobs for one in self._contained([job])]
            return [Done(jobs[0], None, _own_fault(error), (), 0, 0)]

    def _request(self, record: Record, dry: bool) -> AttachRequest:
        told = self._settings
        return AttachRequest(
            interface=record.interface,
            bpffs=told.bpffs,
            mode=record.mode,
            mechanism=told.hook,
            refresh=told.refresh,
            host_access=told.host_access,
            keep_established=told.keep_established,
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

    def _failed(self, record: Record, pair: ObjectPair, fault: RuntimeFault, gone: list[int]) -> None:
        """Files the fault and reads what is in force all the same: a failed try says nothing about that."""
        record.failed(pair, fault, self._settings.backoff, self._chance, self._clock())
        self._observe(record, gone)

    def _observe(self, record: Record, gone: list[int]) -> None:
        """Reads only."""
        link = record.link
        if link is None:
            return
        try:
            record.seen(interface_status(self._kernel, link, self._gates))
        except GoneError:
            gone.append(link.index)
        except CannotError as error:
            record.doubt = error.message
        except OSError as error:
            record.doubt = cannot(error, f"read {link.name}").message

    def _detach(self, record: Record, gone: list[int]) -> None:
        """Takes ours off an interface that no endpoint is wanted on."""
        if record.status is None or record.bare or self._dry:
            return
        before = self._kernel.writes
        try:
            detach(self._kernel, record.interface, self._settings.bpffs, self._gates)
            self._observe(record, gone)
        except RuntimeFault as error:
            record.doubt = error.message
        self.sums.writes += self._kernel.writes - before

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

    def _schedule(self, record: Record, now: float) -> None:
        """When to look again without any reason; spread, so that not all are read back at once."""
        told = self._settings
        later = now + (told.poll if record.doubt else told.resync * (0.75 + 0.5 * self._chance()))
        times = [later, record.next_try, record.due]
        record.due = min(one for one in times if one is not None)


def _own_fault(error: Exception) -> CannotError:
    """An exception that nobody foresaw, as one interface's fault; tried again like any other."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
    return CannotError(f"a fault of polc itself ({where}: {type(error).__name__}: {error})", "report it")


def _mending(done: Done) -> set[Drift]:
    """What the job put right, or would."""
    return {one.drift for one in done.drifts if one.repair}
