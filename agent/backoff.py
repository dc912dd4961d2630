"""How long to wait before trying again what failed: twice as long each time, up to a cap, never in step.

Jitter keeps a hundred interfaces that failed together from being tried together for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Chance = Callable[[], float]  # a number in [0, 1), as `random.random` gives


@dataclass(frozen=True, slots=True)
class Backoff:
    """base: seconds after the first failure. cap: seconds never exceeded. jitter: how much a delay varies.

    With jitter 0.25 a delay of 8 seconds becomes one between 6 and 10.
    """

    base: float = 1.0
    cap: float = 300.0
    jitter: float = 0.25

    def delay(self, failures: int, chance: Chance) -> float:
        """Seconds to wait after that many failures in a row (1 = the first)."""
        doublings = max(0, min(failures - 1, 63))  # 2.0**64 seconds is past any cap; 2.0**1100 overflows
        plain = min(self.cap, self.base * 2.0**doublings)
        return min(self.cap, plain * (1 + self.jitter * (2 * chance() - 1)))
