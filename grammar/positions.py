"""Where each character of a scalar's text stands in the source, past quotes, escapes and folds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .nodes import Scalar

Spot = tuple[str, int]

_SIMPLE = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r",
    "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\",
    "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_HEX = {"x": 2, "u": 4, "U": 8}
_BREAK = re.compile(r"[ \t]*(?:\r\n|\n)(?:[ \t]*(?:\r\n|\n))*[ \t]*")


def text_positions(source: str, node: Scalar) -> list[int]:
    """For each character of the scalar's text its index in the source, and one more for the end.

    Where the two cannot be laid side by side, every character is at the scalar's first one.
    """
    raw_start, raw_end = node.start_pos, node.end_pos
    if node.style in ("|", ">"):
        spots = list(_block(source, node))
        end = spots[-1][1] + 1 if spots else raw_start
    elif node.style in ("'", '"'):
        # An explicit tag or an anchor may stand before the quote.
        opening = source.find(node.style, raw_start, raw_end)
        spots = list(_flow(source, opening + 1, raw_end - 1, node.style))
        end = raw_end - 1
    else:
        spots = list(_flow(source, _plain_start(source, node), raw_end, ""))
        end = raw_end
    if "".join(char for char, _ in spots) != node.text:
        return [raw_start] * (len(node.text) + 1)
    return [index for _, index in spots] + [end]


def _plain_start(source: str, node: Scalar) -> int:
    """The first character of a plain scalar, past a tag and an anchor."""
    start = node.start_pos
    while start < node.end_pos and source[start] in "&!":
        found = re.compile(r"\S+\s+").match(source, start, node.end_pos)
        if found is None:
            return node.end_pos
        start = found.end()
    return start


def _flow(source: str, start: int, end: int, quote: str) -> Iterator[Spot]:
    """Plain (no quote) and quoted scalars: line breaks fold, quotes and escapes stand for one character."""
    index = start
    while index < end:
        folded = _BREAK.match(source, index, end)
        char = source[index]
        if folded:
            yield from _fold(source, folded.start(), folded.end())
            index = folded.end()
        elif quote == "'" and char == "'":
            yield char, index
            index += 2
        elif quote == '"' and char == "\\":
            step = _escape(source, index, end)
            if step[0]:
                yield step[0], index
            index = step[1]
        else:
            yield char, index
            index += 1


def _fold(source: str, start: int, end: int) -> Iterator[Spot]:
    """One break is a space; of more, all but the first stay."""
    breaks = [index for index in range(start, end) if source[index] == "\n"]
    if len(breaks) == 1:
        yield " ", breaks[0]
    for index in breaks[1:]:
        yield "\n", index


def _escape(source: str, index: int, end: int) -> tuple[str, int]:
    """The character of an escape at `index`, and where reading goes on; no character for an escaped break."""
    kind = source[index + 1 : index + 2]
    width = _HEX.get(kind)
    if width is not None:
        digits = source[index + 2 : index + 2 + width]
        try:
            return chr(int(digits, 16)), index + 2 + width
        except (ValueError, OverflowError):
            return "", end
    if kind in _SIMPLE:
        return _SIMPLE[kind], index + 2
    broken = re.compile(r"\\(?:\r\n|\n)[ \t]*((?:(?:\r\n|\n)[ \t]*)*)").match(source, index, end)
    return ("", broken.end()) if broken and not broken[1] else ("", end)


def _block(source: str, node: Scalar) -> Iterator[Spot]:
    """Literal and folded block scalars, laid beside the text that libyaml made of them."""
    header = source.find("\n", source.find(node.style, node.start_pos))
    if header < 0:
        return
    indent = _indentation(source, node, header + 1)
    text, done, index = node.text, 0, header + 1
    while done < len(text) and index < len(source):
        end = source.find("\n", index)
        end = len(source) if end < 0 else end
        for place in range(min(index + indent, end), end):
            if done < len(text) and source[place] == text[done]:
                yield text[done], place
                done += 1
            elif source[place] != "\r":
                return
        # Each break of a literal stays; a fold leaves a space, or one break fewer than there were.
        following = _next_line(source, end, indent)
        count = 0
        while done < len(text) and text[done] == "\n" and count < following[1]:
            yield "\n", min(end, len(source) - 1)
            done += 1
            count += 1
        if count == 0 and done < len(text) and text[done] == " ":
            yield " ", end
            done += 1
        index = following[0]


def _next_line(source: str, end: int, indent: int) -> tuple[int, int]:
    """Where the next line with text starts, and how many breaks lie before it."""
    breaks = 1
    index = end + 1
    while index < len(source):
        stop = source.find("\n", index)
        stop = len(source) if stop < 0 else stop
        line = source[index:stop]
        if line.strip(" \r") or len(line.rstrip("\r")) > indent:
            break
        breaks += 1
        index = stop + 1
    return index, breaks


def _indentation(source: str, node: Scalar, index: int) -> int:
    """The columns that a block scalar's lines are indented by: those of its first line with text."""
    header = source[source.find(node.style, node.start_pos) : index]
    explicit = re.match(r"[|>][-+]?([1-9])", header)
    lines = source[index : node.end_pos].split("\n")
    if explicit:
        # An explicit indicator counts from the parent, whose indentation the text itself tells.
        wanted = node.text.lstrip("\n")
        extra = len(wanted) - len(wanted.lstrip(" "))
        first = next((line for line in lines if line.strip(" \r")), "")
        return len(first) - len(first.lstrip(" ")) - extra
    first = next((line for line in lines if line.strip(" \r")), "")
    return len(first) - len(first.lstrip(" "))
