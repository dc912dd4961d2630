"""Test cases from YAML: every value typed and checked, every finding with its place.

The document is `cases:` with a list; docs/testing.md describes the fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..compiler.parse.documents import read_each
from ..compiler.parse.fields import (
    Place,
    Shape,
    kind_of,
    missing,
    read_list,
    read_mapping,
    read_text,
    read_word,
    wrong_type,
)
from ..compiler.parse.near import listed, near_miss
from ..compiler.source import Diagnostics, Source, Span
from ..grammar.documents import shorten
from ..grammar.nodes import Node, Scalar
from ..grammar.nodes import Sequence as Items
from ..pair.packet import PROTO_TCP, QUERY_TYPES_V4, QUERY_TYPES_V6, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN
from . import codes
from .case_packets import ICMP_PROTOCOLS, read_packet, read_side
from .cases import Case, Expected, Packet, Send, Step, VerdictWord, Wait
from .ends import Side

_DOCUMENT: Final = Shape.of("a file of test cases", "cases")
_CASE: Final = Shape.of("a case", "name from to protocol port sourcePort icmp ipVersion expect rule steps")
_STEP: Final = Shape.of("a step", "send reply wait expect rule")
_UNREACHABLE: Final = "unreachable"
_FLAGS: Final = {
    "syn": TCP_SYN,
    "syn-ack": TCP_SYN | TCP_ACK,
    "ack": TCP_ACK,
    "data": TCP_ACK,
    "fin": TCP_FIN | TCP_ACK,
    "rst": TCP_RST,
}
_WAIT: Final = re.compile(r"([0-9]{1,6})(ms|s|m|h)")
_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def read_cases(sources: Iterable[Source], diagnostics: Diagnostics) -> tuple[Case, ...]:
    """Every case that could be read, in order. Pure: it reads no file."""
    found: list[Case] = []
    seen: dict[str, Span] = {}

    def read(place: Place, root: Node) -> None:
        values = read_mapping(place, root, _DOCUMENT)
        if values is None:
            return
        if "cases" not in values:
            missing(place, root, "this document has no `cases`")
            return
        for node in read_list(place, values["cases"], "`cases`"):
            case = _read_case(place, node)
            if case is not None:
                _once(place, case, seen)
                found.append(case)

    for source in sources:
        read_each(source, diagnostics, read)
    if not found and not diagnostics.failed:
        diagnostics.error(codes.NO_CASES, "the files hold no test case", None)
    return tuple(found)


def _once(place: Place, case: Case, seen: dict[str, Span]) -> None:
    if case.name in seen:
        message = f"two cases are named `{shorten(case.name)}`: the first is at {seen[case.name]}"
        place.error(codes.TWICE, message, case.at, hint="a report has to tell them apart")
    seen.setdefault(case.name, case.at)


def _read_case(place: Place, node: Node) -> Case | None:
    """None when something that matters is missing or wrong."""
    values = read_mapping(place, node, _CASE)
    if values is None:
        return None
    for field in ("name", "from", "to"):
        if field not in values:
            missing(place, node, f"this case has no `{field}`")
    name = read_text(place, values["name"], "the name of a case") if "name" in values else None
    source = read_side(place, values["from"], "`from`") if "from" in values else None
    destination = read_side(place, values["to"], "`to`") if "to" in values else None
    packet = read_packet(place, node, values)
    steps = _read_steps(place, node, values, packet) if packet is not None else ()
    if name is None or source is None or destination is None or packet is None or not steps:
        return None
    if not _asks_a_policy(place, values["to"], source, destination):
        return None
    at, source_at, destination_at = (place.span(values[field]) for field in ("name", "from", "to"))
    return Case(at, name, source, destination, source_at, destination_at, packet, steps)


def _asks_a_policy(place: Place, node: Node, source: Side, destination: Side) -> bool:
    if source.whom is not None or destination.whom is not None:
        return True
    message = "both ends are addresses, so that no policy is asked"
    place.error(codes.END, message, node, hint="name one of them by NAMESPACE/NAME, or by labels")
    return False


def _read_steps(place: Place, case: Node, values: dict[str, Node], packet: Packet) -> tuple[Step, ...]:
    """The steps, or the one packet of a case that has none; nothing after a finding."""
    if "steps" not in values:
        expected = _read_expected(place, case, values, "this case")
        if expected is None:
            return ()
        words = _words(packet, forwards=True)[0]
        flags = _FLAGS["syn"] if packet.protocol == PROTO_TCP else 0
        return (Send(place.span(values["expect"]), words, True, expected, flags),)
    for field in ("expect", "rule"):
        if field in values:
            message = f"a case with `steps` has no `{field}` of its own"
            place.error(codes.PACKET, message, values[field], hint="write it in each step")
    nodes = read_list(place, values["steps"], "`steps`")
    steps = [_read_step(place, node, packet) for node in nodes]
    read = tuple(step for step in steps if step is not None)
    if not any(isinstance(step, Send) for step in read) and len(read) == len(nodes):
        place.error(codes.PACKET, "these steps send nothing", values["steps"], expected="a `send` or `reply`")
    return read if len(read) == len(nodes) else ()


def _read_step(place: Place, node: Node, packet: Packet) -> Step | None:
    values = read_mapping(place, node, _STEP)
    if values is None:
        return None
    kinds = [field for field in ("send", "reply", "wait") if field in values]
    if len(kinds) != 1:
        message = "a step is one of `send`, `reply` and `wait`"
        place.error(codes.PACKET, message, node, expected="for instance `send: syn` with `expect: allow`")
        return None
    if kinds == ["wait"]:
        return _read_wait(place, values)
    forwards = kinds == ["send"]
    given = values[kinds[0]]
    word = read_word(place, given, f"`{kinds[0]}` in a case of this protocol", _words(packet, forwards))
    expected = _read_expected(place, node, values, "this step")
    if word is None or expected is None:
        return None
    flags = _FLAGS.get(word, 0) if packet.protocol == PROTO_TCP else 0
    return Send(place.span(given), word, forwards, expected, flags, word == _UNREACHABLE)


def _words(packet: Packet, forwards: bool) -> tuple[str, ...]:
    """What a step may send in that direction, the usual first."""
    if packet.protocol == PROTO_TCP:
        return (*_FLAGS, _UNREACHABLE)
    if packet.protocol not in ICMP_PROTOCOLS:
        return ("packet", _UNREACHABLE)
    queries = QUERY_TYPES_V4 if packet.version == 4 else QUERY_TYPES_V6
    if packet.icmp_type is not None and packet.icmp_type not in queries:
        return ("packet",)
    return ("request",) if forwards else ("reply", _UNREACHABLE)


def _read_wait(place: Place, values: dict[str, Node]) -> Wait | None:
    node = values["wait"]
    for field in ("expect", "rule"):
        if field in values:
            place.error(codes.PACKET, f"nothing is sent in a `wait`, so it has no `{field}`", values[field])
    given = _WAIT.fullmatch(node.text) if isinstance(node, Scalar) else None
    if given is None:
        message = f"`wait` is a number with a unit, not {kind_of(node)}"
        wrong_type(place, node, message, "for instance `90s`, `5m`, `2h` or `500ms`")
        return None
    return Wait(place.span(node), given[0], int(given[1]) * _UNITS[given[2]])


def _read_expected(place: Place, owner: Node, values: dict[str, Node], what: str) -> Expected | None:
    if "expect" not in values:
        missing(place, owner, f"{what} has no `expect`", "`expect: allow` or `expect: deny`")
        return None
    verdict = _read_verdict(place, values["expect"])
    rules = _read_rules(place, values["rule"]) if "rule" in values else ()
    return Expected(verdict, rules) if verdict is not None else None


def _read_verdict(place: Place, node: Node) -> VerdictWord | None:
    verdicts: dict[str, VerdictWord] = {"allow": "allow", "deny": "deny"}
    if isinstance(node, Scalar) and node.text not in verdicts:
        meant = {"drop": "deny", "block": "deny", "accept": "allow", "pass": "allow"}.get(node.text.lower())
        hint = f"did you mean `{meant}`?" if meant else near_miss(node.text, verdicts)
        message = f"`expect` cannot be {kind_of(node)}"
        place.error(codes.VERDICT, message, node, expected=listed(verdicts), hint=hint)
        return None
    word = read_word(place, node, "`expect`", verdicts)
    return verdicts[word] if word is not None else None


def _read_rules(place: Place, node: Node) -> tuple[str, ...]:
    """One name of a rule, or a list of them."""
    items = node.items if isinstance(node, Items) else [node]
    texts = (read_text(place, item, "the name of a rule") for item in items)
    return tuple(text for text in texts if text is not None)
