"""A text to its YAML documents: Lark over PyYAML's events, going on after a broken document.

`---` at the start of a line begins a document wherever it stands (YAML 1.2, c-forbidden), so reading is
taken up again at the next one after the place where a document broke.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final, Generic, TypeVar

import yaml
from lark import Lark, Transformer

from .events import Broken, DocumentEvents, EventLexer, Mark, Pair, Place, Places, Scope, Texts, too_deep
from .nodes import Document, Fault, FaultKind, Mapping, Node, Scalar, Sequence

MAX_BROKEN: Final = 100

_MARKER = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)
_TEMPLATE = re.compile(r"\{\{|\{%|^#@|\(\(", re.MULTILINE)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_Held = TypeVar("_Held")
_Entries = dict[str, tuple[Scalar, Node]]


class _Open(Generic[_Held]):
    """A collection that is being read. size: as of the node it becomes."""

    __slots__ = ("held", "opening", "size")

    def __init__(self, opening: Mark, held: _Held) -> None:
        self.opening = opening
        self.held = held
        self.size = 1


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

    def odd_key(self, children: list[Node]) -> Node:
        return children[0]

    def open_sequence(self, children: list[Mark]) -> _Open[list[Node]]:
        return _Open(children[0], [])

    def texts(self, children: list[Any]) -> _Open[list[Node]]:
        items: _Open[list[Node]] = children[0]
        texts: Texts = children[1]
        items.held += texts.items
        items.size += len(texts.items)
        return items

    def item(self, children: list[Any]) -> _Open[list[Node]]:
        items, item = children
        items.held.append(item)
        items.size += item.size
        return items  # type: ignore[no-any-return]

    def sequence(self, children: list[Any]) -> Node:
        items: _Open[list[Node]] = children[0]
        opening = items.opening
        node = Sequence(items.held, items.size, opening.place)
        opening.scope.close(opening.name, node)
        return node

    def open_mapping(self, children: list[Mark]) -> _Open[_Entries]:
        return _Open(children[0], {})

    def pair(self, children: list[Any]) -> _Open[_Entries]:
        entries: _Open[_Entries] = children[0]
        pair: Pair = children[1]
        key = pair.key
        entries.size += 2
        text = key.text
        if text not in entries.held and text != "<<":
            entries.held[text] = (key, pair.value)
        else:
            _enter(entries, key, pair.value)
        return entries

    def entry(self, children: list[Any]) -> _Open[_Entries]:
        entries: _Open[_Entries] = children[0]
        key, value = children[1], children[2]
        entries.size += value.size + 1
        _enter(entries, key, value)
        return entries

    def mapping(self, children: list[Any]) -> Node:
        entries: _Open[_Entries] = children[0]
        opening = entries.opening
        node = Mapping(entries.held, entries.size, opening.place)
        opening.scope.close(opening.name, node)
        return node


def _enter(entries: _Open[_Entries], key: Node, value: Node) -> None:
    """Puts a key and its value into a mapping, or reports why it cannot stand there."""
    fault = entries.opening.scope.fault
    if not isinstance(key, Scalar):
        fault(_bad_key(key))
    elif key.text == "<<" and key.plain:
        fault(_merge_key(key))
    elif key.text in entries.held:
        fault(_duplicate(key, entries.held[key.text][0]))
    else:
        entries.held[key.text] = (key, value)


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
        # yaml.parse would put a generator and a second call of the loader before each event.
        self._events: Iterator[Any] = iter(loader(text[offset:] if offset else text).get_event, None)
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
        if "nesting depth" in problem:  # PyYAML's libyaml since 6.0.4, at 1,000: it reads ahead of its events
            return too_deep(place)
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
