"""What `polc check --format sarif` prints is SARIF 2.1.0 by OASIS' own schema, whatever was found."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from jsonschema import ValidationError  # type: ignore[import-untyped]
from polc.cli.pages import pages
from polc.cli.sarif import render_sarif
from polc.compiler.source import Diagnostic, Severity, Source, Span
from polc.tests.cli.sarif_log import SCHEMA, read_log, validator

_SEVERITIES = {"E": Severity.ERROR, "W": Severity.WARNING, "N": Severity.NOTE}
_ODD = ("", "ä: 'b'", 'quotes " \\ and \t tab', "\x00\x1b[31m", "\U0001f600", "line\nbreak", "</script>")


def test_the_schema_is_the_one_that_oasis_published() -> None:
    digest = hashlib.sha256(SCHEMA.read_bytes()).hexdigest()
    assert f"sha256 {digest}" in (SCHEMA.parent / "NOTICE.md").read_text()


def test_every_code_in_odd_words_at_odd_places_is_valid() -> None:
    paths = (
        "x.yaml",
        "a file: of mine.yaml",
        "ünï/%41#?.yaml",
        "../up/./x.yaml",
        "standard input",
        "-",
        "a\\b",
    )
    sources = {path: Source.of(path, "kind: x\n" * 3) for path in paths}
    found = [
        Diagnostic(
            code, _SEVERITIES[code[5]], f"{code} {_ODD[number % 7]}", span, _ODD[number % 5], _ODD[number % 3]
        )
        for number, code in enumerate(pages())
        for span in (None, Span(paths[number % 7], 1 + number % 3, 1, 1 + number % 3, 1 + number % 2))
    ]
    [run] = read_log(render_sarif(found, sources)).runs
    assert [rule.id for rule in run.tool.driver.rules] == sorted(pages())
    assert len(run.results) == len(found)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda log: log.pop("version"),
        lambda log: log["runs"][0].pop("tool"),
        lambda log: log["runs"][0]["results"][0].update(level="fatal"),
        lambda log: log["runs"][0]["results"][0].update(unheardOf=1),
        lambda log: log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"].update(
            startLine=0
        ),
    ],
)
def test_the_schema_refuses_what_is_not_sarif(spoil: Any) -> None:
    found = Diagnostic("POLC-E0101", Severity.ERROR, "no", Span("x", 1, 1, 1, 2))
    log = json.loads(render_sarif([found], {}))
    validator().validate(log)
    spoil(log)
    with pytest.raises(ValidationError):
        validator().validate(log)
