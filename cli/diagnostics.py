"""Findings as people and programs read them: excerpts with a caret, or JSON.

Plain text is deterministic: the same findings give the same bytes, colour only adds escapes around them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from ..compiler.source import Diagnostic, Severity, Source, Span

WIDTH: Final = 100
_RESET: Final = "\x1b[0m"
_COLOURS: Final = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m", Severity.NOTE: "\x1b[1;36m"}
_BOLD: Final = "\x1b[1m"
_DIM: Final = "\x1b[2m"


class Place(BaseModel):
    """Lines and columns count from 1; the end is exclusive."""

    model_config = ConfigDict(frozen=True)

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


class Finding(BaseModel):
    """One finding. code is stable; text: the source's line; text, expected and hint may be empty."""

    model_config = ConfigDict(frozen=True)

    code: str
    severity: Literal["error", "warning", "note"]
    message: str
    at: Place | None
    text: str
    expected: str
    hint: str


class Report(BaseModel):
    """What `--format json` prints for findings."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    errors: int
    warnings: int
    findings: tuple[Finding, ...]


Sources = Mapping[str, Source] | Iterable[Source]


def report(diagnostics: Iterable[Diagnostic], sources: Sources) -> Report:
    """The findings in their order, as a model with a schema."""
    items = tuple(diagnostics)
    lines = _Lines(sources)
    return Report(
        errors=_count(items, Severity.ERROR),
        warnings=_count(items, Severity.WARNING),
        findings=tuple(_finding(item, lines) for item in items),
    )


def render_json(diagnostics: Iterable[Diagnostic], sources: Sources) -> str:
    """The report as JSON, indented, keys in the model's order."""
    return report(diagnostics, sources).model_dump_json(indent=2)


class _Lines:
    """The lines of the sources, split when first asked for."""

    def __init__(self, sources: Sources) -> None:
        self._sources = (
            sources if isinstance(sources, Mapping) else {source.path: source for source in sources}
        )
        self._lines: dict[str, list[str]] = {}

    def of(self, span: Span) -> str | None:
        """The line that a span starts on; None when it is not there."""
        if span.file not in self._lines:
            source = self._sources.get(span.file)
            self._lines[span.file] = [] if source is None else source.text.split("\n")
        lines = self._lines[span.file]
        return lines[span.line - 1].rstrip("\r") if 1 <= span.line <= len(lines) else None


def _finding(item: Diagnostic, lines: _Lines) -> Finding:
    span, at = item.span, None
    if span is not None:
        at = Place(
            file=span.file,
            line=span.line,
            column=span.column,
            end_line=span.end_line,
            end_column=span.end_column,
        )
    return Finding(
        code=item.code,
        severity=item.severity.value,
        message=item.message,
        at=at,
        text=(lines.of(span) or "") if span is not None else "",
        expected=item.expected,
        hint=item.hint,
    )


def _count(items: Iterable[Diagnostic], severity: Severity) -> int:
    return sum(item.severity is severity for item in items)


def render(diagnostics: Iterable[Diagnostic], sources: Sources, color: bool = False) -> str:
    """All findings as text, one blank line between them, a count at the end; empty when there is none."""
    items = tuple(diagnostics)
    if not items:
        return ""
    lines = _Lines(sources)
    blocks = [_block(item, lines, color) for item in items]
    counts = [
        f"{count} {severity.value}{'' if count == 1 else 's'}"
        for severity in Severity
        if (count := _count(items, severity))
    ]
    return "\n".join([*blocks, ", ".join(counts) + "\n"])


def _block(item: Diagnostic, lines: _Lines, color: bool) -> str:
    def paint(text: str, escape: str) -> str:
        return f"{escape}{text}{_RESET}" if color else text

    where = f"{clean(str(item.span))}: " if item.span else ""
    label = paint(f"{item.severity.value}[{item.code}]", _COLOURS[item.severity])
    parts = [f"{paint(where, _BOLD) if where else ''}{label}: {clean(item.message)}\n"]
    span = item.span
    line = lines.of(span) if span is not None else None
    if span is not None and line is not None:
        text, caret = _excerpt(line, span)
        number = str(span.line)
        gutter = " " * len(number)
        parts.append(f"  {paint(number + ' |', _DIM)} {text}\n")
        parts.append(f"  {paint(gutter + ' |', _DIM)} {paint(caret, _COLOURS[item.severity])}\n")
    for name, value in (("expected", item.expected), ("hint", item.hint)):
        if value:
            parts.append(f"  {paint(name, _BOLD)}: {clean(value)}\n")
    return "".join(parts)


def _excerpt(line: str, span: Span) -> tuple[str, str]:
    """The line, or a window of it, and carets under the span."""
    start = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    end = max(min(end, len(line)), start + 1)
    left = 0
    if len(line) > WIDTH:
        left = max(0, min(start - WIDTH // 3, len(line) - WIDTH))
    window = line[left : left + WIDTH]
    before = "…" if left else ""
    after = "…" if left + WIDTH < len(line) else ""
    stop = min(end, left + WIDTH)
    indent = len(before) + _cells(clean(line[left:start]))
    width = max(1, _cells(clean(line[start:stop])))
    return f"{before}{clean(window)}{after}".rstrip(), " " * indent + "^" * width


def clean(text: str) -> str:
    """The text as a terminal may show it: no control characters, a tab as one space."""
    return "".join(" " if char == "\t" else char if char.isprintable() else "�" for char in text)


def _cells(text: str) -> int:
    """How many terminal cells a text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
