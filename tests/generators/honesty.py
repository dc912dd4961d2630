"""The honesty rule of design §9: a run that meets too little has tested nothing, and fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable

from polc.tests.oracle.verdict_reading import Decision

SHARE = 0.10  # least share of the verdicts for each of KINDS
DECIDED = 0.90  # least share of the rules that decided some packet
KINDS = ("allow", "deny", "default", "pass")


def kind_of(decision: Decision) -> str:
    """allow, deny: by a rule of that action; default: the tier's; pass: a Pass on the way."""
    if decision.passes:
        return "pass"
    if decision.rule:
        return "allow" if decision.allowed else "deny"
    return "default" if decision.what == "tier-default" else decision.what


class Honesty:
    """Counts what a run met. Rules are told apart by any hashable name, one for the whole run."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self._expected: set[Hashable] = set()
        self._met: set[Hashable] = set()

    def expect(self, rules: Iterable[Hashable]) -> None:
        """These rules apply, and should each decide (a Log rule: mark) some packet of the run."""
        self._expected.update(rules)

    def note(self, run: Hashable, decision: Decision) -> None:
        """One verdict. run: what distinguishes this policy set; rules are expected as (run, RuleName)."""
        self.kinds[kind_of(decision)] += 1
        for name in (decision.rule, *decision.passes, *decision.logged):
            if name is not None:
                self._met.add((run, name))

    @property
    def decided(self) -> float:
        """The share of expected rules that decided something."""
        return len(self._met & self._expected) / len(self._expected) if self._expected else 0.0

    def complaints(self) -> list[str]:
        """What makes the run dishonest; empty when it is honest."""
        total = self.kinds.total()
        low = [
            f"{kind}: {self.kinds[kind]} of {total} verdicts, under {SHARE:.0%}"
            for kind in KINDS
            if total == 0 or self.kinds[kind] < SHARE * total
        ]
        if self.decided < DECIDED:
            low.append(
                f"only {self.decided:.1%} of {len(self._expected)} rules ever decided, under {DECIDED:.0%}"
            )
        return low

    def check(self) -> None:
        """Raises AssertionError with every complaint."""
        low = self.complaints()
        assert not low, "the run has tested nothing: " + "; ".join(low)
