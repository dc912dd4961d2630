"""Ports and protocols of rules (dossier §3.1, §3.3)."""

from __future__ import annotations

import re
from typing import Final

from ...grammar.documents import shorten
from ...grammar.nodes import Node, Scalar
from .. import codes
from ..resources import NamedPort, PortRange, Protocol
from .fields import Place, kind_of, leading_zero, wrong_type
from .metadata import NameRule
from .near import listed, near_miss

PROTOCOLS: Final = {"TCP": 6, "UDP": 17, "ICMP": 1, "ICMPv6": 58, "SCTP": 132, "UDPLite": 136}
PORT_PROTOCOLS: Final = frozenset((6, 17, 132))
PORT_NAME_RULE: Final = NameRule(
    re.compile(r"(?=.*[a-z])[a-z0-9](?:-?[a-z0-9])*"), 15, "lower case letters, digits and `-`, with a letter"
)

_DIGITS = re.compile(r"[0-9]+")
_RANGE = re.compile(r"([0-9]+):([0-9]+)")
_DASHED = re.compile(r"([0-9]+)\s*(?:-|–|\.\.|,|: | :)\s*([0-9]+)")
_EXPECTED: Final = "a port from 1 to 65535, a range such as `8000:8999`, or a name such as `https`"


def read_protocol(place: Place, node: Node, what: str) -> Protocol | None:
    """A protocol by exact name, or by number 1–255 (a text of digits is a number)."""
    expected = listed(PROTOCOLS) + ", or a number from 1 to 255"
    if not isinstance(node, Scalar):
        wrong_type(place, node, f"{what} is a name or a number, not {kind_of(node)}", expected)
        return None
    text = node.text
    if text in PROTOCOLS:
        return Protocol(at=place.span(node), number=PROTOCOLS[text], name=text)
    if _DIGITS.fullmatch(text):
        if leading_zero(place, node, what):
            return None
        number = int(text) if len(text) < 10 else 256
        if 1 <= number <= 255:
            return Protocol(at=place.span(node), number=number)
    hint = near_miss(text, PROTOCOLS)
    place.error(codes.PROTOCOL, f"{what} cannot be {kind_of(node)}", node, expected=expected, hint=hint)
    return None


def read_port(place: Place, node: Node, what: str) -> PortRange | NamedPort | None:
    """A port or an inclusive range, as number or text, or the name of a port."""
    if not isinstance(node, Scalar) or node.null:
        wrong_type(place, node, f"{what} is a port, not {kind_of(node)}", _EXPECTED)
        return None
    text = node.text
    bounds = _RANGE.fullmatch(text)
    if bounds is None and not _DIGITS.fullmatch(text):
        if len(text) <= PORT_NAME_RULE.most and PORT_NAME_RULE.pattern.fullmatch(text):
            return NamedPort(at=place.span(node), name=text)
        dashed = _DASHED.fullmatch(text)
        hint = f"did you mean `{dashed[1]}:{dashed[2]}`?" if dashed else ""
        message = f"{what} cannot be `{shorten(text)}`"
        place.error(codes.PORT, message, node, expected=_EXPECTED, hint=hint)
        return None
    if bounds is None and leading_zero(place, node, what):
        return None
    first = _number(bounds[1] if bounds else text)
    last = _number(bounds[2]) if bounds else first
    if not (1 <= first <= 65535 and 1 <= last <= 65535):
        wrong = text if bounds is None else bounds[1] if not 1 <= first <= 65535 else bounds[2]
        message = f"the port {shorten(wrong)} is outside 1 to 65535"
        place.error(codes.PORT, message, node, expected=_EXPECTED)
        return None
    if first > last:
        message = f"the port range {first}:{last} starts after its end"
        place.error(codes.PORT_RANGE, message, node, hint=f"did you mean `{last}:{first}`?")
        return None
    return PortRange(at=place.span(node), first=first, last=last)


def _number(digits: str) -> int:
    """The value of a text of digits, 65536 for anything that is surely too large."""
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= 5 else 65536
