"""The tree of one YAML document: texts, lists and mappings, each with its place; nothing is typed yet.

Lines and columns count from 1, columns in characters; `end_*` are exclusive; positions are indices into the
whole text of the source. The names are those of Lark's tokens: a `Scalar` is fed to the parser as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class FaultKind(StrEnum):
    SYNTAX = "syntax"
    DUPLICATE_KEY = "duplicate key"
    DEPTH = "depth"
    ALIAS = "alias"
    EXPANSION = "expansion"
    MERGE_KEY = "merge key"
    TAG = "tag"
    KEY = "key"
    SIZE = "size"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with the YAML itself. A width of 0 points at a place rather than a text."""

    kind: FaultKind
    message: str
    line: int
    column: int
    width: int = 0
    expected: str = ""
    hint: str = ""


class Scalar:
    """A text. style: `` plain, `!` plain with the tag of a text, `'`, `"`, `|` or `>`.

    null: a plain `null`, `~` or nothing at all.
    """

    __slots__ = ("column", "end_column", "end_line", "end_pos", "line", "start_pos", "style", "text")
    type: ClassVar[str] = "SCALAR"
    size: ClassVar[int] = 1

    def __init__(self, text: str, style: str, start: tuple[int, int, int], end: tuple[int, int, int]) -> None:
        self.text = text
        self.style = style
        self.start_pos, self.line, self.column = start
        self.end_pos, self.end_line, self.end_column = end

    @property
    def null(self) -> bool:
        return self.style == "" and self.text in _NULLS

    @property
    def plain(self) -> bool:
        return self.style == ""


_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


class Sequence:
    """A list. size: how many nodes it holds with every alias expanded, itself included."""

    __slots__ = ("column", "items", "line", "size", "start_pos")

    def __init__(self, items: list[Node], size: int, start: tuple[int, int, int]) -> None:
        self.items = items
        self.size = size
        self.start_pos, self.line, self.column = start


class Mapping:
    """Keys in source order, each with the key's own node. Of a repeated key the first one stays."""

    __slots__ = ("column", "entries", "line", "size", "start_pos")

    def __init__(
        self, entries: dict[str, tuple[Scalar, Node]], size: int, start: tuple[int, int, int]
    ) -> None:
        self.entries = entries
        self.size = size
        self.start_pos, self.line, self.column = start


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Document:
    """One document. root: None when it could not be read; faults: what is wrong with its YAML."""

    root: Node | None
    faults: tuple[Fault, ...]
