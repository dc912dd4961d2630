"""One interface's record: what is wanted there, what was read back, what was tried, when to look again.

Plain data and the rules that change it; no clock, no kernel. Times are seconds of the agent's monotonic
clock. What is reported is always the last read-back, never what was done (I9).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ..pair.object import ObjectPair
from ..runtime.bpf import HookState
from ..runtime.drift import Drift
from ..runtime.errors import ObjectFault, RuntimeFault
from ..runtime.flows import Fill
from ..runtime.gate import FoundGate
from ..runtime.hooks import Mode
from ..runtime.netlink import Link
from ..runtime.policy import Policy
from ..runtime.standing import State as Found
from ..runtime.status import InterfaceStatus
from .backoff import Backoff, Chance
from .states import Goal

# What only a write at a tc hook mends. (FOREIGN_FIRST is reported; nothing is done about it.)
TC_WORK: Final = frozenset(
    {
        Drift.BOTH_MISSING,
        Drift.ONE_HOOK_MISSING,
        Drift.GATE_VERSION,
        Drift.FOREIGN_MAP,
        Drift.STALE_DUPLICATE,
        Drift.DEVICE_RECREATED,
        Drift.DEVICE_MOVED,
    }
)
UNCOMPILED: Final = "no policy was compiled for it yet"
FREE_REPAIRS: Final = 3  # repairs in a row that are made at once
CALM: Final = 60.0  # seconds in which nothing had to be mended, after which repairs are made at once again


class Task(StrEnum):
    """What to do with an interface whose turn has come."""

    APPLY = "apply"  # reconcile: writes when something is wrong
    OBSERVE = "observe"  # read only: nothing to bring into force, or not yet time to try again


@dataclass(frozen=True, slots=True)
class Place:
    """What the inventory places on an interface. endpoint: `NS/NAME`, or a host's `NAME`."""

    endpoint: str
    mode: Mode = Mode.WORKLOAD


@dataclass(slots=True)
class Sums:
    """What was done since the start, over all interfaces, those that are gone included."""

    reconciles: int = 0
    writes: int = 0
    tc_writes: int = 0
    swaps: int = 0
    failures: int = 0
    retries: int = 0
    drifts: Counter[Drift] = field(default_factory=Counter)


@dataclass(slots=True)
class Counts:
    """What happened at one interface since the agent started. drifts: looks at which a class was found."""

    tc_writes: int = 0
    swaps: int = 0
    drifts: Counter[Drift] = field(default_factory=Counter)


