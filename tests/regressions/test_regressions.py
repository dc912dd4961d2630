"""What engines once differed on, they agree on for ever: every case file beside this one, on all engines.

The fuzzer writes the files (`make fuzz`); tests/fuzz/case.py says how they read.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from polc.tests.fuzz.case import read_case
from polc.tests.fuzz.shrinking import difference

CASES = sorted(Path(__file__).parent.glob("*.yaml"))

every_case = pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)


def test_there_are_cases() -> None:
    assert CASES


@every_case
def test_model_and_native_agree(path: Path) -> None:
    assert difference(read_case(path.read_text()), "model/native") is None


@pytest.mark.kernel
@every_case
def test_model_and_kernel_agree(path: Path) -> None:
    assert difference(read_case(path.read_text()), "model/kernel") is None
