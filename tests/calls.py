"""How much work something is, counted instead of timed: the same on a slow machine and a busy one."""

from __future__ import annotations

import signal
from collections.abc import Callable
from cProfile import Profile
from typing import Final, TypeVar

RUNAWAY: Final = 60.0  # seconds of CPU, some twenty times what anything counted here takes

_Answer = TypeVar("_Answer")


class RunawayError(Exception):
    """It did not come to an end."""


def calls(work: Callable[[], _Answer]) -> tuple[_Answer, int]:
    """What `work` answers, and how many calls of functions, Python's and C's, it took on this thread.

    A call is some 0.2 to 0.5 µs of CPU on the machines we know. What C code does inside one call is not seen:
    RunawayError ends what runs away there, as a regular expression may (CPython's Modules/_sre/sre_lib.h
    looks for signals). Raises what `work` raises. For the main thread only.
    """
    profile = Profile()
    before = signal.signal(signal.SIGPROF, _runaway)
    signal.setitimer(signal.ITIMER_PROF, RUNAWAY)
    try:
        answer = profile.runcall(work)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return answer, sum(entry.callcount for entry in profile.getstats())


def _runaway(*_: object) -> None:
    raise RunawayError(f"more than {RUNAWAY:g} s of CPU")
