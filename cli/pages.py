"""What docs/errors.md says about each code; the file is part of the package, so that there is one text."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

_PAGE: Final = re.compile(
    r"^### (?P<code>POLC-[ENW]\d{4}): (?P<title>.+)\n\n(?P<text>(?:(?!^##).*\n)*?)"
    r"\*\*Remedy\.\*\* (?P<remedy>(?:.+\n?)+)",
    re.MULTILINE,
)


class Page(NamedTuple):
    """One code: a heading of a few words, what it is about, and what to do. In Markdown."""

    title: str
    text: str
    remedy: str

    @property
    def summary(self) -> str:
        """The heading as a sentence."""
        return f"{self.title[0].upper()}{self.title[1:]}."


@cache
def pages() -> dict[str, Page]:
    """The pages by code, in the order of the document."""
    text = (files(__package__.partition(".")[0]) / "docs" / "errors.md").read_text(encoding="utf-8")
    return {
        found["code"]: Page(found["title"].strip(), found["text"].strip(), found["remedy"].strip())
        for found in _PAGE.finditer(text)
    }
