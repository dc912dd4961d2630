"""A share of the files that `make mutated` spoils: none breaks `polc check`. POLC_MUTATED_FILES: how many."""

from __future__ import annotations

import os
import re
from pathlib import Path
from random import Random

import pytest
from polc.tests.cli.sarif_log import read_log
from polc.tests.hostile import mutated_files
from polc.tests.hostile.mutated_files import check_file, originals, run, spoilt

COUNT = int(os.environ.get("POLC_MUTATED_FILES", "600"))
SEED = 20261123


def test_spoilt_files_end_in_findings() -> None:
    tally = run(SEED, range(COUNT))
    assert tally.wrong == []
    assert tally.files == COUNT
    assert COUNT / 20 < tally.right < COUNT / 2
    assert len(tally.codes) > 30


def test_a_number_makes_the_same_file_again() -> None:
    """Whatever was made before it."""
    first = spoilt(Random("1/8"))
    for number in range(300):
        spoilt(Random(f"1/{number}"))
    assert first == spoilt(Random("1/8")) not in originals()


def test_the_sarif_of_every_code_they_lead_to_is_valid(tmp_path: Path) -> None:
    seen: set[str] = set()
    for number in range(COUNT // 3):
        every, shown = check_file(tmp_path / "spoilt.yaml", spoilt(Random(f"{SEED}/{number}")))
        codes = {item.code for item in every}
        if number < 40 or not codes <= seen:
            [log] = read_log(shown["sarif"]).runs
            assert {result.ruleId for result in log.results} == codes
        seen |= codes
    assert len(seen) > 20


def test_what_breaks_the_command_is_told_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(files: list[str]) -> None:
        raise KeyError(Path(files[0]).name)

    monkeypatch.setattr(mutated_files, "findings", broken)
    assert run(SEED, range(5, 6)).wrong == [f"{SEED}/5: KeyError: 'spoilt.yaml'"]


def test_a_file_that_takes_too_much_work_is_told_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutated_files, "CALLS", 10)
    (told,) = run(SEED, range(5, 6)).wrong
    assert re.fullmatch(rf"{SEED}/5: \d+ calls", told)
