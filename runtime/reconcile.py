"""Many interfaces in one pass: for each, what is wanted and what the kernel shows become the fewest changes.

    look at each → lock, look again, load, make everything and store the word → ONE grace period for all
    → tidy → read back

An interface that is as wanted costs one look, and one of which the caller knows that it is not is first
looked at under its lock. Nothing of one interface holds another up: its fault is its own, and is handed back
with it. A lock is held from the look under it to the end of its interface's work; locks are taken in the
order of the device indices, and one that another process holds is not waited for when there are other
interfaces to see to.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from ..pair.object import ObjectPair
from .bpf import BpfError
from .decision import Asked, Decision, look
from .drift import Finding
from .errors import CannotError, NotInForce, RuntimeFault, cannot
from .gate import FoundGate, Gates
from .grace import Grace
from .install import Site, Work
from .kernel import Kernel
from .lock import PATIENCE
from .netlink import Link
from .policy import Policy
from .readback import Known, Reading, read
from .request import AttachReport, AttachRequest
from .rollback import Rollback
from .section import Frozen
from .standing import Standing, judge
from .status import describe
from .surroundings import Surroundings

_SHORT: Final = 0.02  # seconds that a job of many waits for its lock
_REMEMBERED: Final = 16 << 10  # bytes of provenance; a policy of one rule has less than one KiB
_AHEAD: Final = 2  # jobs whose programs are with the verifier while one is installed
_Fault = TypeVar("_Fault", bound=BaseException)
_TCX_WRITES: Final = ("LINK_CREATE", "LINK_UPDATE", "LINK_DETACH", "PROG_ATTACH", "PROG_DETACH")


@dataclass(frozen=True, slots=True)
class Job:
    """One interface and what is wanted there. link: as the caller's last look showed it; its index counts.

    expected: as the caller knows it, something is to be changed. True or not, what is done is the same.
    programs: as `Done` told them last.
    """

    link: Link
    pair: ObjectPair
    request: AttachRequest
    expected: bool = False
    programs: tuple[FoundGate | Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a job. fault: why the pair is not in force; then there is no report.

    drifts: what was found before anything was changed, as far as the reading got. writes: changes of kernel
    state asked for, as `Kernel.writes` counts them. tc_writes: those among them at tc hooks: netlink, tcx.
    programs: what was read of its gates and of what its slots hold, for the next pass; of large ones nothing.
    """

    job: Job
    report: AttachReport | None
    fault: RuntimeFault | None
    drifts: tuple[Finding, ...]
    tc_writes: int
    writes: int
    programs: tuple[FoundGate | Policy, ...] = ()


def reconcile(kernel: Kernel, jobs: Sequence[Job], gates: Gates, grace: Grace) -> tuple[Done, ...]:
    """Brings each job's pair into force, in the order of the jobs; never raises for one job's fault.

    gates, grace: kept by the caller over its life. A job that changes something keeps about ten descriptors
    open until the pass ends: a caller with hundreds of jobs hands them over in parts.
    """
    patience = _SHORT if len(jobs) > 1 else PATIENCE
    with ExitStack() as held:
        known = Known(before={one.program: one for job in jobs for one in job.programs})
        around = _Around(kernel, known, held.enter_context(Frozen(known.maps)))
        pieces = [_Piece(kernel, job, gates, around, held.enter_context(ExitStack())) for job in jobs]
        for piece in pieces:
            if not piece.job.expected or piece.job.request.dry_run:
                piece.do(piece.look)
        busy = sorted((one for one in pieces if one.is_open), key=lambda one: one.job.link.index)
        restless: list[_Piece] = []
        _install(_rested(busy, patience, restless), None)
        late = _wait(kernel, grace, any(one.is_open for one in restless))
        _install(restless, late)
        late = _wait(kernel, grace, any(one.waits_after for one in busy))
        for piece in busy:
            piece.do(partial(piece.finish, late))
        return tuple(piece.done() for piece in pieces)


