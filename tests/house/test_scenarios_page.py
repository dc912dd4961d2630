"""docs/scenarios.md names a real test for each scenario and each invariant."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| ([SI]\d+b?) \|(.*)\|$", re.MULTILINE)
_TEST = re.compile(r"`(test_\w+)`")


def functions() -> dict[str, list[Path]]:
    """The files of every test function of the project, by its name."""
    found: dict[str, list[Path]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(path)
    return found


def test_every_scenario_and_invariant_has_one_row() -> None:
    scenarios = [*(f"S{number}" for number in range(1, 41)), "S8b"]
    invariants = [f"I{number}" for number in range(1, 13)]
    assert sorted(name for name, _ in _ROW.findall(_PAGE)) == sorted([*scenarios, *invariants])


def test_each_test_it_names_exists_and_each_row_names_one() -> None:
    known = functions()
    for name, row in _ROW.findall(_PAGE):
        assert _TEST.findall(row), f"{name} names no test"
    assert {name for name in _TEST.findall(_PAGE) if name not in known} == set()


def test_a_row_that_says_real_names_a_test_on_the_kernel() -> None:
    known = functions()
    for name, row in _ROW.findall(_PAGE):
        if name.startswith("S") and "real" in row.split("|")[2]:
            files = [path for test in _TEST.findall(row) for path in known[test]]
            assert any("pytest.mark.kernel" in path.read_text(encoding="utf-8") for path in files), name


def test_every_test_that_bears_a_number_is_in_the_row_of_that_number() -> None:
    rows = dict(_ROW.findall(_PAGE))
    numbered = {name: re.match(r"test_s(\d+b?)_", name) for name in functions()}
    missing = {
        name for name, found in numbered.items() if found and f"`{name}`" not in rows.get(f"S{found[1]}", "")
    }
    assert missing == set()
