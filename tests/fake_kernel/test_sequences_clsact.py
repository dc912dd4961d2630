"""Five thousand sequences of commands, faults and other actors by clsact (see sequences.py)."""

from __future__ import annotations

import pytest
from polc.runtime.hooks import Mechanism
from polc.tests.fake_kernel.sequences import run

pytestmark = pytest.mark.usefixtures("swift")


def test_no_sequence_by_clsact_breaks_a_promise(capsys: pytest.CaptureFixture[str]) -> None:
    run(Mechanism.CLSACT, capsys)
