"""A text to its YAML documents: Lark over PyYAML's events, going on after a broken document.

`---` at the start of a line begins a document wherever it stands (YAML 1.2, c-forbidden), so reading is
taken up again at the next one after the place where a document broke.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

import yaml
from lark import Lark, Transformer

from .events import Broken, DocumentEvents, EventLexer, Mark, Place, Places, Scope
from .nodes import Document, Fault, FaultKind, Mapping, Node, Scalar, Sequence

MAX_BROKEN: Final = 100

_MARKER = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)
_TEMPLATE = re.compile(r"\{\{|\{%|^#@|\(\(", re.MULTILINE)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Tree(Transformer[Any, Node]):
    """Builds the tree while Lark parses; it keeps nothing itself, tokens carry their document's scope."""

    def anchored(self, children: list[Mark]) -> Node:
        token = children[0]
        assert token.node is not None
        token.scope.close(token.name, token.node)
        return token.node

    def alias(self, children: list[Mark]) -> Node:
        token = children[0]
        return token.scope.resolve(token)

    def start(self, children: list[Node]) -> Node:
        return children[0]

    def sequence(self, children: list[Any]) -> Node:
        opening: Mark = children[0]
        items: list[Node] = children[1:-1]
        node = Sequence(items, 1 + sum(item.size for item in items), opening.place)
        opening.scope.close(opening.name, node)
        return node

    def mapping(self, children: list[Any]) -> Node:
        opening: Mark = children[0]
        fault = opening.scope.fault
        entries: dict[str, tuple[Scalar, Node]] = {}
        size = 1
        for index in range(1, len(children) - 1, 2):
            key: Node = children[index]
            value: Node = children[index + 1]
            size += value.size + 1
            if not isinstance(key, Scalar):
                fault(_bad_key(key))
            elif key.text == "<<" and key.plain:
                fault(_merge_key(key))
            elif key.text in entries:
                fault(_duplicate(key, entries[key.text][0]))
            else:
                entries[key.text] = (key, value)
        node = Mapping(entries, size, opening.place)
        opening.scope.close(opening.name, node)
        return node


def _duplicate(key: Scalar, first: Scalar) -> Fault:
    where = f"line {first.line}, column {first.column}"
    message = f"the key `{shorten(key.text)}` appears twice in one mapping: first at {where}"
    return Fault(
        FaultKind.DUPLICATE_KEY, message, key.line, key.column, _width(key), hint="keep one of the two"
    )


def _merge_key(key: Scalar) -> Fault:
    hint = "write the fields out, or give the whole value by an alias"
    return Fault(
        FaultKind.MERGE_KEY, "merge keys (`<<`) are not supported", key.line, key.column, 2, hint=hint
    )


def _bad_key(key: Node) -> Fault:
    what = "a list" if isinstance(key, Sequence) else "a mapping"
    hint = ""
    if isinstance(key, Mapping):
        hint = "if these are template braces, render the template first; else put the text in quotes"
    return Fault(FaultKind.KEY, f"a key must be a text, this one is {what}", key.line, key.column, hint=hint)


def _width(node: Scalar) -> int:
    return node.end_column - node.column if node.end_line == node.line else 0


