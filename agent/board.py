"""The agent's notice board: the loop pins its last report and its heartbeat there, HTTP threads read them.

A report is a value that never changes, so a reader needs no lock and never waits for the loop, not even for
one that is stuck. Ages and waits are carried on to the moment of reading.
"""

from __future__ import annotations

from collections.abc import Callable

from .states import AgentReport, InterfaceHealth, NotEnforcing, Pending, State, Unknown


class Board:
    """clock: seconds, monotonic. first: what is read before the loop pinned anything."""

    def __init__(self, clock: Callable[[], float], first: AgentReport) -> None:
        self._clock = clock
        self._beat = clock()
        self._pinned = self._beat, first

    def beat(self) -> None:
        """The loop came round."""
        self._beat = self._clock()

    def pin(self, report: AgentReport) -> None:
        """Replaces the report; its ages and waits are those of this moment. A heartbeat too."""
        self.beat()
        self._pinned = self._beat, report

    def silence(self) -> float:
        """Seconds since the last heartbeat."""
        return max(0.0, self._clock() - self._beat)

    def read(self) -> AgentReport:
        """The last report, as it would read now."""
        pinned, report = self._pinned
        return aged(report, max(0.0, self._clock() - pinned)).model_copy(update={"heartbeat": self.silence()})


def aged(report: AgentReport, seconds: float) -> AgentReport:
    """The report with its ages grown and its waits shrunk by so many seconds."""
    return report.model_copy(
        update={
            "uptime": report.uptime + seconds,
            "interfaces": tuple(_older(one, seconds) for one in report.interfaces),
        }
    )


def _older(one: InterfaceHealth, seconds: float) -> InterfaceHealth:
    return one.model_copy(update={"seconds": one.seconds + seconds, "state": _nearer(one.state, seconds)})


def _nearer(state: State, seconds: float) -> State:
    if isinstance(state, Pending | NotEnforcing | Unknown) and state.next_try is not None:
        return state.model_copy(update={"next_try": max(0.0, state.next_try - seconds)})
    return state
