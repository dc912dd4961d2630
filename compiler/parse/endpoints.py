"""HostEndpoint and WorkloadEndpoint (dossier §2.7, §2.8)."""

from __future__ import annotations

import re

from ...grammar.nodes import Mapping, Node, Scalar
from .. import codes
from ..resources import EndpointPort, HostEndpoint, WorkloadEndpoint
from .addresses import Address, read_address, read_single_net, read_strict_net
from .fields import (
    Place,
    Shape,
    Unsupported,
    is_empty,
    missing,
    read_integer,
    read_list,
    read_mapping,
    read_set,
    read_text,
)
from .metadata import SUBDOMAIN_RULE, read_metadata, read_name
from .ports import PORT_NAME_RULE, PORT_PROTOCOLS, read_protocol

INTERFACE = re.compile(r"\*|[a-zA-Z0-9_.-]{1,15}")
CONTAINER = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
MAC = re.compile(r"[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}")

ROUTED = "it says where packets are routed, not which pass"
HOST = Shape.of("the spec of a HostEndpoint", "node interfaceName expectedIPs profiles ports")
WORKLOAD = Shape.of(
    "the spec of a WorkloadEndpoint",
    "orchestrator workload node containerID pod endpoint serviceAccountName ipNetworks ipv4Gateway "
    "ipv6Gateway profiles interfaceName mac ports",
    {
        "ipNATs": Unsupported(is_empty),
        "allowSpoofedSourcePrefixes": Unsupported(is_empty),
        "qosControls": Unsupported(is_empty),
        "applicationLayer": Unsupported(is_empty, enterprise="it asks for decisions about HTTP requests"),
        **dict.fromkeys(
            ("awsElasticIPs", "egressGateway", "externalNetworkNames"),
            Unsupported(is_empty, enterprise=ROUTED, decides=False),
        ),
    },
)
HOST_PORT = Shape.of("a port of a HostEndpoint", "name protocol port")
WORKLOAD_PORT = Shape.of("a port of a WorkloadEndpoint", "name protocol port hostPort hostIP")


def read_host_endpoint(place: Place, document: Mapping) -> HostEndpoint | None:
    metadata = read_metadata(place, document, "HostEndpoint", SUBDOMAIN_RULE, namespaced=False)
    spec = _spec(place, document, "HostEndpoint", HOST)
    if spec is None:
        return None
    node, values = spec
    addresses: list[Address] = []
    if "expectedIPs" in values:
        for item in read_set(place, values["expectedIPs"], "`expectedIPs`"):
            address = read_address(place, item, "an item of `expectedIPs`")
            if address is not None:
                addresses.append(address)
    interface = _text(
        place, values.get("interfaceName"), "an interfaceName", INTERFACE, "up to 15 characters, or `*`"
    )
    name = _text(place, values.get("node"), "a node")
    if _absent(values, "node"):
        missing(place, node, "this HostEndpoint has no `node`")
    if _absent(values, "expectedIPs") and _absent(values, "interfaceName"):
        message = "this HostEndpoint has neither `interfaceName` nor `expectedIPs`"
        place.error(codes.ENDPOINT_ADDRESS, message, node, expected="at least one of the two")
    ports = _ports(place, values, HOST_PORT)
    if metadata is None:
        return None
    return HostEndpoint(
        at=metadata.at,
        metadata=metadata,
        node=name,
        interface_name=interface,
        expected_ips=tuple(addresses),
        profiles=_profiles(place, values),
        profiles_at=place.span(values["profiles"]) if "profiles" in values else None,
        ports=ports,
    )


def read_workload_endpoint(place: Place, document: Mapping) -> WorkloadEndpoint | None:
    metadata = read_metadata(place, document, "WorkloadEndpoint", SUBDOMAIN_RULE, namespaced=True)
    spec = _spec(place, document, "WorkloadEndpoint", WORKLOAD)
    if spec is None:
        return None
    node, values = spec

    def name(field: str) -> str:
        value = values.get(field)
        if value is None or is_empty(value):
            return ""
        return read_name(place, value, f"`{field}`", SUBDOMAIN_RULE) or ""

    interface = _text(
        place, values.get("interfaceName"), "an interfaceName", INTERFACE, "up to 15 characters"
    )
    if _absent(values, "interfaceName"):
        missing(place, node, "this WorkloadEndpoint has no `interfaceName`")
    _text(place, values.get("containerID"), "a containerID", CONTAINER, "letters, digits and inner `-`")
    _text(place, values.get("mac"), "a MAC address", MAC, "six bytes such as `ee:ee:ee:ee:ee:ee`")
    _check_gateways(place, values)
    ports = _ports(place, values, WORKLOAD_PORT)
    networks = _items(place, values, "ipNetworks")
    addresses = [read_single_net(place, item, "an item of `ipNetworks`") for item in networks]
    fields = {
        field: name(field)
        for field in ("orchestrator", "workload", "node", "pod", "endpoint", "serviceAccountName")
    }
    if metadata is None:
        return None
    return WorkloadEndpoint(
        at=metadata.at,
        metadata=metadata,
        orchestrator=fields["orchestrator"],
        workload=fields["workload"],
        node=fields["node"],
        pod=fields["pod"],
        endpoint=fields["endpoint"],
        service_account=fields["serviceAccountName"],
        interface_name=interface,
        addresses=tuple(address for address in addresses if address is not None),
        profiles=_profiles(place, values),
        profiles_at=place.span(values["profiles"]) if "profiles" in values else None,
        ports=ports,
    )


