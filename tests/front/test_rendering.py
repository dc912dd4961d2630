"""Findings are rendered whole: place, code, excerpt with caret, expected, hint; as text and as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from polc.cli.diagnostics import Report, render, render_json
from polc.compiler.parse import parse
from polc.compiler.source import Diagnostic, Diagnostics, Severity, Source, Span

GOLDEN = Path(__file__).parent / "golden"
UPDATE = os.environ.get("POLC_GOLDEN_UPDATE") == "1"


def found_in(name: str) -> tuple[Diagnostics, Source]:
    source = Source.of(name, (GOLDEN / name).read_text())
    diagnostics = Diagnostics()
    parse([source], diagnostics)
    return diagnostics, source


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.yaml")))
def test_the_findings_of_a_golden_file_are_as_reviewed(name: str, golden_update: bool) -> None:
    """POLC_GOLDEN_UPDATE=1 or --golden-update rewrites the expected text; its diff is read."""
    diagnostics, source = found_in(name)
    text = render(diagnostics, [source])
    expected = GOLDEN / name.replace(".yaml", ".txt")
    if golden_update or UPDATE:
        expected.write_text(text)
    assert text == expected.read_text()


def test_ten_faults_in_three_documents_are_all_reported() -> None:
    """The places and codes by hand, so that an update of the golden text cannot lose one."""
    diagnostics, source = found_in("ten-faults.yaml")
    assert source.text.count("\n---\n") == 2
    assert [(item.code, item.span and (item.span.line, item.span.column)) for item in diagnostics] == [
        ("POLC-E0207", (8, 10)),
        ("POLC-E0601", (9, 34)),
        ("POLC-E0102", (11, 3)),
        ("POLC-E0206", (14, 7)),
        ("POLC-E0401", (18, 13)),
        ("POLC-E0502", (22, 21)),
        ("POLC-E0208", (23, 15)),
        ("POLC-E0503", (28, 17)),
        ("POLC-E0101", (34, 13)),
        ("POLC-E0202", (36, 1)),
    ]


def finding(line: int, column: int, end: int, message: str = "wrong") -> Diagnostic:
    return Diagnostic(
        "POLC-E0207", Severity.ERROR, message, Span("x", line, column, line, end), "this", "that"
    )


def test_colour_only_adds_escapes() -> None:
    diagnostics, source = found_in("ten-faults.yaml")
    coloured = render(diagnostics, {source.path: source}, color=True)
    escapes = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[1;31m"]
    for escape in escapes:
        assert escape in coloured
        coloured = coloured.replace(escape, "")
    assert coloured == render(diagnostics, [source])


def test_the_caret_stands_under_wide_and_combining_characters() -> None:
    text = render([finding(1, 5, 6)], [Source.of("x", "漢e\u0301: b\n")])
    assert text.split("\n")[1:3] == ["  1 | 漢e\u0301: b", "    |     ^"]


def test_a_tab_takes_one_cell_and_control_characters_none_of_their_power() -> None:
    text = render([finding(1, 3, 4, "bad \x1b[31m")], [Source.of("x", "\ta\x1b[31mb\n")])
    assert "\x1b" not in text
    assert "\t" not in text


def test_a_long_line_is_shown_around_its_place() -> None:
    text = render([finding(1, 500, 503)], [Source.of("x", "a" * 499 + "XYZ" + "b" * 500)])
    excerpt, caret = text.split("\n")[1:3]
    assert len(excerpt) < 120
    assert excerpt[caret.index("^") : caret.rindex("^") + 1] == "XYZ"


def test_a_finding_at_the_end_of_a_line_and_one_without_a_place_are_shown() -> None:
    text = render([finding(1, 4, 5)], [Source.of("x", "abc")])
    assert "   ^" in text
    plain = Diagnostic("POLC-W0001", Severity.WARNING, "no place", None)
    assert render([plain], []) == "warning[POLC-W0001]: no place\n\n1 warning\n"


def test_a_finding_in_a_source_that_is_not_here_is_shown_without_excerpt() -> None:
    assert render([finding(7, 1, 2)], []).startswith("x:7:1: error[POLC-E0207]: wrong\n  expected: this\n")


def test_nothing_found_is_nothing_said() -> None:
    assert render([], []) == ""


def test_json_holds_every_finding_by_the_published_shape() -> None:
    diagnostics, source = found_in("ten-faults.yaml")
    text = render_json(diagnostics, [source])
    report = Report.model_validate_json(text)
    assert (report.version, report.errors, report.warnings) == (1, 10, 0)
    first = json.loads(text)["findings"][0]
    assert first["at"] == {
        "file": "ten-faults.yaml",
        "line": 8,
        "column": 10,
        "end_line": 8,
        "end_column": 15,
    }
    assert first["text"] == "  order: first"
