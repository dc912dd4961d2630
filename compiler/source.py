"""Files as text with spans, and the diagnostics that point into them.

A stage reports everything it finds: it adds to a `Diagnostics` and goes on; the pipeline stops after the
stage whose diagnostics hold an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a source file: lines and columns count from 1, columns in characters; end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Source:
    """One input file: `path` as the user gave it (file name only when it was absolute), decoded text."""

    path: str
    text: str
    digest: str = field(default="")

    @classmethod
    def of(cls, path: str, text: str) -> Source:
        """A source with its digest: SHA-256 of the UTF-8 text, in hex."""
        return cls(path, text, hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest())


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. code: stable, `POLC-E0123` (error) or `POLC-W0123` (warning), with a page in the docs.

    message: what is wrong, one sentence without the position. expected: what would have been right.
    hint: what to do (a near-miss, an apt line). span: None when no place in a file is to blame.
    """

    code: str
    severity: Severity
    message: str
    span: Span | None = None
    expected: str = ""
    hint: str = ""


class Diagnostics:
    """Collects findings in the order of their places."""

    def __init__(self) -> None:
        self._items: list[Diagnostic] = []

    def add(self, item: Diagnostic) -> None:
        self._items.append(item)

    def error(
        self, code: str, message: str, span: Span | None, *, expected: str = "", hint: str = ""
    ) -> None:
        self.add(Diagnostic(code, Severity.ERROR, message, span, expected, hint))

    def warning(
        self, code: str, message: str, span: Span | None, *, expected: str = "", hint: str = ""
    ) -> None:
        self.add(Diagnostic(code, Severity.WARNING, message, span, expected, hint))

    def extend(self, items: Iterable[Diagnostic]) -> None:
        self._items.extend(items)

    def __iter__(self) -> Iterator[Diagnostic]:
        def place(item: Diagnostic) -> tuple[str, int, int, str]:
            span = item.span
            return (span.file, span.line, span.column, item.code) if span else ("", 0, 0, item.code)

        return iter(sorted(self._items, key=place))

    def __len__(self) -> int:
        return len(self._items)

    @property
    def failed(self) -> bool:
        return any(item.severity is Severity.ERROR for item in self._items)


class CompileError(Exception):
    """The input is wrong: carries every diagnostic, and the sources to quote from."""

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: Iterable[Source] = ()) -> None:
        self.diagnostics = tuple(diagnostics)
        self.sources = {source.path: source for source in sources}
        first = self.diagnostics[0].message if self.diagnostics else "no diagnostics"
        super().__init__(f"{len(self.diagnostics)} finding(s), first: {first}")
