"""Typing of YAML nodes: texts, flags, numbers, lists and the keys of mappings, with findings at their places.

Scalars are text until one of these functions types them, so that `no` or `010` never turn into something
else on the way. A plain `null`, `~` or nothing counts as absent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from typing import Final

from ...grammar.documents import shorten
from ...grammar.nodes import Mapping, Node, Scalar, Sequence
from .. import codes
from ..source import Diagnostic, Diagnostics, Severity, Span
from .near import closest, listed, near_miss

MAX_FINDINGS: Final = 1000

_INTEGER = re.compile(r"-?[0-9]+\Z")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_LOOSE_TRUE = frozenset(("yes", "y", "on", "1"))
_LOOSE_FALSE = frozenset(("no", "n", "off", "0"))


class TooManyError(Exception):
    """A source has more findings than anyone reads: its reading stops."""


class Place:
    """One source being read: makes spans and findings.

    A finding is reported once, however often aliases lead to its place. The finding after the
    `MAX_FINDINGS`th raises TooManyError.
    """

    def __init__(self, file: str, text: str, diagnostics: Diagnostics) -> None:
        self.file = file
        self.text = text
        self._diagnostics = diagnostics
        self._seen: set[Diagnostic] = set()

    def _report(self, finding: Diagnostic) -> None:
        if finding in self._seen:
            return
        if len(self._seen) == MAX_FINDINGS:
            raise TooManyError
        self._seen.add(finding)
        self._diagnostics.add(finding)

    def span(self, node: Node) -> Span:
        """The text of a scalar, the first character of a collection."""
        if isinstance(node, Scalar):
            return Span(self.file, node.line, node.column, node.end_line, node.end_column)
        return Span(self.file, node.line, node.column, node.line, node.column + 1)

    def error(self, code: str, message: str, at: Node | Span, *, expected: str = "", hint: str = "") -> None:
        span = at if isinstance(at, Span) else self.span(at)
        self._report(Diagnostic(code, Severity.ERROR, message, span, expected, hint))

    def warning(self, code: str, message: str, at: Node | Span, *, hint: str = "") -> None:
        span = at if isinstance(at, Span) else self.span(at)
        self._report(Diagnostic(code, Severity.WARNING, message, span, "", hint))


def kind_of(node: Node) -> str:
    """What a node is, in words for a message."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.null:
        return "nothing"
    return f"`{shorten(node.text)}`"


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.null


def is_empty(node: Node) -> bool:
    """No value at all, an empty text, list or mapping."""
    if isinstance(node, Scalar):
        return node.null or node.text == ""
    return not (node.items if isinstance(node, Sequence) else node.entries)


def is_false(node: Node) -> bool:
    return is_null(node) or (isinstance(node, Scalar) and node.plain and node.text in _FALSE)


@dataclass(frozen=True)
class Unsupported:
    """A field that is not honoured. harmless: says when its value changes nothing.

    enterprise: of a field that only Calico Enterprise has, why it is not honoured. decides: whether it has a
    part in verdicts; one that has none is passed over with a warning.
    """

    harmless: Callable[[Node], bool] = is_null
    enterprise: str = ""
    decides: bool = True


@dataclass(frozen=True)
class Shape:
    """The keys a mapping may have. what: in words for messages (`a rule`). ignored: read by nobody here."""

    what: str
    fields: frozenset[str]
    unsupported: Table[str, Unsupported] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    elsewhere: Table[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        what: str,
        fields: str,
        unsupported: Table[str, Unsupported] | None = None,
        *,
        ignored: str = "",
        elsewhere: Table[str, str] | None = None,
    ) -> Shape:
        """A shape from its field names in one text, separated by spaces."""
        return cls(
            what, frozenset(fields.split()), unsupported or {}, frozenset(ignored.split()), elsewhere or {}
        )

    @property
    def known(self) -> Iterable[str]:
        return self.fields | self.ignored | set(self.unsupported)