def _rested(busy: Iterable[_Piece], patience: float, restless: list[_Piece]) -> Iterator[_Piece]:
    """Locks each. Those that have to wait for a grace period are put into `restless` instead."""
    for piece in busy:
        piece.do(partial(piece.lock, patience))
        if piece.waits_before:
            restless.append(piece)
        else:
            yield piece


def _install(ready: Iterable[_Piece], late: BpfError | None) -> None:
    """Puts each in force, while the programs of the next ones are with the verifier."""
    begun: deque[_Piece] = deque()
    for piece in ready:
        piece.do(partial(piece.begin, late))
        begun.append(piece)
        if len(begun) > _AHEAD:
            begun[0].do(begun.popleft().install)
    for piece in begun:
        piece.do(piece.install)


def _wait(kernel: Kernel, grace: Grace, needed: bool) -> BpfError | None:
    """Waits for a grace period; why it could not, if it could not."""
    try:
        if needed:
            grace.wait(kernel.bpf)
    except BpfError as error:
        return _bare(error)
    return None


class _Around:
    """What surrounds the interfaces of a pass, by bpf filesystem; what failed is asked for again."""

    def __init__(self, kernel: Kernel, known: Known, frozen: Frozen) -> None:
        self._kernel = kernel
        self.known, self.frozen = known, frozen
        self._found: dict[Path, Surroundings] = {}
        self._checked = False

    def refuse_netns_exec(self) -> None:
        if not self._checked:
            self._kernel.host.refuse_netns_exec()
            self._checked = True

    def at(self, request: AttachRequest) -> Surroundings:
        if request.bpffs not in self._found:
            place = self._kernel.host.require_bpffs(request.bpffs, request.mount and not request.dry_run)
            self._found[request.bpffs] = Surroundings(self._kernel, place, self._kernel.host.cookie())
        return self._found[request.bpffs]


