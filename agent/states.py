"""What the agent says of itself and of each interface: shapes, and how they follow from what was read.

The kernel is the witness: `state_of` looks at what was read back first, and at the agent's own books only for
what cannot be read there (what is wanted, why it is late, when it is tried again). A doubt in the books never
turns an interface that enforces into one that does not; a reading that failed is `unknown`, never `absent`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..runtime.flows import Fill
from ..runtime.standing import State as Found
from ..runtime.status import SHORT_IDENTITY, InterfaceStatus

AGENT_VERSION: Final = 1


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Enforcing(_Shape):
    """What is wanted is in force (or what is in force is wanted by nobody, and nothing else is).

    bypass: foreign programs that may decide first and that the settings do not allow. note: what is wrong
    all the same and does not change what is in force ("" = nothing).
    """

    state: Literal["enforcing"] = "enforcing"
    identity: str
    generation: int
    bypass: tuple[str, ...] = ()
    note: str = ""


class Pending(_Shape):
    """A whole pair is in force, and another one is wanted. wanted: None while there is no pair of it yet.

    next_try: seconds from now, 0 = it is due; None = not before the input or the device changes.
    """

    state: Literal["pending"] = "pending"
    identity: str
    generation: int
    wanted: str | None
    reason: str
    next_try: float | None
    bypass: tuple[str, ...] = ()


class NotEnforcing(_Shape):
    """No pair is in force. `reason` says what the kernel shows, then what the agent knows of why."""

    state: Literal["not-enforcing"] = "not-enforcing"
    reason: str
    next_try: float | None


class Unknown(_Shape):
    """The kernel did not let us look, or was not asked yet."""

    state: Literal["unknown"] = "unknown"
    reason: str
    next_try: float | None


State = Annotated[Enforcing | Pending | NotEnforcing | Unknown, Field(discriminator="state")]
STATES: Final = ("enforcing", "pending", "not-enforcing", "unknown")


class InterfaceHealth(_Shape):
    """One interface that is there and concerns the agent.

    endpoint: "NAMESPACE/NAME" (a HostEndpoint: "NAME"); None = it carries a gate, and nothing wants it.
    seconds: since it is in this state. attempts: failed ones in a row. drift: by class, how often it was
    found so since the agent started. tc_writes, swaps: done to it since then. flows: its flow table at the
    last count, None = not counted.
    plan: what is to be done and was not, a line each: put off for now, or in a dry run.
    """

    interface: str
    ifindex: int
    endpoint: str | None
    state: State
    seconds: float
    attempts: int = 0
    tc_writes: int = 0
    swaps: int = 0
    drift: dict[str, int] = {}
    flows: Fill | None = None
    plan: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return isinstance(self.state, Enforcing) and not self.state.bypass


class Awaited(_Shape):
    """An endpoint whose interface is not there: no fault, nothing to enforce; its arrival wakes the agent."""

    interface: str
    endpoint: str


class InputsHealth(_Shape):
    """The files. number: of the newest revision read; in_use: of the one whose endpoints are wanted.

    Both are 0 when there is none. problems: why the newest is not in use, or endpoints that can be given
    no interface, a line each (at most `PROBLEMS_MAX`); what ran before stays.
    """

    state: Literal["none", "reading", "in-use", "refused"]
    number: int
    in_use: int
    digest: str = ""
    endpoints: int = 0
    problems: tuple[str, ...] = ()


class WorkerHealth(_Shape):
    """The compiler's process. pending: endpoints it still has to compile. next_start: seconds, if waiting."""

    state: Literal["not-started", "idle", "compiling", "waiting"]
    restarts: int = 0
    pending: int = 0
    next_start: float | None = None
    reason: str = ""


class BreakerHealth(_Shape):
    """The limit of tc writes a second. open: writes are being held back, `reason` says since when and why."""

    open: bool = False
    trips: int = 0
    reason: str = ""


class Totals(_Shape):
    """What the agent did since it started, over all interfaces, those that are gone included.

    reconciles: of one interface each. writes: changes of kernel state of any kind. retries: attempts that
    followed a failed one.
    """

    reconciles: int = 0
    writes: int = 0
    tc_writes: int = 0
    swaps: int = 0
    failures: int = 0
    retries: int = 0
    drift: dict[str, int] = {}


