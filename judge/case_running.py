"""Runs test cases: each packet through the policies of both ends, state kept from step to step of a case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from ..compiler.model import parse_packet
from ..compiler.source import CompileError, Diagnostics, Span
from ..pair.packet import PORT_PROTOCOLS
from . import codes
from .cases import Case, Expected, Send, VerdictWord, Wait
from .compiled import Policies, Whom
from .coverage import Coverage
from .deciders import Deciders, resolved_deciders
from .ends import EndsError, addresses, ends_of
from .engines import EngineName, Panel
from .packets import EPHEMERAL, Address, Wanted, echo_type
from .replaying import decider_of
from .walking import Shape


class Decision(Shape):
    """What one end said of a packet. rule, at: what decided there, `` when nothing had to."""

    endpoint: str
    direction: str
    verdict: VerdictWord
    rule: str
    at: str


class StepResult(Shape):
    """One packet that was sent. failed: why it was not as expected, `` when it was."""

    at: str
    packet: str
    expected: VerdictWord
    verdict: VerdictWord
    decisions: tuple[Decision, ...]
    failed: str = ""


class CaseResult(Shape):
    """at: the place of the case's name. steps: every packet that was sent, also after one that failed."""

    name: str
    at: str
    passed: bool
    steps: tuple[StepResult, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case whose ends were found, and its first packet."""

    case: Case
    wanted: Wanted


def prepare(policies: Policies, cases: Sequence[Case], diagnostics: Diagnostics) -> tuple[Prepared, ...]:
    """Finds the ends of every case in the inventory; what is not there goes to the diagnostics."""
    found = []
    for case in cases:
        known = [
            _known(policies, side.whom, at, diagnostics)
            for side, at in ((case.source, case.source_at), (case.destination, case.destination_at))
        ]
        if not all(known):
            continue
        try:
            near, far = addresses(policies, case.source, case.destination, case.packet.version)
        except EndsError as error:
            hint = "give an end as a mapping of `endpoint` or `labels` and `address`"
            at = case.source_at if error.side is case.source else case.destination_at
            diagnostics.error(codes.ADDRESSES, str(error), at, hint=hint)
            continue
        found.append(Prepared(case, _wanted(case, near, far)))
    return tuple(found)


def _known(policies: Policies, whom: Whom | None, at: Span, diagnostics: Diagnostics) -> bool:
    try:
        if whom is not None:
            policies.judged(whom)
    except CompileError as error:
        for item in error.diagnostics:
            diagnostics.error(
                codes.END, item.message, item.span or at, expected=item.expected, hint=item.hint
            )
        return False
    return True


def _wanted(case: Case, source: Address, destination: Address) -> Wanted:
    packet = case.packet
    ports = packet.protocol in PORT_PROTOCOLS
    sport = EPHEMERAL if packet.sport is None else packet.sport
    return Wanted(
        packet.protocol,
        source,
        destination,
        sport if ports else 0,
        packet.port or 0,
        icmp_type=echo_type(source.version) if packet.icmp_type is None else packet.icmp_type,
        icmp_code=packet.icmp_code,
    )


class Runner:
    """The engines of every endpoint that the cases name. A context manager."""

    def __init__(self, policies: Policies, engines: tuple[EngineName, ...]) -> None:
        self._policies = policies
        self._engines = engines
        self._panels: dict[Whom, Panel] = {}
        self._deciders: dict[Whom, Deciders] = {}
        self._stack = ExitStack()
        self.coverage = Coverage(policies)

    def run(self, prepared: Prepared) -> CaseResult:
        """One case, without any flow at its start. Raises CompileError, CannotError."""
        for panel in self._panels.values():
            panel.forget()
        case = prepared.case
        steps = tuple(self._steps(prepared))
        return CaseResult(
            name=case.name, at=str(case.at), passed=not any(step.failed for step in steps), steps=steps
        )

    def _steps(self, prepared: Prepared) -> Iterator[StepResult]:
        now = 0
        for step in prepared.case.steps:
            if isinstance(step, Wait):
                now += step.milliseconds
            else:
                yield self._send(prepared, step, now)

    def _send(self, prepared: Prepared, step: Send, now: int) -> StepResult:
        packet = _packet(prepared.wanted, step)
        decisions, differences = self._judge(prepared.case, step, packet, now)
        verdict: VerdictWord = "allow" if all(one.verdict == "allow" for one in decisions) else "deny"
        return StepResult(
            at=str(step.at),
            packet=packet.text(),
            expected=step.expected.verdict,
            verdict=verdict,
            decisions=decisions,
            failed="; ".join(differences) or _failure(step.expected, verdict, decisions),
        )

    def _judge(
        self, case: Case, step: Send, wanted: Wanted, now: int
    ) -> tuple[tuple[Decision, ...], list[str]]:
        """Each end's word until one denies, and what the engines differ about."""
        sides = (case.source, case.destination) if step.forwards else (case.destination, case.source)
        frame = wanted.frame()
        packet = parse_packet(frame)
        decisions: list[Decision] = []
        differences: list[str] = []
        for end in ends_of(*sides):
            panel, deciders = self._panel(end.whom)
            answers = panel.step(end.direction, frame, packet, now)
            difference = panel.difference(end.direction, packet, answers)
            if difference:
                differences.append(f"{end.direction.word} of {end.whom}: {difference}")
            run = next(answer for answer in answers.values() if answer is not None)
            self.coverage.note(end.whom, end.direction, packet, run)
            decider = decider_of(run, deciders)
            decisions.append(
                Decision(
                    endpoint=str(end.whom),
                    direction=end.direction.word,
                    verdict="allow" if run.allowed else "deny",
                    rule=decider.rule,
                    at=decider.at,
                )
            )
            if not run.allowed:
                break
        return tuple(decisions), differences

    def _panel(self, whom: Whom) -> tuple[Panel, Deciders]:
        if whom not in self._panels:
            judged = self._policies.judged(whom)
            self._panels[whom] = self._stack.enter_context(Panel.of(judged, self._engines))
            self._deciders[whom] = resolved_deciders(judged.resolved)
        return self._panels[whom], self._deciders[whom]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _packet(first: Wanted, step: Send) -> Wanted:
    """What the step sends, given the case's first packet."""
    there, back = replace(first, flags=step.flags), first.answer(step.flags)
    if step.unreachable:
        return (back if step.forwards else there).unreachable()
    return there if step.forwards else back


def _failure(expected: Expected, verdict: VerdictWord, decisions: Sequence[Decision]) -> str:
    """Why the step is not as expected, `` when it is."""
    decided = ", ".join(_decided(one) for one in decisions if verdict in ("allow", one.verdict))
    if verdict != expected.verdict:
        return f"expected {expected.verdict}, but {decided}"
    missing = [rule for rule in expected.rules if not any(matches(rule, one) for one in decisions)]
    return f"expected {' and '.join(missing)} to decide, but {decided}" if missing else ""


def _decided(one: Decision) -> str:
    by = f" by {one.rule}" + (f" at {one.at}" if one.at else "") if one.rule else ""
    return f"{one.direction} of {one.endpoint} {'allows' if one.verdict == 'allow' else 'denies'}{by}"


def matches(rule: str, decision: Decision) -> bool:
    """Whether a case's `rule` means what decided: its name, its name without the kind, or its `file:line`."""
    names = {decision.rule, decision.rule.partition("/")[2], decision.at, decision.at.rpartition(":")[0]}
    return rule in names - {""}
