"""The compiler's findings as the agent takes them: with the place and its line, and never too long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from ...compiler.source import Diagnostic, Source
from ..protocol import Finding, Findings

FAULT: Final = "POLC-E0804"
MAX_FINDINGS: Final = 200
MAX_MESSAGE: Final = 2000  # characters
MAX_LINE: Final = 200


def described(diagnostics: Iterable[Diagnostic], sources: Sequence[Source]) -> Findings:
    """The first of the findings."""
    by_path = {source.path: source for source in sources}
    return tuple(_described(item, by_path) for item in islice(diagnostics, MAX_FINDINGS))


def fault(error: Exception) -> Findings:
    """What is said of a fault of our own."""
    words = f"{type(error).__name__}: {error}".partition("\n")[0]
    message = f"polc failed to compile: {words[:MAX_MESSAGE]}"
    return (Finding(code=FAULT, severity="error", message=message, hint="report it, with the files"),)


def _described(item: Diagnostic, sources: dict[str, Source]) -> Finding:
    span = item.span
    source = sources.get(span.file) if span is not None else None
    text = ""
    if span is not None and source is not None:
        lines = source.text.split("\n", span.line)
        text = lines[span.line - 1].strip()[:MAX_LINE] if span.line <= len(lines) else ""
    return Finding(
        code=item.code,
        severity=item.severity.value,
        message=item.message[:MAX_MESSAGE],
        at=str(span) if span is not None else "",
        text=text,
        expected=item.expected[:MAX_MESSAGE],
        hint=item.hint[:MAX_MESSAGE],
    )