@dataclass(slots=True, eq=False)
class Record:
    """interface: its name. endpoint: `NS/NAME` or a host's `NAME`; "" while none is wanted there.

    link: the device, None while there is none. pair: what is wanted in force. obstacle: why the newest policy
    has no pair for it (findings with file:line:col), "" when it has.
    status: the last read-back, None before the first. doubt: why the last look failed, "" when it did not.
    fault: why the last try failed. attempts: failures in a row. next_try: when the next comes; None with a
    fault: not before the pair or the device is another one. good: the last pair that was seen in force.
    attached: it was brought right since it is there. repairs: after that, in a row. rest: no tc write before
    then, since somebody keeps breaking it.
    due: when to look next, None = only when something happens. urgent: something did, so that its turn comes
    before updates. hooks: its tcx hooks as they were at the last
    look. lasting: what the last look found that attaching does nothing about. plan: what is to be done and
    was not (a dry run, or put off). programs: its gates and policies as reconciling read them last. flows:
    its flow table when it was last counted, at `counted`.
    """

    interface: str
    endpoint: str = ""
    mode: Mode = Mode.WORKLOAD
    link: Link | None = None
    pair: ObjectPair | None = field(default=None, repr=False)
    obstacle: str = ""
    status: InterfaceStatus | None = field(default=None, repr=False)
    doubt: str = ""
    fault: RuntimeFault | None = None
    attempts: int = 0
    next_try: float | None = None
    good: ObjectPair | None = field(default=None, repr=False)
    due: float | None = None
    urgent: bool = False
    looked: float | None = None
    repairs: int = 0
    rest: float = 0.0
    attached: bool = False
    hooks: tuple[HookState | None, ...] = ()
    lasting: set[Drift] = field(default_factory=set)
    plan: tuple[str, ...] = ()
    programs: tuple[FoundGate | Policy, ...] = field(default=(), repr=False)
    flows: Fill | None = None
    counted: float | None = None
    counts: Counts = field(default_factory=Counts)

    @property
    def identity(self) -> str | None:
        """The identity wanted, in hex."""
        return None if self.pair is None else self.pair.identity.hex()

    @property
    def in_force(self) -> str | None:
        """The identity that the last read-back found in force, in hex."""
        return self.status.identity if self.status is not None and self.status.in_force else None

    @property
    def bare(self) -> bool:
        """Whether the last read-back found nothing of ours."""
        return self.status is not None and self.status.state is Found.ABSENT

    @property
    def permanent(self) -> bool:
        """Whether the wanted pair itself is at fault: trying it again would only give the same."""
        return isinstance(self.fault, ObjectFault)

    @property
    def target(self) -> ObjectPair | None:
        """What to bring into force: the wanted pair; while that one cannot be, the last one that could."""
        return self.good if self.permanent else self.pair

    @property
    def differs(self) -> bool:
        """Whether the last look found something else in force than what is to be brought into force."""
        target = self.target
        return self.status is not None and target is not None and self.in_force != target.identity.hex()

    def goal(self, now: float) -> Goal:
        """The books on this interface, as its state is told from them."""
        if not self.endpoint:
            return Goal()
        if self.obstacle:
            return Goal(None, self.obstacle, None)
        if self.pair is None:
            return Goal(None, UNCOMPILED, None)
        if self.fault is not None:
            later = None if self.permanent or self.next_try is None else max(0.0, self.next_try - now)
            return Goal(self.identity, self.fault.message, later)
        if now < self.rest:
            times = f"mended {self.repairs} times in a row: somebody keeps breaking it"
            return Goal(self.identity, times, self.rest - now)
        return Goal(self.identity)

    # --- what is wanted, and what is there ----------------------------------------------------------

    def belong(self, place: Place | None, now: float) -> None:
        """The inventory places an endpoint here, or none any more: then what is in force stays."""
        endpoint, mode = (place.endpoint, place.mode) if place is not None else ("", self.mode)
        if (endpoint, mode) == (self.endpoint, self.mode):
            return
        self.endpoint, self.mode = endpoint, mode
        self.pair = self.good = None
        self.obstacle = ""
        self._start_anew(now)

    def want(self, pair: ObjectPair, now: float) -> None:
        """A pair is wanted. Another one than before is tried at once, whatever failed before."""
        self.obstacle = ""
        if self.pair is None or not _same(self.pair, pair):
            self.pair = pair
            self._start_anew(now)

    def place(self, link: Link | None, now: float) -> None:
        """The device is there, is another one, or is gone (None), which is no fault."""
        before, self.link = self.link, link
        if link is not None and before is not None and link.index == before.index:
            return
        self.status, self.doubt, self.hooks, self.plan, self.flows = None, "", (), (), None
        self.repairs, self.rest, self.attached = 0, 0.0, False
        self._start_anew(now)

    def _start_anew(self, now: float) -> None:
        self.fault, self.attempts, self.next_try = None, 0, None
        self.due = now if self.link is not None else None

    def look(self, now: float, pause: float) -> None:
        """Something happened: look, but not within `pause` seconds of the last look."""
        if self.link is not None:
            self.urgent = True
            soonest = now if self.looked is None else max(now, self.looked + pause)
            self.due = soonest if self.due is None else min(self.due, soonest)

    def task(self, now: float) -> Task:
        """Whether a turn at `now` is for trying, or for looking only."""
        if not self.endpoint or self.target is None or (self.next_try is not None and now < self.next_try):
            return Task.OBSERVE
        return Task.APPLY

    # --- what came of a turn ------------------------------------------------------------------------

    def seen(self, status: InterfaceStatus) -> None:
        """A look that succeeded."""
        self.status, self.doubt = status, ""

    def succeeded(self, pair: ObjectPair, status: InterfaceStatus) -> None:
        """The pair is in force, as read back. The fault of a wanted pair stands when it is another one."""
        self.seen(status)
        self.good, self.next_try = pair, None
        self.attached = True
        if pair is self.pair:
            self.fault, self.attempts = None, 0

    def failed(
        self, pair: ObjectPair, fault: RuntimeFault, backoff: Backoff, chance: Chance, now: float
    ) -> None:
        """A try failed: tried again later, or never when the wanted pair itself is at fault."""
        self.attempts += 1
        if pair is self.pair:
            self.fault = fault
        final = pair is self.pair and self.permanent
        self.next_try = None if final else now + backoff.delay(self.attempts, chance)

    def mended(self, found: Collection[Drift], backoff: Backoff, chance: Chance, now: float) -> None:
        """`found` was put right. Who breaks it again and again finds us slower each time."""
        if TC_WORK.isdisjoint(found) or not self.attached:
            return
        if now > self.rest + CALM:
            self.repairs = 0
        self.repairs += 1
        extra = self.repairs - FREE_REPAIRS + 1
        self.rest = now + (backoff.delay(extra, chance) if extra > 0 else 0.0)


def _same(one: ObjectPair, other: ObjectPair) -> bool:
    """Whether these are the same objects, text and all; equal identities alone may differ in their lines."""
    return one is other or (one.ingress.data, one.egress.data) == (other.ingress.data, other.egress.data)