def _spec(place: Place, document: Mapping, kind: str, shape: Shape) -> tuple[Node, dict[str, Node]] | None:
    """The key of `spec` to point at, and its fields."""
    entry = document.entries.get("spec")
    if entry is None or is_empty(entry[1]):
        missing(place, entry[0] if entry else document, f"this {kind} has no `spec`")
        return None
    values = read_mapping(place, entry[1], shape)
    return None if values is None else (entry[0], values)


def _profiles(place: Place, values: dict[str, Node]) -> tuple[str, ...]:
    names = (
        read_name(place, item, "a profile", SUBDOMAIN_RULE) for item in _items(place, values, "profiles")
    )
    return tuple(name for name in names if name is not None)


def _absent(values: dict[str, Node], field: str) -> bool:
    return field not in values or is_empty(values[field])


def _text(
    place: Place, node: Node | None, what: str, pattern: re.Pattern[str] | None = None, expected: str = ""
) -> str:
    """A text that matches a pattern; empty when absent or wrong."""
    text = None if node is None else read_text(place, node, what)
    if not text or node is None:
        return ""
    if pattern is not None and (len(text) > 253 or not pattern.fullmatch(text)):
        place.error(codes.NAME, f"{what} cannot be `{text[:60]}`", node, expected=expected)
        return ""
    return text


def _items(place: Place, values: dict[str, Node], field: str) -> list[Node]:
    return read_list(place, values[field], f"`{field}`") if field in values else []


def _check_gateways(place: Place, values: dict[str, Node]) -> None:
    for field, version in (("ipv4Gateway", 4), ("ipv6Gateway", 6)):
        node = values.get(field)
        if node is None or is_empty(node):
            continue
        address = read_address(place, node, f"`{field}`")
        if address is not None and address.version != version:
            place.error(codes.VERSION_MISMATCH, f"`{field}` is an IPv{version} address, not {address}", node)


def _ports(place: Place, values: dict[str, Node], shape: Shape) -> tuple[EndpointPort, ...]:
    """The ports that have a name."""
    found = (_read_port(place, item, shape) for item in _items(place, values, "ports"))
    return tuple(port for port in found if port is not None)


def _read_port(place: Place, node: Node, shape: Shape) -> EndpointPort | None:
    """A port; None when it has no name, or is wrong."""
    values = read_mapping(place, node, shape)
    if values is None:
        return None
    host_port = 0
    if "hostPort" in values:
        host_port = read_integer(place, values["hostPort"], "a host port", 0, 65535) or 0
    if "hostIP" in values and not is_empty(values["hostIP"]):
        _check_host_address(place, values["hostIP"])
    port, name = None, None
    if "port" in values:
        port = read_integer(place, values["port"], "a port", 1, 65535)
    else:
        missing(place, node, f"{shape.what} has no `port`")
    if "name" in values and not is_empty(values["name"]):
        name = read_name(place, values["name"], "the name of a port", PORT_NAME_RULE)
    elif not host_port:
        missing(place, node, f"{shape.what} has no `name`")
    if "protocol" not in values:
        missing(place, node, f"{shape.what} has no `protocol`")
        return None
    protocol = read_protocol(place, values["protocol"], "a protocol")
    if protocol is not None and protocol.number not in PORT_PROTOCOLS:
        message = f"{shape.what} has protocol TCP, UDP or SCTP"
        place.error(codes.PORT_PROTOCOL, message, values["protocol"])
        return None
    if protocol is None or port is None or name is None:
        return None
    return EndpointPort(at=place.span(node), name=name, protocol=protocol.number, port=port)


def _check_host_address(place: Place, node: Node) -> None:
    """Calico's tag `net`: an address, or a network without host bits."""
    if isinstance(node, Scalar) and "/" not in node.text:
        read_address(place, node, "a host address")
    else:
        read_strict_net(place, node, "a host address")
