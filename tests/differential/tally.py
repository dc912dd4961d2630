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

    def difference(self, engine: Counting) -> str:
        """The first counter in which the engine differs, `` when it counted exactly this."""
        known = {
            (direction, at): hit for direction in Direction for at, hit in enumerate(engine.hits(direction))
        }
        for place in sorted({*known, *self._counted}):
            found, wanted = known.get(place), self._counted.get(place, Hit())
            if found != wanted:
                return f"{place[0].word} counter {place[1]} is {found}, not {wanted}"
        return ""

    def check(self, engine: Counting, where: str) -> int:
        """The engine counted exactly this. Answers how many counters are not 0, and starts anew."""
        words, some = self.difference(engine), len(self._counted)
        assert not words, f"{where}: {words}"
        self._counted.clear()
        return some