class _Piece:
    """One job on its way. held: what it keeps open, its lock among it; closed as soon as it is done."""

    def __init__(self, kernel: Kernel, job: Job, gates: Gates, around: _Around, held: ExitStack) -> None:
        self.job = job
        self._kernel, self._gates, self._around, self._held = kernel, gates, around, held
        self._asked = Asked(
            kernel, job.link, job.pair, job.request, gates, around.known, lambda: around.at(job.request)
        )
        self._decision: Decision | None = None
        self._work: Work | None = None
        self._in_force = False
        self._report: AttachReport | None = None
        self._programs: tuple[FoundGate | Policy, ...] = ()
        self._fault: RuntimeFault | None = None
        self._writes = self._tc_writes = 0

    @property
    def is_open(self) -> bool:
        return self._report is None and self._fault is None

    @property
    def waits_before(self) -> bool:
        return self.is_open and self._work is not None and not self._work.at_rest

    @property
    def waits_after(self) -> bool:
        return self.is_open and self._work is not None and self._work.settles

    def do(self, stage: Callable[[], None]) -> None:
        """One stage, unless the job is done; keeps its fault and counts its writes."""
        if not self.is_open:
            return
        writes, tc_writes = self._kernel.writes, _tc_writes(self._kernel)
        try:
            stage()
        except RuntimeFault as fault:
            self._fault = _bare(fault)
        except OSError as error:
            self._fault = cannot(error, f"attach to {self.job.link.name}")
            self._fault.__cause__ = _bare(error)
        finally:
            self._writes += self._kernel.writes - writes
            self._tc_writes += _tc_writes(self._kernel) - tc_writes
            if not self.is_open:
                self._held.close()

    def done(self) -> Done:
        drifts = self._decision.drifts if self._decision is not None else ()
        return Done(
            self.job, self._report, self._fault, drifts, self._tc_writes, self._writes, self._programs
        )

    # --- stages ---------------------------------------------------------------------------------------

    def look(self) -> None:
        self._around.refuse_netns_exec()
        self._decide()

    def lock(self, patience: float) -> None:
        """Another polc may have come first: looks under the lock."""
        self._around.refuse_netns_exec()
        around = self._around.at(self.job.request)
        index = self.job.link.index
        self._held.enter_context(self._kernel.host.locked(around.cookie, index, patience))
        decision = self._decide()
        if decision.plan:
            passing = self._around
            site = Site(self._kernel, self.job.link, self._gates, around, passing.known, passing.frozen)
            self._work = Work(site, decision.standing, decision.change, self._held, pinned=not decision.wrong)

    def begin(self, late: BpfError | None) -> None:
        """The verifier is at it while other jobs are worked on."""
        assert self._work is not None, "a job that is still open was decided to be worked on"
        assert self._decision is not None, "decided under the lock"
        if late is not None and not self._work.at_rest:
            raise late
        self._work.begin(self.job.pair, self._decision.wish.config)

    def install(self) -> None:
        assert self._work is not None, "as in `begin`"
        with ExitStack() as until, Rollback() as undo:
            self._work.prepare(undo, until)
            self._work.commit()
            undo.keep()
        self._in_force = True

    def finish(self, late: BpfError | None) -> None:
        assert self._work is not None, "as in `begin`"
        assert self._decision is not None, "as in `begin`"
        left = self._work.tidy(f"no grace period: {late.strerror}" if late is not None else "")
        reading = self._read_back()
        standing = judge(reading)
        left += self._work.tidy_pins(standing, self._decision.stale)
        self._answer(self._decision, reading, standing, left)

    def _decide(self) -> Decision:
        """Looks; the job is done when there is nothing to do, or nothing is to be done."""
        self._decision = decision = look(self._asked, self._held)
        if not decision.plan or self.job.request.dry_run:
            self._answer(decision, decision.reading, judge(decision.reading))
        return decision

    def _read_back(self) -> Reading:
        """After a change, what cannot be read is no `nothing was changed`."""
        name = self.job.link.name
        try:
            return read(self._kernel, self.job.link, self._gates, known=self._around.known)
        except CannotError as error:
            raise NotInForce(
                f"attached to {name}, but what is in force there could not be read back: {error.message}",
                "see `polc status`",
            ) from error

    def _answer(
        self, decision: Decision, reading: Reading, standing: Standing, left: tuple[str, ...] = ()
    ) -> None:
        request, around = self.job.request, self._around.at(self.job.request)
        status = describe(reading, standing, around.cookie)
        if not request.dry_run and not (status.in_force and status.identity == self.job.pair.identity.hex()):
            raise NotInForce(
                f"after attaching, {status.interface} is {status.summary}",
                "see `polc status`; another program may be changing the same interface",
                status.facts,
            )
        self._programs = _remembered(reading, self._around.known)
        self._report = AttachReport(
            changed=self._in_force,
            dry_run=request.dry_run,
            drifts=decision.drifts,
            plan=decision.plan,
            notes=(*decision.change.notes, *left, *_stacked(around)),
            status=status,
        )


def _remembered(reading: Reading, known: Known) -> tuple[FoundGate | Policy, ...]:
    """What was read, but what it would take much memory to remember."""
    gates = [known.gates[gate.runner.program] for gate in reading.gates]
    slots = [one for core in reading.cores.values() for one in core.contents if isinstance(one, Policy)]
    policies = {one.program: one for one in slots if len(one.provenance) <= _REMEMBERED}
    return (*gates, *policies.values())


def _bare(error: _Fault) -> _Fault:
    """Without the frames it came through: they would keep their descriptors open as long as it lives or,
    where they keep it too, until the garbage collector comes."""
    chain: BaseException | None = error
    while chain is not None:
        chain.__traceback__ = None
        chain = chain.__cause__ or chain.__context__
    return error


def _stacked(around: Surroundings) -> tuple[str, ...]:
    if not around.stacked:
        return ()
    root = around.place.root
    return (
        f"{around.stacked} more bpf filesystem(s) are mounted at {root}, one over the other: pins are hidden",
    )


def _tc_writes(kernel: Kernel) -> int:
    made: Counter[str] = kernel.bpf.writes
    return len(kernel.net.writes) + sum(made[one] for one in _TCX_WRITES)
