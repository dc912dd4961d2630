"""The lexer: PyYAML's parser events become the terminals of yaml.lark, with exact places.

Here the bounds on hostile input are kept while events come in: depth, number of values. The lexer stops at
the first event that breaks one, so libyaml never gets to read the rest of an endless nest.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import yaml
from lark.lexer import Lexer

from .nodes import Fault, FaultKind, Node, Scalar

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 2_000_000
# A document of more values than this has so many characters for each of the others (real lists have ten and
# more): what a few megabytes can cost is bounded, and a real list may be long.
DENSE_VALUES: Final = 250_000
VALUE_WIDTH: Final = 8
MAX_EXPANSION: Final = 100_000
MAX_FAULTS: Final = 100

_TAG: Final = "tag:yaml.org,2002:"
_SCALAR_TAGS: Final = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "timestamp"))

Place = tuple[int, int, int]


class Broken(Exception):
    """The document cannot be read further: carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Mark:
    """A token that is no plain value: where a collection starts or ends, an alias, an anchored scalar."""

    __slots__ = (
        "column", "end_column", "end_line", "end_pos", "line", "name", "node", "scope", "start_pos", "type"
    )  # fmt: skip

    def __init__(
        self, type: str, place: Place, scope: Scope, name: str | None = None, node: Scalar | None = None
    ) -> None:
        self.type = type
        self.start_pos, self.line, self.column = self.end_pos, self.end_line, self.end_column = place
        self.scope = scope
        self.name = name
        self.node = node

    @property
    def place(self) -> Place:
        return self.start_pos, self.line, self.column


class Pair:
    """A token of its own for what nearly all of a policy is: a key and its value, both texts."""

    __slots__ = ("key", "value")
    type: ClassVar[str] = "PAIR"

    def __init__(self, key: Scalar, value: Scalar) -> None:
        self.key = key
        self.value = value


class Texts:
    """A token of its own for what is long in a policy: texts that follow each other in a list."""

    __slots__ = ("items",)
    type: ClassVar[str] = "TEXTS"

    def __init__(self, items: list[Scalar]) -> None:
        self.items = items


class Scope:
    """What holds for one document while it is read: its anchors and its faults."""

    __slots__ = ("anchors", "expanded", "faults", "open")

    def __init__(self) -> None:
        self.anchors: dict[str, Node] = {}
        self.open: dict[str, int] = {}
        self.expanded = 0
        self.faults: list[Fault] = []

    def fault(self, fault: Fault) -> None:
        """Takes a fault that the document survives. Raises Broken when there are too many."""
        self.faults.append(fault)
        if len(self.faults) == MAX_FAULTS:
            message = f"this document has {MAX_FAULTS} faults: the rest was not read"
            raise Broken(Fault(FaultKind.GIVEN_UP, message, fault.line, fault.column))

    def close(self, name: str | None, node: Node) -> None:
        """The collection that carries this anchor is complete."""
        if name is not None:
            self.anchors[name] = node
            self.open.pop(name, None)

    def resolve(self, alias: Mark) -> Node:
        """The node an alias names. Raises Broken: not defined, inside itself, or too much in all."""
        name = alias.name or ""
        if self.open.get(name, alias.start_pos) < alias.start_pos:
            raise Broken(_alias_fault(alias, f"the alias `*{name}` stands inside the value it names"))
        node = self.anchors.get(name)
        if node is None:
            message = f"the alias `*{name}` names no anchor: there is no `&{name}` before it in this document"
            raise Broken(_alias_fault(alias, message))
        self.expanded += node.size
        if self.expanded > MAX_EXPANSION:
            message = f"the aliases of this document expand to more than {MAX_EXPANSION} values"
            raise Broken(
                Fault(
                    FaultKind.EXPANSION,
                    message,
                    alias.line,
                    alias.column,
                    len(name) + 1,
                    hint="write the values out",
                )
            )
        return node


def _alias_fault(alias: Mark, message: str) -> Fault:
    return Fault(FaultKind.ALIAS, message, alias.line, alias.column, len(alias.name or "") + 1)


class DocumentEvents:
    """The events of one document, from after its start to its end. places: see `Places`."""

    def __init__(self, events: Iterator[Any], places: Places, scope: Scope) -> None:
        self.events = events
        self.places = places
        self.scope = scope


_ODD_BREAK = re.compile("[\x85\u2028\u2029]|\r(?!\n)")


def _line_starts(text: str) -> list[int]:
    return [0, *(found.end() for found in re.finditer("\n", text))]


