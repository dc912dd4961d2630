"""Ten thousand sequences of commands, faults and other actors (see sequences.py): tcx and clsact."""

from __future__ import annotations

import pytest
from polc.runtime.hooks import Mechanism
from polc.tests.fake_kernel.sequences import run

pytestmark = pytest.mark.usefixtures("swift")


@pytest.mark.parametrize("mechanism", list(Mechanism), ids=str)
def test_no_sequence_breaks_a_promise(mechanism: Mechanism, capsys: pytest.CaptureFixture[str]) -> None:
    run(mechanism, capsys)
