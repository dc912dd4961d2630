"""Findings as SARIF 2.1.0 (OASIS Standard), which code hosts and editors show at their places.

One run; a rule for each code that was found. Paths are relative references, as they were given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from posixpath import normpath
from typing import Any, Final
from urllib.parse import quote

from .. import __version__
from ..compiler.source import Diagnostic, Severity, Source
from .pages import Page, pages

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
_LETTERS: Final = {"E": "error", "W": "warning", "N": "note"}

Object = dict[str, Any]


def render_sarif(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source]) -> str:
    """The findings in their order, as one SARIF log, indented."""
    items = tuple(diagnostics)
    codes = sorted({item.code for item in items})
    files = sorted({_uri(file) for file in (*sources, *(item.span.file for item in items if item.span))})
    run: Object = {
        "tool": {
            "driver": {
                "name": "polc",
                "semanticVersion": __version__,
                "rules": [_rule(code, pages().get(code)) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": file}} for file in files],
        "results": [_result(item, codes, files) for item in items],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _uri(path: str) -> str:
    """A relative reference without needless dots (§3.10)."""
    return quote(normpath(path))


def _rule(code: str, page: Page | None) -> Object:
    """A reportingDescriptor (§3.49)."""
    made: Object = {"id": code, "defaultConfiguration": {"level": _LETTERS[code[5]]}}
    if page is not None:
        made["shortDescription"] = {"text": page.summary}
        made["fullDescription"] = {"text": page.text}
        made["help"] = {"text": page.remedy, "markdown": page.remedy}
    return made


def _result(item: Diagnostic, codes: list[str], files: list[str]) -> Object:
    """A result (§3.27). The end of a region's columns is exclusive, as that of a span is (§3.30.8)."""
    lines = [item.message]
    lines += [f"{name}: {text}" for name, text in (("expected", item.expected), ("hint", item.hint)) if text]
    made: Object = {
        "ruleId": item.code,
        "ruleIndex": codes.index(item.code),
        "level": _LEVELS[item.severity],
        "message": {"text": "\n".join(lines)},
    }
    if (span := item.span) is not None:
        region = {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        }
        uri = _uri(span.file)
        place = {"uri": uri, "index": files.index(uri)}
        made["locations"] = [{"physicalLocation": {"artifactLocation": place, "region": region}}]
    return made