def read_mapping(place: Place, node: Node, shape: Shape) -> dict[str, Node] | None:
    """The values of the shape's fields that are given and not null; None when the node is no mapping.

    Unknown keys and unsupported fields are reported.
    """
    if not isinstance(node, Mapping):
        wrong_type(place, node, f"{shape.what} is a mapping, not {kind_of(node)}", "`key: value` lines")
        return None
    values: dict[str, Node] = {}
    adopted: dict[str, tuple[Scalar, Node]] = {}
    for name, (key, value) in node.entries.items():
        if name in shape.fields:
            if not is_null(value):
                values[name] = value
        elif name in shape.ignored:
            continue
        elif name in shape.unsupported:
            if not shape.unsupported[name].harmless(value):
                _unhonoured(place, key, f"`{name}` in {shape.what}", shape.unsupported[name])
        else:
            meant = _unknown_key(place, key, shape)
            if meant in shape.fields and meant not in node.entries:
                adopted.setdefault(meant, (key, value))
    # The value is read as what was probably meant: that spares findings that only follow from this.
    if adopted:
        node.entries.update(adopted)
        values.update({name: value for name, (_, value) in adopted.items() if not is_null(value)})
    return values


def _unknown_key(place: Place, key: Scalar, shape: Shape) -> str:
    """Reports the key; returns the known one that was probably meant, or nothing."""
    meant = closest(key.text, shape.known)
    hint = f"did you mean `{meant}`?" if meant else ""
    if key.text in shape.elsewhere:
        hint, meant = shape.elsewhere[key.text], ""
    expected = "one of " + ", ".join(f"`{name}`" for name in sorted(shape.fields))
    message = f"{shape.what} has no field `{shorten(key.text)}`"
    place.error(codes.UNKNOWN_KEY, message, key, expected=expected, hint=hint)
    return meant


def _unhonoured(place: Place, key: Scalar, what: str, field: Unsupported) -> None:
    if not field.enterprise:
        unsupported(place, key, what)
    elif field.decides:
        message = f"{what} is a field of Calico Enterprise: {field.enterprise}"
        place.error(codes.ENTERPRISE, message, key, hint="take it out: it is never ignored")
    else:
        message = f"{what} is a field of Calico Enterprise and passed over: {field.enterprise}"
        place.warning(codes.ENTERPRISE_IGNORED, message, key)


def unsupported(place: Place, node: Node, what: str) -> None:
    """Reports a part of the language that is not supported yet."""
    place.error(
        codes.UNSUPPORTED_FIELD, f"{what} is not supported yet", node, hint="take it out: it is never ignored"
    )


def wrong_type(place: Place, node: Node, message: str, expected: str, hint: str = "") -> None:
    place.error(codes.WRONG_TYPE, message, node, expected=expected, hint=hint)


def missing(place: Place, node: Node, message: str, hint: str = "") -> None:
    """Reports a required field that is not there; points at the mapping that lacks it."""
    place.error(codes.MISSING, message, node, hint=hint)


def read_text(place: Place, node: Node, what: str) -> str | None:
    """A scalar's text as written."""
    if isinstance(node, Scalar):
        return node.text
    wrong_type(place, node, f"{what} is a text, not {kind_of(node)}", "a text")
    return None


def read_word(place: Place, node: Node, what: str, words: Iterable[str]) -> str | None:
    """One of some words, spelt exactly."""
    words = tuple(words)
    if isinstance(node, Scalar):
        if node.text in words:
            return node.text
        message = f"{what} cannot be {kind_of(node)}"
        hint = near_miss(node.text, words)
        place.error(codes.UNKNOWN_WORD, message, node, expected=listed(words), hint=hint)
    else:
        wrong_type(place, node, f"{what} is a text, not {kind_of(node)}", listed(words))
    return None


def read_flag(place: Place, node: Node, what: str) -> bool | None:
    """`true` or `false`, unquoted."""
    if isinstance(node, Scalar) and node.plain:
        if node.text in _TRUE:
            return True
        if node.text in _FALSE:
            return False
    hint = ""
    if isinstance(node, Scalar):
        word = node.text.lower()
        if word in _TRUE or word in _LOOSE_TRUE:
            hint = "did you mean `true`, without quotes?"
        elif word in _FALSE or word in _LOOSE_FALSE:
            hint = "did you mean `false`, without quotes?"
    wrong_type(place, node, f"{what} is true or false, not {kind_of(node)}", "`true` or `false`", hint)
    return None


