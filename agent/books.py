"""The agent's books outside the interfaces: which revision of the files, what the compiler is at, since when.

From these, the node's records and the clock the one report is made that `/status`, the metrics, the log and
`--once` all show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal

from ..runtime.drift import Drift
from .breaker import Breaker
from .endpoint import UNCOMPILED, Record, Sums
from .logs import Changes
from .node import Node
from .states import (
    PROBLEMS_MAX,
    AgentReport,
    Awaited,
    BreakerHealth,
    Enforcing,
    Goal,
    InputsHealth,
    InterfaceHealth,
    Pending,
    State,
    Totals,
    WorkerHealth,
    described,
    state_of,
)

Phase = Literal["starting", "running", "stopping"]


@dataclass(slots=True)
class Inputs:
    """revision: of the newest reading that was submitted. in_use: the one whose endpoints are wanted.

    unreadable, refused: why the newest is not in use, in the words of the reader and of the compiler.
    unplaced: endpoints without an interface, a line each.
    """

    revision: int = 0
    in_use: int = 0
    digest: str = ""
    endpoints: int = 0
    unreadable: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        return self.unreadable or self.refused

    def health(self) -> InputsHealth:
        state: Literal["none", "reading", "in-use", "refused"]
        if self.problems:
            state = "refused"
        elif self.revision == self.in_use:
            state = "in-use" if self.in_use else "none"
        else:
            state = "reading"
        return InputsHealth(
            state=state,
            number=self.revision,
            in_use=self.in_use,
            digest=self.digest,
            endpoints=self.endpoints,
            problems=(self.problems or self.unplaced)[:PROBLEMS_MAX],
        )


@dataclass(slots=True)
class Worker:
    """restarts: of the compiler's process. pending: endpoints that it has not answered for yet.

    again: when the next process is started, None while one runs or none is needed.
    """

    started: bool = False
    restarts: int = 0
    pending: int = 0
    again: float | None = None
    reason: str = ""

    def health(self, now: float) -> WorkerHealth:
        state: Literal["not-started", "idle", "compiling", "waiting"]
        if self.again is not None and now < self.again:
            state = "waiting"
        elif not self.started:
            state = "not-started"
        else:
            state = "compiling" if self.pending else "idle"
        waiting = state == "waiting" and self.again is not None
        return WorkerHealth(
            state=state,
            restarts=self.restarts,
            pending=self.pending,
            next_start=self.again - now if waiting and self.again is not None else None,
            reason=self.reason if waiting else "",
        )


@dataclass(frozen=True, slots=True)
class _Told:
    """What was said of an interface last, what it was made of, and since when it is in that state."""

    key: tuple[object, ...]
    health: InterfaceHealth
    since: float


@dataclass(slots=True)
class Books:
    """node_name: as the settings say it. began: when the agent started, by its clock."""

    node_name: str
    cookie: int
    began: float
    allowed: Collection[str] = ()
    phase: Phase = "starting"
    inputs: Inputs = field(default_factory=Inputs)
    worker: Worker = field(default_factory=Worker)
    _told: dict[str, _Told] = field(default_factory=dict)

    def report(self, node: Node | None, now: float) -> AgentReport:
        """Everything, as of now; node None: before the first look."""
        records = sorted(node.records.values(), key=lambda one: one.interface) if node is not None else []
        there = [one for one in records if one.link is not None]
        away = [one for one in records if one.link is None]
        for name in self._told.keys() - {one.interface for one in there}:
            del self._told[name]
        return AgentReport(
            node=self.node_name,
            netns_cookie=self.cookie,
            phase=self.phase,
            uptime=now - self.began,
            heartbeat=0.0,
            inputs=self.inputs.health(),
            worker=self.worker.health(now),
            breaker=_breaker(node.breaker, now) if node is not None else BreakerHealth(),
            totals=_totals(node.sums) if node is not None else Totals(),
            interfaces=tuple(self._interface(one, now) for one in there),
            awaited=tuple(Awaited(interface=one.interface, endpoint=one.endpoint) for one in away),
        )

    def _interface(self, record: Record, now: float) -> InterfaceHealth:
        """Made anew only when something of it changed or is to come: most rest most of the time."""
        goal, before = record.goal(now), self._told.get(record.interface)
        key = _key(record, goal)
        if before is not None and before.key == key and goal.next_try is None:
            return before.health.model_copy(update={"seconds": now - before.since})
        seen = None if record.doubt else record.status
        state = state_of(seen, goal, record.doubt, self.allowed)
        same = before is not None and kind_of(before.health.state) == kind_of(state)
        since = before.since if before is not None and same else now
        health = InterfaceHealth(
            interface=record.interface,
            ifindex=record.link.index if record.link is not None else 0,
            endpoint=record.endpoint or None,
            state=state,
            seconds=now - since,
            attempts=record.attempts,
            tc_writes=record.counts.tc_writes,
            swaps=record.counts.swaps,
            drift=_by_name(record.counts.drifts),
            flows=record.flows,
            plan=record.plan,
        )
        self._told[record.interface] = _Told(key, health, since)
        return health


def _key(record: Record, goal: Goal) -> tuple[object, ...]:
    """All that an interface's health is made of, cheap to compare."""
    seen, counts = record.status, record.counts
    read = (seen.state, seen.identity, seen.generation, seen.bypass, seen.facts) if seen is not None else None
    done = counts.tc_writes, counts.swaps, counts.drifts.total(), record.attempts
    return read, record.doubt, goal, record.endpoint, record.link, done, record.flows, record.plan