class Places:
    """Turns PyYAML's marks into places of the whole text, for a stretch of it that starts a line.

    libyaml counts NEL, LS and PS as line breaks; editors do not. Where a text has one, lines are counted
    by hand.
    """

    def __init__(self, text: str, offset: int, line: int) -> None:
        self._offset = offset
        self._line = line
        self._starts = _line_starts(text) if _ODD_BREAK.search(text) else None

    def __call__(self, mark: Any) -> Place:
        index = mark.index + self._offset
        if self._starts is not None:
            line = bisect_right(self._starts, index)
            return index, line, index - self._starts[line - 1] + 1
        return index, mark.line + self._line + 1, mark.column + 1


class EventLexer(Lexer):
    """Lark's custom lexer: from a `DocumentEvents` to `Scalar`s, `Pair`s and `Texts` of them, and `Mark`s."""

    def __init__(self, lexer_conf: Any) -> None:
        """Lark builds it; there is nothing to configure."""

    def lex(self, lexer_state: Any, parser_state: Any = None) -> Iterator[Any]:  # noqa: ARG002 (Lark's)
        document: DocumentEvents = lexer_state
        place, scope = document.places, document.scope
        around: list[tuple[bool, bool]] = []  # of each open collection: in_mapping, at_key where it stands
        in_mapping = at_key = False
        key: Scalar | None = None  # its value is still to come
        texts: list[Scalar] = []  # of a list, with more to come
        allowed = first = 0
        for count, event in enumerate(document.events):
            kind = type(event)
            if count >= allowed:  # empty lists, too, are values
                first = first if count else event.start_mark.index
                allowed = min(MAX_VALUES, DENSE_VALUES + (event.start_mark.index - first) // VALUE_WIDTH) + 1
                if count >= allowed:
                    raise Broken(_too_many(place(event.start_mark), count))
            if kind is yaml.ScalarEvent:
                token = _scalar(event, place, scope)
                if event.anchor is None:
                    if at_key:
                        key, at_key = token, False
                    elif key is not None:
                        pair = Pair(key, token)
                        key, at_key = None, True
                        yield pair
                    elif around and not in_mapping:
                        texts.append(token)
                    else:
                        at_key = in_mapping
                        yield token
                    continue
            if key is not None:
                yield key
                key = None
            elif texts:
                yield Texts(texts)
                texts = []
            if kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                if len(around) == MAX_DEPTH:
                    raise Broken(too_deep(place(event.start_mark)))
                around.append((in_mapping, at_key))
                in_mapping = at_key = kind is yaml.MappingStartEvent
                yield _opening(event, "MAP" if in_mapping else "SEQ", place, scope)
                continue
            if kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                yield Mark("MAP_END" if in_mapping else "SEQ_END", place(event.start_mark), scope)
                in_mapping, at_key = around.pop()
            elif kind is yaml.AliasEvent:
                yield Mark("ALIAS", place(event.start_mark), scope, event.anchor)
            elif kind is yaml.ScalarEvent:
                yield Mark("ANCHORED", place(event.start_mark), scope, event.anchor, token)
            else:
                return
            at_key = in_mapping and not at_key


def _scalar(event: Any, place: Places, scope: Scope) -> Scalar:
    style = event.style or ""
    start = place(event.start_mark)
    if event.tag is not None:
        style = _tagged_style(event, style, start, scope)
    return Scalar(event.value, style, start, place(event.end_mark))


def _opening(event: Any, name: str, place: Places, scope: Scope) -> Mark:
    start = place(event.start_mark)
    _check_collection_tag(event, name, start, scope)
    if event.anchor is not None:
        scope.open[event.anchor] = start[0]
    return Mark(name + "_START", start, scope, event.anchor)


def _too_many(place: Place, count: int) -> Fault:
    message = f"this document has more than {count - 1} values"
    if count <= MAX_VALUES:
        message += f", with less than {VALUE_WIDTH} characters for each"
    return Fault(FaultKind.SIZE, message, place[1], place[2], hint="split it into several documents")


def too_deep(place: Place) -> Fault:
    """The fault of a document whose values are nested too deep."""
    message = f"values are nested more than {MAX_DEPTH} deep"
    return Fault(FaultKind.DEPTH, message, place[1], place[2])


def _tagged_style(event: Any, style: str, place: Place, scope: Scope) -> str:
    """`!!str` and `!` make a plain text a quoted one; the other core tags say what the field says anyway."""
    if event.tag in ("!", _TAG + "str"):
        return style or "!"
    if event.tag not in _SCALAR_TAGS:
        scope.fault(_tag_fault(event.tag, place))
    return style


def _check_collection_tag(event: Any, name: str, place: Place, scope: Scope) -> None:
    wanted = _TAG + ("map" if name == "MAP" else "seq")
    if event.tag is not None and event.tag not in ("!", wanted):
        scope.fault(_tag_fault(event.tag, place))


def _tag_fault(tag: str, place: Place) -> Fault:
    shown = "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
    return Fault(
        FaultKind.TAG, f"the tag `{shown}` has no meaning here", place[1], place[2], hint="leave the tag out"
    )
