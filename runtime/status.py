"""What is in force on each interface, as a report with a fixed shape; from the kernel alone.

Nothing here depends on pins, files or what this process did before: another process, with every pin path
hidden, reports the same.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from ..pair.layout import Direction
from .errors import GoneError, cannot
from .gate import Gates
from .hooks import Mechanism, Mode, Runner, TcHook
from .interface import find_interface
from .kernel import Kernel
from .netlink import Link
from .policy import Policy
from .readback import Reading, read
from .standing import Standing, State, judge

STATUS_VERSION: Final = 1
SHORT_IDENTITY: Final = 12  # hex digits, as people read them


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProgramStatus(_Shape):
    """One thing that runs on a hook, in running order. role: "gate" is ours and in use, "surplus" ours and in
    excess, "before" and "after" are foreign, seen from our gate ("foreign" where there is none)."""

    role: Literal["gate", "surplus", "before", "after", "foreign"]
    name: str
    program: int
    mechanism: Mechanism
    place: str


class HookStatus(_Shape):
    """One tc hook. policy: which direction's policy is judged there, when a gate is."""

    hook: Literal["ingress", "egress"]
    policy: Literal["ingress", "egress"] | None
    programs: tuple[ProgramStatus, ...]


class PolicyStatus(_Shape):
    """One direction's program in force. sources: SHA-256 in hex of each policy file it was compiled from."""

    direction: Literal["ingress", "egress"]
    program: int
    identity: str
    generation: int
    rules: int
    sources: dict[str, str]


class InterfaceStatus(_Shape):
    """One interface. summary: the state in one line. facts: why it is so. notes: what does not change it."""

    interface: str
    ifindex: int
    netns_cookie: int
    state: State
    summary: str
    identity: str | None
    endpoint: str | None
    generation: int
    mode: Mode | None
    policies: tuple[PolicyStatus, ...]
    hooks: tuple[HookStatus, ...]
    bypass: tuple[str, ...]
    facts: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def in_force(self) -> bool:
        return self.state in (State.ENFORCING, State.BYPASSABLE)


class StatusReport(_Shape):
    """`polc status --format json`."""

    version: Literal[1] = STATUS_VERSION
    interfaces: tuple[InterfaceStatus, ...]


def status(kernel: Kernel, interface: str | None = None, gates: Gates | None = None) -> StatusReport:
    """The report on one interface, or on every one that carries a gate of ours.

    Raises CannotError when the kernel does not let us look, GoneError for an unknown interface.
    """
    known = gates or Gates()
    if interface is not None:
        return StatusReport(interfaces=(interface_status(kernel, find_interface(kernel, interface), known),))
    try:
        links = kernel.net.links()
    except OSError as error:
        raise cannot(error, "list the interfaces") from error
    every = [found for link in links if (found := _unless_gone(kernel, link, known)) is not None]
    return StatusReport(interfaces=tuple(one for one in every if one.state is not State.ABSENT))


def _unless_gone(kernel: Kernel, link: Link, gates: Gates) -> InterfaceStatus | None:
    """None for an interface that went away between the list and the look."""
    try:
        return interface_status(kernel, link, gates)
    except GoneError:
        return None


def interface_status(kernel: Kernel, link: Link, gates: Gates | None = None) -> InterfaceStatus:
    """Reads one interface and says what is in force."""
    reading = read(kernel, link, gates)
    return describe(reading, judge(reading), kernel.host.cookie())


def describe(reading: Reading, standing: Standing, netns_cookie: int) -> InterfaceStatus:
    """The report on one reading."""
    policies = standing.policies or ()
    tables = [one.table() for one in policies]
    endpoints = [table.endpoint for table in tables if table is not None]
    return InterfaceStatus(
        interface=reading.link.name,
        ifindex=reading.link.index,
        netns_cookie=netns_cookie,
        state=standing.state,
        summary=summary(standing),
        identity=standing.identity,
        endpoint=endpoints[0] if endpoints else None,
        generation=standing.generation,
        mode=standing.mode,
        policies=tuple(
            _policy(direction, one) for direction, one in zip(Direction, policies, strict=bool(policies))
        ),
        hooks=tuple(_hook(reading, standing, hook) for hook in TcHook),
        bypass=tuple(runner.name for runner in standing.bypass),
        facts=standing.facts,
        notes=standing.notes,
    )


def summary(standing: Standing) -> str:
    """One line for people."""
    if standing.in_force and standing.identity is not None:
        line = f"enforcing {standing.identity[:SHORT_IDENTITY]}, generation {standing.generation}"
        if standing.bypass:
            return f"{line}, may be bypassed by {', '.join(_called(one) for one in standing.bypass)}"
        return line
    return {
        State.NOT_ARMED: "not armed: everything passes",
        State.CLOSED: "closed: everything is dropped until a policy is in force",
        State.OTHER_VERSION: f"unknown: {'; '.join(standing.facts)}",
    }.get(standing.state, f"not enforcing: {'; '.join(standing.facts)}")


def _policy(direction: Direction, found: Policy) -> PolicyStatus:
    table = found.table()
    return PolicyStatus(
        direction=_word(direction),
        program=found.program,
        identity=found.identity,
        generation=found.config.generation,
        rules=sum(rule.in_force for rule in table.rules) if table is not None else 0,
        sources=dict(table.sources) if table is not None else {},
    )


def _hook(reading: Reading, standing: Standing, hook: TcHook) -> HookStatus:
    gate = next((one for one in standing.gates.values() if one.runner.hook is hook), None)
    earlier = set(reading.before(gate)) if gate is not None else set()
    surplus = {one.runner for one in standing.surplus}

    def role(runner: Runner) -> Literal["gate", "surplus", "before", "after", "foreign"]:
        if runner in surplus:
            return "surplus"
        if gate is None:
            return "foreign"
        if runner == gate.runner:
            return "gate"
        return "before" if runner in earlier else "after"

    programs = tuple(
        ProgramStatus(
            role=role(runner),
            name=_called(runner),
            program=runner.program,
            mechanism=runner.mechanism,
            place=runner.place,
        )
        for runner in reading.hooks[hook]
    )
    return HookStatus(hook=_word(hook), policy=_word(gate.direction) if gate else None, programs=programs)


def _called(runner: Runner) -> str:
    return runner.name or f"program {runner.program}"


def _word(of: Direction | TcHook) -> Literal["ingress", "egress"]:
    return "ingress" if of == 0 else "egress"