class AgentReport(_Shape):
    """`/status`, and what the metrics are made of.

    phase: "starting" until every interface was looked at once. heartbeat: seconds since the loop last came
    round. uptime: seconds. netns_cookie: the namespace it works in.
    """

    version: Literal[1] = AGENT_VERSION
    node: str
    netns_cookie: int
    phase: Literal["starting", "running", "stopping"]
    uptime: float
    heartbeat: float
    inputs: InputsHealth
    worker: WorkerHealth
    breaker: BreakerHealth
    totals: Totals
    interfaces: tuple[InterfaceHealth, ...]
    awaited: tuple[Awaited, ...] = ()


PROBLEMS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Goal:
    """The agent's books on one interface. identity: of the pair wanted, None = there is none (yet).

    fault: why it is not in force, or what went wrong last ("" = nothing known). next_try: as in `Pending`.
    """

    identity: str | None = None
    fault: str = ""
    next_try: float | None = None


def state_of(
    seen: InterfaceStatus | None, goal: Goal, doubt: str = "", allowed: Collection[str] = ()
) -> Enforcing | Pending | NotEnforcing | Unknown:
    """The state of one interface. Pure.

    seen: the last reading; None = there is none, and `doubt` says why. allowed: foreign programs that may run
    first, by name.
    """
    if seen is None:
        return Unknown(reason=doubt or "not looked at yet", next_try=goal.next_try)
    when = 0.0 if goal.identity is not None and not goal.fault else goal.next_try
    if seen.state is Found.OTHER_VERSION:  # its gates may enforce what this version cannot read
        return Unknown(reason=_shown(seen), next_try=when)
    if not seen.in_force or seen.identity is None:
        reason = "; ".join(part for part in (_shown(seen), goal.fault) if part)
        return NotEnforcing(reason=reason, next_try=when)
    bypass = tuple(name for name in seen.bypass if name not in allowed)
    late = goal.identity != seen.identity if goal.identity is not None else bool(goal.fault)
    if not late:
        return Enforcing(identity=seen.identity, generation=seen.generation, bypass=bypass, note=goal.fault)
    return Pending(
        identity=seen.identity,
        generation=seen.generation,
        wanted=goal.identity,
        reason=goal.fault or "not done yet",
        next_try=when,
        bypass=bypass,
    )


def _shown(seen: InterfaceStatus) -> str:
    """What the kernel shows on an interface where no pair is in force."""
    if seen.state in (Found.NOT_ARMED, Found.CLOSED):
        return seen.summary
    return "; ".join(seen.facts) or str(seen.state)


def described(state: Enforcing | Pending | NotEnforcing | Unknown) -> str:
    """One line for people, such as `enforcing 012…, generation 3; 89a… pending: reason, next try in 4 s`."""
    if isinstance(state, Enforcing):
        return _enforcing(state) + (f" ({state.note})" if state.note else "")
    if isinstance(state, Pending):
        wanted = state.wanted[:SHORT_IDENTITY] if state.wanted else "another policy"
        return f"{_enforcing(state)}; {wanted} pending: {state.reason}, {_when(state.next_try)}"
    head = "not enforcing" if isinstance(state, NotEnforcing) else "unknown"
    return f"{head}: {state.reason}, {_when(state.next_try)}"


def _enforcing(state: Enforcing | Pending) -> str:
    line = f"enforcing {state.identity[:SHORT_IDENTITY]}, generation {state.generation}"
    return f"{line}, may be bypassed by {', '.join(state.bypass)}" if state.bypass else line


def _when(next_try: float | None) -> str:
    if next_try is None:
        return "not tried again before the input or the device changes"
    return f"next try in {next_try:.1f} s" if next_try > 0 else "due now"


class Readiness(StrEnum):
    """`/readyz`: one bad endpoint degrades the node, it does not fail it."""

    READY = "ready"
    DEGRADED = "degraded"
    NOT_READY = "not-ready"


def readiness(report: AgentReport) -> tuple[Readiness, tuple[str, ...]]:
    """How ready the node is, and why not more, a line each."""
    if report.phase != "running":
        return Readiness.NOT_READY, (f"the agent is {report.phase}",)
    if report.inputs.in_use == 0:
        return Readiness.NOT_READY, ("no revision of the files is in use", *report.inputs.problems)
    reasons = [f"{one.interface}: {described(one.state)}" for one in report.interfaces if not one.good]
    refused = f"revision {report.inputs.number} is refused: " if report.inputs.state == "refused" else ""
    reasons += [f"{refused}{one}" for one in report.inputs.problems]
    if report.worker.state == "waiting":
        reasons.append(f"the compiler's process is down: {report.worker.reason}")
    if report.breaker.open:
        reasons.append(f"tc writes are held back: {report.breaker.reason}")
    return (Readiness.DEGRADED if reasons else Readiness.READY), tuple(reasons)
