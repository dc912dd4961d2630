"""What counts work sees too much of it, also where it is inside C code."""

from __future__ import annotations

import re
import signal

import pytest
from polc.tests import calls as counting
from polc.tests.calls import RunawayError, calls


def test_calls_of_python_and_of_c_are_counted() -> None:
    few, many = (calls(lambda n=n: [len(repr(one)) for one in range(n)])[1] for n in (10, 1010))  # type: ignore[misc]
    assert many - few == 2000


def test_what_runs_away_inside_c_code_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "RUNAWAY", 0.05)
    before = signal.getsignal(signal.SIGPROF)
    with pytest.raises(RunawayError):
        calls(lambda: re.match("(a*)*b", "a" * 64))
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGPROF) is before
