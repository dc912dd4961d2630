"""Which rules of the policies the packets that were judged have reached."""

from __future__ import annotations

from ..compiler.ir.nodes import Program
from ..compiler.model import Packet
from ..compiler.model.walk import Walk
from ..compiler.resolve.policies import policy_name
from ..pair.layout import Direction
from .compiled import Policies, Whom
from .deciders import Deciders, resolved_deciders
from .outcome import Run
from .walking import Shape, matching


class UntestedRule(Shape):
    rule: str
    at: str


class CoverageReport(Shape):
    """Every rule of a direction that its policy applies to counts once, whichever endpoint it judged for;
    those of staged policies do not, since they decide nothing.

    tested: rules that decided, logged or passed on for some packet. percent: 100 when there is no rule.
    """

    rules: int
    tested: int
    percent: float
    untested: tuple[UntestedRule, ...]


class Coverage:
    """Collects, packet by packet."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._reached: set[str] = set()
        self._known: dict[Whom, tuple[Program, Deciders, Walk]] = {}

    def note(self, whom: Whom, direction: Direction, packet: Packet, run: Run) -> None:
        """Counts the rule that decided, and the Log and Pass rules that matched on the way to it."""
        if run.rule is None:
            return
        if whom not in self._known:
            resolved = self._policies.judged(whom).resolved
            self._known[whom] = resolved.program, resolved_deciders(resolved), Walk.of(resolved.program)
        program, deciders, walk = self._known[whom]
        self._reached.add(deciders[run.direction][run.rule].rule)
        if run.direction is not direction:
            return
        judge = program.judge(direction)
        # Of a flow that was allowed before, the packet at hand may match other rules: they were not asked.
        if walk.decide(judge, packet).rule == run.rule:
            self._reached.update(
                deciders[direction][rule.index].rule for rule in matching(walk, judge, packet)
            )

    def report(self) -> CoverageReport:
        """In the order of the rules' places."""
        rules = sorted(
            (rule.at.file, rule.at.line, rule.at.column, f"{policy_name(policy)}/{direction.word}/{number}")
            for policy in self._policies.world.policies
            if not policy.staged
            for direction in sorted(policy.types)
            for number, rule in enumerate(policy.ingress if direction is Direction.INGRESS else policy.egress)
        )
        untested = tuple(
            UntestedRule(rule=name, at=f"{file}:{line}:{column}")
            for file, line, column, name in rules
            if name not in self._reached
        )
        tested = len(rules) - len(untested)
        percent = round(100 * tested / len(rules), 1) if rules else 100.0
        return CoverageReport(rules=len(rules), tested=tested, percent=percent, untested=untested)
