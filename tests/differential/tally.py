"""What the counters must say after what the model decided: an account kept beside the judges."""

from __future__ import annotations

from typing import Protocol

from polc.compiler.model import Outcome
from polc.pair.layout import Direction, Hit, hit_of_rule


class Counting(Protocol):
    """An engine that counts."""

    def hits(self, direction: Direction) -> tuple[Hit, ...]: ...


class Tally:
    """Since the last swap, by direction and counter: the deciding rule or, without one, the reason of a drop;
    each Log rule that matched; the rule that would decide otherwise. Established packets do not count."""

    def __init__(self) -> None:
        self._counted: dict[tuple[Direction, int], Hit] = {}

    def note(self, outcome: Outcome, length: int) -> None:
        if outcome.verdict == "drop":
            decided = int(outcome.reason) if outcome.rule is None else hit_of_rule(outcome.rule)
            self._add(outcome.direction, decided, length)
        elif outcome.judged and outcome.rule is not None:
            self._add(outcome.direction, hit_of_rule(outcome.rule), length)
        for rule in (*outcome.logs, *([] if outcome.staged is None else [outcome.staged])):
            self._add(outcome.direction, hit_of_rule(rule), length)

    def _add(self, direction: Direction, counter: int, length: int) -> None:
        before = self._counted.get((direction, counter), Hit())
        self._counted[direction, counter] = before + Hit(1, length)

    def check(self, engine: Counting, where: str) -> int:
        """The engine counted exactly this. Answers how many counters are not 0, and starts anew."""
        some = 0
        for direction in Direction:
            found = engine.hits(direction)
            for counter, hit in enumerate(found):
                wanted = self._counted.pop((direction, counter), Hit())
                assert hit == wanted, f"{where}, {direction.word}, counter {counter}: {hit}, not {wanted}"
                some += hit.packets > 0
        assert not self._counted, where
        return some
