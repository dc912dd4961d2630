"""The parts of a test case that say who sends what: its ends and its packet, from YAML."""

from __future__ import annotations

import re
from typing import Final

from ..compiler.parse.addresses import parse_address
from ..compiler.parse.fields import (
    Place,
    Shape,
    kind_of,
    missing,
    read_integer,
    read_mapping,
    read_text,
    read_text_map,
    wrong_type,
)
from ..compiler.parse.ports import read_protocol
from ..grammar.documents import shorten
from ..grammar.nodes import Node, Scalar
from ..pair.naming import parse_ref
from ..pair.packet import PORT_PROTOCOLS, PROTO_ICMP, PROTO_ICMPV6
from . import codes
from .cases import Packet
from .compiled import Whom
from .ends import Side
from .packets import protocol_text

ICMP_PROTOCOLS: Final = frozenset({PROTO_ICMP, PROTO_ICMPV6})
_END: Final = Shape.of("an end", "endpoint labels namespace address")
# A HostEndpoint's; a number or an address that is misspelt is not taken for one.
_HOST_NAME: Final = re.compile(r"(?=.*[a-z])[a-z0-9][-a-z0-9.]*")
_ICMP: Final = Shape.of("`icmp`", "type code")
_OTHER_FAMILY: Final = {PROTO_ICMP: "in IPv6 it is `ICMPv6`", PROTO_ICMPV6: "in IPv4 it is `ICMP`"}
_EXPECTED_END: Final = (
    "[KIND/]NAMESPACE/NAME, the name of a HostEndpoint, an address, or a mapping with `endpoint` or `labels`"
)


def read_side(place: Place, node: Node, what: str) -> Side | None:
    """An endpoint or an address as a text, or a mapping of endpoint or labels with an address."""
    if isinstance(node, Scalar):
        return _named(place, node, what)
    values = read_mapping(place, node, _END)
    if values is None:
        return None
    whom = _whom(place, node, values)
    address = None
    if "address" in values:
        text = read_text(place, values["address"], "an address")
        address = parse_address(text) if text is not None else None
        if address is None and text is not None:
            _no_address(place, values["address"], text)
    if whom is None:
        return None
    return Side(whom, address)


def _named(place: Place, node: Scalar, what: str) -> Side | None:
    address = parse_address(node.text)
    if address is not None:
        return Side(address=address)
    hint = ""
    if "/" in node.text and ":" not in node.text:
        try:
            return Side(Whom.of(parse_ref(node.text)))
        except ValueError as error:
            hint = shorten(str(error), 200)
    elif not node.null and _HOST_NAME.fullmatch(node.text):
        return Side(Whom("", node.text))
    message = f"{what} cannot be {kind_of(node)}"
    place.error(codes.END, message, node, expected=_EXPECTED_END, hint=hint)
    return None


def _whom(place: Place, node: Node, values: dict[str, Node]) -> Whom | None:
    if ("endpoint" in values) == ("labels" in values):
        message = "an end has either an `endpoint` or `labels`"
        place.error(codes.END, message, node, expected=_EXPECTED_END)
        return None
    if "endpoint" in values:
        if "namespace" in values:
            message = "the endpoint's text has the namespace already"
            place.error(codes.END, message, values["namespace"], hint="`namespace` belongs to `labels`")
        side = read_side(place, values["endpoint"], "an endpoint")
        if side is not None and side.whom is None:
            place.error(codes.END, "an endpoint is not an address", values["endpoint"], hint="use `address`")
        return side.whom if side is not None else None
    labels = read_text_map(place, values["labels"], "`labels`")
    namespace = read_text(place, values["namespace"], "a namespace") if "namespace" in values else None
    return Whom(namespace, labels=tuple(sorted((key, value.text) for key, (_, value) in labels.items())))


def _no_address(place: Place, node: Node, text: str) -> None:
    place.error(
        codes.ADDRESSES, f"`{shorten(text)}` is no address", node, expected="an address such as `10.1.2.3`"
    )


def read_packet(place: Place, case: Node, values: dict[str, Node]) -> Packet | None:
    """The fields protocol, port, sourcePort, icmp and ipVersion of a case."""
    if "protocol" not in values:
        missing(place, case, "this case has no `protocol`")
        return None
    protocol = read_protocol(place, values["protocol"], "the protocol of a case")
    if protocol is None:
        return None
    port = _port(place, values, "port", protocol.number)
    sport = _port(place, values, "sourcePort", protocol.number)
    if protocol.number in PORT_PROTOCOLS and "port" not in values:
        missing(place, values["protocol"], f"a {protocol_text(protocol.number)} packet needs a `port`")
        return None
    kind, code = _icmp(place, values, protocol.number)
    version = _version(place, values, protocol.number)
    return Packet(protocol.number, port, sport, kind, code, version)


def _port(place: Place, values: dict[str, Node], field: str, protocol: int) -> int | None:
    if field not in values:
        return None
    if protocol not in PORT_PROTOCOLS:
        message = f"a packet of protocol {protocol_text(protocol)} has no ports"
        place.error(codes.PACKET, message, values[field], hint=f"take `{field}` out")
        return None
    return read_integer(place, values[field], f"`{field}`", 0, 65535)


def _icmp(place: Place, values: dict[str, Node], protocol: int) -> tuple[int | None, int]:
    """Type (None for an echo request) and code."""
    node = values.get("icmp")
    if node is None:
        return None, 0
    if protocol not in ICMP_PROTOCOLS:
        message = f"a packet of protocol {protocol_text(protocol)} has no ICMP type"
        place.error(codes.PACKET, message, node, hint="take `icmp` out")
        return None, 0
    given = read_mapping(place, node, _ICMP)
    if given is None:
        return None, 0
    if "type" not in given:
        missing(place, node, "`icmp` has no `type`")
        return None, 0
    kind = read_integer(place, given["type"], "the type of `icmp`", 0, 255)
    code = read_integer(place, given["code"], "the code of `icmp`", 0, 255) if "code" in given else 0
    return kind, code or 0


def _version(place: Place, values: dict[str, Node], protocol: int) -> int | None:
    """Given, or told by the ICMP protocol; None for whichever the ends have."""
    own = {PROTO_ICMP: 4, PROTO_ICMPV6: 6}.get(protocol)
    node = values.get("ipVersion")
    if node is None:
        return own
    if not isinstance(node, Scalar) or node.text not in ("4", "6"):
        wrong_type(place, node, f"`ipVersion` is 4 or 6, not {kind_of(node)}", "`4` or `6`")
        return own
    version = int(node.text)
    if own not in (None, version):
        message = f"protocol {protocol_text(protocol)} is not of IPv{version}"
        place.error(codes.PACKET, message, node, hint=_OTHER_FAMILY[protocol])
    return version