_INTERFACE: Final = "interface"


def kind_of(state: State) -> str:
    """What makes a state another one: not the seconds to the next try."""
    match state:
        case Enforcing():
            return f"enforcing {state.identity} {state.bypass} {state.note}"
        case Pending():
            return f"pending {state.identity} {state.wanted} {state.bypass} {state.reason}"
        case _:
            return f"{state.state} {state.reason}"


def tell(report: AgentReport, changes: Changes) -> None:
    """Logs what is another than in the last report that was told.

    A swap is no news of an interface but of the files: a revision that touches five hundred is one line.
    """
    revision = report.inputs.in_use
    if revision:
        changes.state(
            "revision", str(revision), "revision", number=revision, endpoints=report.inputs.endpoints
        )
    for one in report.interfaces:
        about, where = (
            (_INTERFACE, one.interface),
            {"interface": one.interface, "endpoint": one.endpoint or "-"},
        )
        if changes.told(about, one.state) and one.good:
            continue
        if isinstance(one.state, Enforcing) and one.good:
            facts = one.state.model_dump(include={"identity", "generation", "note"}, exclude_defaults=True)
            changes.state(about, one.state.note, "enforcing", **facts, **where)
            changes.over(about, "right again", **where)
        elif not _steady(one.state).endswith(UNCOMPILED):  # the compiler is at work
            changes.failure(about, _steady(one.state), one.state.state, **where)
    changes.retain(_INTERFACE, {one.interface for one in report.interfaces})
    for number, problem in enumerate(report.inputs.problems):
        changes.failure(("input", number), problem, "a problem of the input")
    for number in range(len(report.inputs.problems), PROBLEMS_MAX):
        changes.over(("input", number), "a problem of the input is over")
    if report.breaker.open:
        changes.failure("breaker", "tc writes are held back", "breaker open", trips=report.breaker.trips)
    else:
        changes.over("breaker", "breaker closed")


def _steady(state: State) -> str:
    """What is wrong, without the seconds to the next try."""
    return described(state) if isinstance(state, Enforcing) else state.reason


def _breaker(breaker: Breaker, now: float) -> BreakerHealth:
    seconds = breaker.closes_in(now)
    reason = (
        f"more than {breaker.rate:g} tc writes a second, and {breaker.burst:g} at once;"
        f" goes on in {seconds:.1f} s"
    )
    return BreakerHealth(open=breaker.open, trips=breaker.opened, reason=reason if breaker.open else "")


def _totals(sums: Sums) -> Totals:
    return Totals(
        reconciles=sums.reconciles,
        writes=sums.writes,
        tc_writes=sums.tc_writes,
        swaps=sums.swaps,
        failures=sums.failures,
        retries=sums.retries,
        drift=_by_name(sums.drifts),
    )


def _by_name(drifts: Counter[Drift]) -> dict[str, int]:
    return {str(one): drifts[one] for one in sorted(drifts)}
