"""Selector fields: the expression read, its errors pointing at the character inside the YAML scalar."""

from __future__ import annotations

from ...grammar.nodes import Node, Scalar
from ...grammar.positions import text_positions
from .. import codes
from ..resources import SelectorField
from ..selector import Global
from ..source import Span
from .fields import Place, kind_of, wrong_type
from .selector import MAX_LENGTH, SelectorError, selector

_EXPECTED = """a selector such as `app == "web"` or `all()`"""


def read_selector(
    place: Place, node: Node | None, what: str, *, scope: str = "no global"
) -> SelectorField | None:
    """A selector; None when there is none, when it is empty, or when it was wrong (reported).

    scope: `no global` refuses the text `global(`, `free` takes it, `namespaces` takes `global()` alone.
    """
    if node is None:
        return None
    if not isinstance(node, Scalar):
        wrong_type(place, node, f"{what} is a text, not {kind_of(node)}", _EXPECTED)
        return None
    text = node.text
    if not text:
        return None
    if len(text) > MAX_LENGTH:
        message = f"{what} has {len(text)} characters, more than {MAX_LENGTH}"
        place.error(codes.SELECTOR_LENGTH, message, node)
        return None
    try:
        tree = selector(text)
    except SelectorError as error:
        _report(place, node, error)
        return None
    if scope == "no global" and "global(" in text:
        at = text.index("global(")
        message = "`global()` can only be used in the namespaceSelector of a rule's source or destination"
        place.error(codes.SELECTOR_GLOBAL, message, span_inside(place, node, at, len("global(")))
        return None
    if scope == "namespaces" and "global(" in text and not _global_alone(text):
        at = text.index("global(")
        message = "`global()` cannot be combined with other selectors"
        place.error(
            codes.SELECTOR_GLOBAL,
            message,
            span_inside(place, node, at, len("global(")),
            expected="`global()` alone",
        )
        return None
    return SelectorField(at=span_inside(place, node, 0, len(text)), text=text, selector=tree)


def _global_alone(text: str) -> bool:
    return text.strip(" \t").startswith("global(") and selector(text) == Global()


def _report(place: Place, node: Scalar, error: SelectorError) -> None:
    span = span_inside(place, node, error.column - 1, error.width)
    place.error(codes.SELECTOR, f"selector: {error.message}", span, expected=error.expected, hint=error.hint)


def span_inside(place: Place, node: Scalar, start: int, width: int) -> Span:
    """The span of a stretch of a scalar's text in the source, cut at the end of its first line."""
    if width == len(node.text) and node.line == node.end_line and place.text[node.start_pos] not in "&!":
        # The common case, a whole text on one line, needs no walk through it.
        quote = 1 if node.style in ("'", '"') else 0
        return Span(place.file, node.line, node.column + quote, node.end_line, node.end_column - quote)
    positions = text_positions(place.text, node)
    start = min(start, len(positions) - 1)
    first = positions[start]
    last = positions[min(start + width, len(positions) - 1)]
    source = place.text
    line_start = source.rfind("\n", 0, first) + 1
    line_end = source.find("\n", first)
    line_end = len(source) if line_end < 0 else line_end
    line = node.line + source.count("\n", node.start_pos, first)
    stop = max(first + 1, min(last, line_end))
    return Span(place.file, line, first - line_start + 1, line, stop - line_start + 1)
