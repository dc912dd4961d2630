"""Every QUIRK of the dossier has polc's stance in docs/quirks.md, and tests that name it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|")


def rows() -> list[tuple[int, str, list[str]]]:
    """(number, stance, tests)."""
    text = (ROOT / "docs" / "quirks.md").read_text()
    found = (_ROW.fullmatch(line) for line in text.splitlines())
    return [(int(row[1]), row[3], re.findall(r"`([^`]+)`", row[4])) for row in found if row]


def test_each_quirk_has_one_row() -> None:
    assert [number for number, _, _ in rows()] == list(range(1, 16))


def test_each_named_test_speaks_of_its_quirk() -> None:
    for number, _, tests in rows():
        assert tests
        for path in tests:
            text = (ROOT / path).read_text().lower()
            assert re.search(rf"quirks?[ _]{number}\b|quirk_{number}_|quirks 3 and {number}\b", text), path


def test_codes_of_the_page_exist() -> None:
    text = (ROOT / "docs" / "quirks.md").read_text()
    known = (ROOT / "docs" / "errors.md").read_text()
    for code in re.findall(r"POLC-[EW]\d{4}", text):
        assert f"### {code}:" in known
