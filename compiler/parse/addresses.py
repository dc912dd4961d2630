"""Addresses and networks: CIDRs as rules take them (strict), as sets do (lenient), single addresses."""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

from ...grammar.documents import shorten
from ...grammar.nodes import Node, Scalar
from .. import codes
from ..resources import Net
from .fields import Place, kind_of, wrong_type

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PREFIX = re.compile(r"[0-9]{1,3}")
_EXPECTED_NET = "a network such as `10.0.0.0/8` or `2001:db8::/32`"
_EXPECTED_EITHER = "an address or a network, such as `10.1.2.3`, `10.0.0.0/8` or `2001:db8::/32`"


def parse_address(text: str) -> Address | None:
    """An address; an IPv4-mapped IPv6 address is the IPv4 one (libcalico-go/lib/net/ipnet.go)."""
    if "%" in text or "/" in text or len(text) > 64:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _parse_network(text: str) -> tuple[Address, int] | None:
    """The address as written and the prefix length; None when it is no CIDR of its family."""
    head, slash, tail = text.partition("/")
    if not slash or "%" in head or len(head) > 64 or not _PREFIX.fullmatch(tail):
        return None
    try:
        address = ip_address(head)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return None
    length = int(tail)
    return (address, length) if length <= address.max_prefixlen else None


def _masked(address: Address, length: int) -> Network:
    """The network without host bits. From integers: ipaddress would print and parse an address again."""
    if isinstance(address, IPv4Address):
        return IPv4Network((int(address), length), strict=False)
    return IPv6Network((int(address), length), strict=False)


def _problem(text: str) -> str:
    """What is wrong with a text that should be a CIDR, as precisely as can be said."""
    head, slash, tail = text.partition("/")
    try:
        address = ip_address(head) if "%" not in head and len(head) <= 64 else None
    except ValueError:
        address = None
    if address is None:
        return "the address cannot be read"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return f"write the IPv4 address as {address.ipv4_mapped}"
    if not slash:
        return "it has no `/` and prefix length"
    if not _PREFIX.fullmatch(tail) or int(tail) > address.max_prefixlen:
        return f"the prefix length is 0 to {address.max_prefixlen}"
    return ""


def _scalar(place: Place, node: Node, what: str, expected: str) -> Scalar | None:
    if isinstance(node, Scalar) and not node.null:
        return node
    wrong_type(place, node, f"{what} is a text, not {kind_of(node)}", expected)
    return None


def read_strict_net(place: Place, node: Node, what: str) -> Net | None:
    """A rule's CIDR: no bare address, host bits zero."""
    scalar = _scalar(place, node, what, _EXPECTED_NET)
    if scalar is None:
        return None
    parsed = _parse_network(scalar.text)
    if parsed is None:
        address = parse_address(scalar.text)
        if address is not None:
            hint = f"did you mean `{address}/{address.max_prefixlen}`?"
            message = f"{what} is a network; `{scalar.text}` is an address"
            place.error(codes.BARE_ADDRESS, message, node, expected=_EXPECTED_NET, hint=hint)
        else:
            message = f"`{shorten(scalar.text)}` is no network: {_problem(scalar.text)}"
            place.error(codes.ADDRESS, message, node, expected=_EXPECTED_NET)
        return None
    network = _masked(*parsed)
    if network.network_address != parsed[0]:
        message = f"`{shorten(scalar.text)}` has bits set after its prefix of {parsed[1]}"
        place.error(codes.HOST_BITS, message, node, hint=f"did you mean `{network}`?")
        return None
    return Net(at=place.span(node), network=network)


def read_lenient_net(place: Place, node: Node, what: str) -> Net | None:
    """A set's member: an address or a CIDR, host bits are masked off."""
    scalar = _scalar(place, node, what, _EXPECTED_EITHER)
    if scalar is None:
        return None
    address = parse_address(scalar.text)
    if address is not None:
        return Net(at=place.span(node), network=_masked(address, address.max_prefixlen))
    parsed = _parse_network(scalar.text)
    if parsed is None:
        message = f"`{shorten(scalar.text)}` is no address or network: {_problem(scalar.text)}"
        place.error(codes.ADDRESS, message, node, expected=_EXPECTED_EITHER)
        return None
    return Net(at=place.span(node), network=_masked(*parsed))


def read_block(place: Place, node: Node, what: str) -> Net | None:
    """A CIDR as Kubernetes takes it: no bare address, host bits are masked off."""
    scalar = _scalar(place, node, what, _EXPECTED_NET)
    address = parse_address(scalar.text) if scalar is not None else None
    if scalar is None:
        return None
    if address is not None:
        hint = f"did you mean `{address}/{address.max_prefixlen}`?"
        message = f"{what} is a network; `{scalar.text}` is an address"
        place.error(codes.BARE_ADDRESS, message, node, expected=_EXPECTED_NET, hint=hint)
        return None
    return read_lenient_net(place, node, what)


def read_address(place: Place, node: Node, what: str) -> Address | None:
    """A single address, without prefix length."""
    expected = "an address such as `10.1.2.3` or `2001:db8::1`"
    scalar = _scalar(place, node, what, expected)
    if scalar is None:
        return None
    address = parse_address(scalar.text)
    if address is None:
        hint = "leave the prefix length out" if "/" in scalar.text else ""
        message = f"{what} is an address, not `{shorten(scalar.text)}`"
        place.error(codes.ADDRESS, message, node, expected=expected, hint=hint)
    return address


def single_address(text: str) -> Address | None:
    """The address that a text names, alone or as a network of one address; None otherwise."""
    parsed = _parse_network(text)
    if parsed is None:
        return parse_address(text)
    return parsed[0] if parsed[1] == parsed[0].max_prefixlen else None


def read_single_net(place: Place, node: Node, what: str) -> Address | None:
    """A network of exactly one address (`/32`, `/128`, or bare)."""
    net = read_strict_net(place, node, what) if "/" in getattr(node, "text", "/") else None
    if net is None:
        return read_address(place, node, what) if isinstance(node, Scalar) and "/" not in node.text else None
    if net.network.prefixlen != net.network.max_prefixlen:
        message = f"{what} `{net.network}` holds more than one address"
        place.error(codes.NOT_ONE_ADDRESS, message, node, expected=f"a /{net.network.max_prefixlen}")
        return None
    address: Address = net.network.network_address
    return address
