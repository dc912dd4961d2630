"""Every code that polc can report has a page in docs/errors.md, and every page a code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("grammar", "pair", "compiler", "runtime", "judge", "agent", "cli")
DOCUMENT = ROOT / "docs" / "errors.md"
CODE = re.compile(r'"(POLC-[ENW]\d{4})"')
HEADING = re.compile(r"^### (POLC-[ENW]\d{4}): \S", re.MULTILINE)


def used() -> dict[str, list[str]]:
    """Each code in the rooms' source, with the lines that define it."""
    found: dict[str, list[str]] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for line in path.read_text().splitlines():
                for code in CODE.findall(line):
                    found.setdefault(code, []).append(f"{path.relative_to(ROOT)}: {line.strip()}")
    return found


def test_each_code_has_its_page_and_each_page_its_code() -> None:
    documented = HEADING.findall(DOCUMENT.read_text())
    assert sorted(documented) == sorted(used())
    assert documented == sorted(documented)


def test_each_code_is_defined_once() -> None:
    assert {code: lines for code, lines in used().items() if len(lines) > 1} == {}


def test_each_page_says_what_to_do() -> None:
    pages = HEADING.split(DOCUMENT.read_text())[1:]
    for code, page in zip(pages[::2], pages[1::2], strict=True):
        assert "**Remedy.** " in page, code
