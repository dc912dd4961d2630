"""The mutants apply, and the rig that judges them tells a broken program from a whole one.

All of them run by `make mutants`; here six, one for each part of the compiler.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from polc.tests.mutants.catalogue import MUTANTS, WHY_ALIVE
from polc.tests.mutants.mutant import ROOT, Fate, Mutant, fate_of
from polc.tests.mutants.run import REPORT, SHARE, report

SAMPLE = (
    "peers-of-any-namespace",
    "log-rules-shadow",
    "negation-lost",
    "ihl-by-twos",
    "pass-denies",
    "no-flow-accepted",
)


def test_every_mutant_changes_one_place_of_the_source() -> None:
    assert len({one.name for one in MUTANTS}) == len(MUTANTS) >= 60
    for one in MUTANTS:
        found = (ROOT / one.file).read_text().count(one.old)
        assert found == 1, f"{one.name}: its text stands {found} times in {one.file}; adapt the mutant"
        assert one.new != one.old


def test_every_part_has_mutants() -> None:
    rooms = Counter(str(Path(one.file).parent) for one in MUTANTS)
    for room in ("resolve", "passes", "plan", "codegen"):
        assert rooms[f"compiler/{room}"] >= 10
    assert rooms["pair"] >= 10


@pytest.mark.parametrize("name", SAMPLE)
def test_a_mutant_is_caught(name: str, tmp_path: Path) -> None:
    mutant = next(one for one in MUTANTS if one.name == name)
    assert fate_of(mutant, tmp_path).caught


def test_a_change_of_a_comment_survives_the_whole_battery(tmp_path: Path) -> None:
    harmless = Mutant("harmless", "pair/flow.py", "The one definition of flow tracking", "The definition")
    assert fate_of(harmless, tmp_path).caught == ""


def test_the_report_is_of_these_mutants_and_explains_who_survives() -> None:
    text = REPORT.read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ") and ".py |" in line]
    names = [row[1].strip() for row in rows]
    assert len(names) >= 60
    assert set(names) <= {one.name for one in MUTANTS}
    alive = {row[1].strip() for row in rows if "survives" in row[3]}
    assert alive == set(WHY_ALIVE)
    assert len(alive) <= (1 - SHARE) * len(names)
    assert "not explained" not in text


def test_the_report_counts() -> None:
    one, other = MUTANTS[:2]
    text = report([Fate(one, "model = native", 1.0), Fate(other, "", 1.0)], "make mutants")
    assert "1 of 2 mutants caught (50.0%)" in text
    assert f"| {other.name} | {other.file} | **survives** |" in text