def shorten(text: str, limit: int = 60) -> str:
    """The text as a message may quote it: on one line, at most `limit` long, without control characters."""
    clean = "".join(char if char.isprintable() else "·" for char in text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


_PARSER = Lark(
    files(__package__).joinpath("yaml.lark").read_text(encoding="utf-8"),
    parser="lalr",
    lexer=EventLexer,
    transformer=_Tree(),
)


def read_documents(text: str, loader: Any = _LOADER) -> Iterator[Document]:
    """Every document of a text, in order; a broken one has no root. Raises nothing for any printable text.

    loader: PyYAML's loader class, libyaml's by default.
    """
    offset = line = 0
    seen: tuple[int, int] | None = None
    for _ in range(MAX_BROKEN):
        stretch = _Stretch(text, offset, line, loader)
        yield from stretch.documents()
        fault = stretch.fault
        if fault is None:
            return
        if (fault.line, fault.column) != seen:
            yield Document(None, (*stretch.scope.faults, fault))
        seen = fault.line, fault.column
        marker = _MARKER.search(text, max(stretch.resume, offset + 1))
        if marker is None:
            return
        line += text.count("\n", offset, marker.start())
        offset = marker.start()
    message = f"more than {MAX_BROKEN} documents of this file are broken: the rest was not read"
    yield Document(None, (Fault(FaultKind.GIVEN_UP, message, line + 1, 1),))


class _Stretch:
    """Reads from one place until the end or the first broken document. resume: where to look on from."""

    def __init__(self, text: str, offset: int, line: int, loader: Any) -> None:
        self._text = text
        self._places = Places(text, offset, line)
        self._events: Iterator[Any] = yaml.parse(text[offset:] if offset else text, Loader=loader)
        self._offset = offset
        self.resume = offset
        self.scope = Scope()
        self.fault: Fault | None = None

    def documents(self) -> Iterator[Document]:
        try:
            for event in self._events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self.resume = self._places(event.start_mark)[0] + 1
                    self.scope = Scope()
                    root: Any = _PARSER.parse(DocumentEvents(self._events, self._places, self.scope))
                    yield Document(root, tuple(self.scope.faults))
                    self.scope = Scope()
        except Broken as broken:
            self.fault = broken.fault
        except yaml.YAMLError as error:
            self.fault = self._syntax(error)

    def _syntax(self, error: yaml.YAMLError) -> Fault:
        mark = getattr(error, "problem_mark", None)
        problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read")
        context_mark = getattr(error, "context_mark", None)
        place: Place = self._places(mark) if mark is not None else (self.resume, 1, 1)
        context = getattr(error, "context", None)
        if context and "quoted scalar" in context and context_mark is not None and "unexpected" in problem:
            # libyaml tells where the document ended; what has to be mended is where the quote opens.
            _, line, column = self._places(context_mark)
            return Fault(
                FaultKind.SYNTAX, "this is not YAML: the quote opened here is never closed", line, column, 1
            )
        place = self._inside(place)
        message = f"this is not YAML: {problem}"
        if context and context_mark is not None and context_mark.index != getattr(mark, "index", -1):
            _, line, column = self._places(context_mark)
            message += f", {context} that starts at line {line}, column {column}"
        return Fault(FaultKind.SYNTAX, message, place[1], place[2], hint=self._hint(problem, place))

    def _inside(self, place: Place) -> Place:
        """An error at the end of the text is shown at its last character, where there is a line to show."""
        end = len(self._text.rstrip())
        if place[0] < end or end == 0:
            return place
        start = self._text.rfind("\n", 0, end) + 1
        return end, self._text.count("\n", 0, start) + 1, end - start + 1

    def _hint(self, problem: str, place: Place) -> str:
        index = place[0]
        end = self._text.find("\n", index)
        line = self._text[self._text.rfind("\n", 0, index) + 1 : end if end >= 0 else len(self._text)]
        char = self._text[index : index + 1]
        if _TEMPLATE.search(line):
            return "this looks like a template: render it first"
        if char == "\t" or line[: len(line) - len(line.lstrip())].count("\t"):
            return "indent with spaces: YAML takes no tabs there"
        if "mapping values are not allowed" in problem:
            return "put a text that holds `: ` in quotes, or look at the indentation of this line"
        if char == ":" and self._text[index + 1 : index + 2].strip():
            return "put a text that starts with `:` in quotes"
        if "escape" in problem:
            return "in double quotes a backslash starts an escape: use single quotes, or two backslashes"
        if "',' or '" in problem:
            return "look for a missing comma or bracket"
        if "cannot start any token" in problem:
            return f"put a text that starts with `{char}` in quotes"
        if "did not find expected" in problem or "could not find expected" in problem:
            return "look at the indentation of this line and the one before"
        return ""