def leading_zero(place: Place, node: Scalar, what: str) -> bool:
    """Reports a plain number written with a leading zero, which YAML 1.1 readers take for octal."""
    if not (node.plain and _LEADING_ZERO.match(node.text)):
        return False
    digits = node.text.lstrip("+-").lstrip("0") or "0"
    wrong_type(
        place,
        node,
        f"{what} has a leading zero, which some YAML readers take for octal",
        "a decimal number",
        f"did you mean `{digits}`?",
    )
    return True


def read_integer(place: Place, node: Node, what: str, low: int, high: int) -> int | None:
    """A whole number between two bounds, unquoted."""
    expected = f"a whole number from {low} to {high}"
    if not isinstance(node, Scalar) or not node.plain or not _INTEGER.match(node.text) or len(node.text) > 20:
        hint = ""
        if isinstance(node, Scalar) and not node.plain and _INTEGER.match(node.text):
            hint = "leave the quotes out"
        wrong_type(place, node, f"{what} is a whole number, not {kind_of(node)}", expected, hint)
        return None
    if leading_zero(place, node, what):
        return None
    value = int(node.text)
    if low <= value <= high:
        return value
    place.error(codes.OUT_OF_RANGE, f"{what} cannot be {value}", node, expected=expected)
    return None


def read_number(place: Place, node: Node, what: str) -> float | None:
    """A finite number, unquoted; fractions and signs are fine."""
    if not isinstance(node, Scalar) or not node.plain or not _NUMBER.match(node.text):
        hint = ""
        if isinstance(node, Scalar) and not node.plain and _NUMBER.match(node.text):
            hint = "leave the quotes out"
        wrong_type(
            place, node, f"{what} is a number, not {kind_of(node)}", "a number such as `100` or `-2.5`", hint
        )
        return None
    if leading_zero(place, node, what):
        return None
    value = float(node.text)
    if math.isfinite(value):
        return value
    place.error(codes.OUT_OF_RANGE, f"{what} `{shorten(node.text)}` is too large", node)
    return None


def read_list(place: Place, node: Node, what: str, most: int | None = None) -> list[Node]:
    """The items of a list, at most `most`; none when it is not a list."""
    if not isinstance(node, Sequence):
        hint = "start the item with `- `" if not isinstance(node, Scalar) else "put it in brackets: `[…]`"
        wrong_type(place, node, f"{what} is a list, not {kind_of(node)}", "a list", hint)
        return []
    if most is not None and len(node.items) > most:
        message = f"{what} has {len(node.items)} items, more than {most}"
        place.error(codes.TOO_MANY, message, node.items[most], expected=f"at most {most}")
    return node.items


def read_set(place: Place, node: Node, what: str, most: int | None = None) -> list[Node]:
    """As read_list, where a text may stand only once; the second one is reported and left out."""
    first: dict[str, Scalar] = {}
    items: list[Node] = []
    for item in read_list(place, node, what, most):
        if isinstance(item, Scalar):
            if item.text in first:
                other = first[item.text]
                where = f"line {other.line}, column {other.column}"
                message = f"{kind_of(item)} stands twice in {what}: first at {where}"
                place.error(codes.DUPLICATE_ITEM, message, item, hint="take one of the two out")
                continue
            first[item.text] = item
        items.append(item)
    return items


def read_text_map(place: Place, node: Node, what: str) -> dict[str, tuple[Scalar, Scalar]]:
    """A mapping of texts to texts, each with the nodes of key and value; a null value is an empty text."""
    if not isinstance(node, Mapping):
        wrong_type(place, node, f"{what} is a mapping, not {kind_of(node)}", "`key: value` lines")
        return {}
    pairs: dict[str, tuple[Scalar, Scalar]] = {}
    for name, (key, value) in node.entries.items():
        if isinstance(value, Scalar):
            pairs[name] = (key, value)
        else:
            wrong_type(place, value, f"`{shorten(name)}` in {what} is a text, not {kind_of(value)}", "a text")
    return pairs
