"""The node's fuse: so many tc writes a second and no more, on however many interfaces what goes wrong.

Each tc write takes the RTNL lock, which pods coming and going need too. A token bucket: a first attach of
a full node fits into the burst; a fight with another program over five hundred qdiscs does not. Swaps cost
no tc write, so an open breaker never holds back a policy.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Breaker:
    """rate: tc writes a second that are allowed for good. burst: how many at once. opened: how often.
    now: seconds of any monotonic clock, the same for all calls.

    Open from the moment the bucket is empty until a tenth of the burst is there again, so that it does not
    open and close with every write.
    """

    rate: float
    burst: float
    opened: int = 0
    open: bool = False
    _level: float = field(init=False, repr=False)
    _at: float | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self._level = self.burst

    def room(self, now: float) -> int:
        """How many tc writes may be made now; 0 while it is open."""
        self._fill(now)
        return 0 if self.open else int(self._level)

    def spend(self, writes: int, now: float) -> None:
        """Counts writes that were made; the level may fall below zero, which takes longer to fill again."""
        self._fill(now)
        self._level -= writes
        if self._level < 1 and not self.open:
            self.open = True
            self.opened += 1

    def closes_in(self, now: float) -> float:
        """Seconds until it closes; 0 when it is closed."""
        self._fill(now)
        return max(0.0, (self._closing - self._level) / self.rate) if self.open else 0.0

    @property
    def _closing(self) -> float:
        return max(1.0, self.burst / 10)

    def _fill(self, now: float) -> None:
        passed = 0.0 if self._at is None else now - self._at
        self._level = min(self.burst, self._level + passed * self.rate)
        self._at = now
        if self.open and self._level >= self._closing:
            self.open = False
