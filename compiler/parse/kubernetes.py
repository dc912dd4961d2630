"""Kubernetes' inventory besides pods: what labels and addresses come from; the rest is taken as it is."""

from __future__ import annotations

from typing import Final

from ...grammar.nodes import Mapping, Node, Scalar
from ..resources import Backends, Bystander, Namespace, ServiceAccount, ServiceBackends
from .addresses import Address, parse_address, read_address
from .fields import Place, is_empty, kind_of, read_integer, read_list, wrong_type
from .metadata import LABEL_RULE, SUBDOMAIN_RULE, read_metadata
from .ports import PORT_PROTOCOLS, PROTOCOLS

SERVICE_NAME: Final = "kubernetes.io/service-name"


def read_namespace(place: Place, document: Mapping) -> Namespace | None:
    metadata = read_metadata(place, document, "Namespace", LABEL_RULE, namespaced=False)
    return None if metadata is None else Namespace(at=metadata.at, metadata=metadata)


def read_service_account(place: Place, document: Mapping) -> ServiceAccount | None:
    metadata = read_metadata(place, document, "ServiceAccount", SUBDOMAIN_RULE, namespaced=True)
    return None if metadata is None else ServiceAccount(at=metadata.at, metadata=metadata)


def read_service(place: Place, document: Mapping) -> Bystander | None:
    metadata = read_metadata(place, document, "Service", LABEL_RULE, namespaced=True)
    return None if metadata is None else Bystander(at=metadata.at, kind="Service", metadata=metadata)


def read_node(place: Place, document: Mapping) -> Bystander | None:
    metadata = read_metadata(place, document, "Node", SUBDOMAIN_RULE, namespaced=False)
    return None if metadata is None else Bystander(at=metadata.at, kind="Node", metadata=metadata)


def read_endpoint_slice(place: Place, document: Mapping) -> ServiceBackends | None:
    """Which service it is of says its label (dossier §4.4). Addresses that are none (FQDN) are left out."""
    metadata = read_metadata(place, document, "EndpointSlice", SUBDOMAIN_RULE, namespaced=True)
    addresses: list[Address] = []
    for item in _mappings(place, document, "endpoints"):
        for node in _items(place, item, "addresses"):
            address = parse_address(node.text) if isinstance(node, Scalar) else None
            if address is not None:
                addresses.append(address)
    ports = _ports(place, document)
    if metadata is None:
        return None
    return ServiceBackends(
        at=metadata.at,
        kind="EndpointSlice",
        metadata=metadata,
        service=metadata.labels.get(SERVICE_NAME, ""),
        backends=(Backends(at=metadata.at, addresses=tuple(addresses), ports=ports),),
    )


def read_endpoints(place: Place, document: Mapping) -> ServiceBackends | None:
    """Its service has its name. Addresses that are not ready count as well, as they do in slices."""
    metadata = read_metadata(place, document, "Endpoints", SUBDOMAIN_RULE, namespaced=True)
    backends: list[Backends] = []
    for subset in _mappings(place, document, "subsets"):
        addresses: list[Address] = []
        for name in ("addresses", "notReadyAddresses"):
            for item in _mappings(place, subset, name):
                node = item.entries.get("ip")
                given = node is not None and not is_empty(node[1])
                address = read_address(place, node[1], "an address") if node and given else None
                if address is not None:
                    addresses.append(address)
        ports = _ports(place, subset)
        backends.append(Backends(at=place.span(subset), addresses=tuple(addresses), ports=ports))
    if metadata is None:
        return None
    return ServiceBackends(
        at=metadata.at,
        kind="Endpoints",
        metadata=metadata,
        service=metadata.name,
        backends=tuple(backends),
    )


def _items(place: Place, holder: Mapping, name: str) -> list[Node]:
    entry = holder.entries.get(name)
    return [] if entry is None or is_empty(entry[1]) else read_list(place, entry[1], f"`{name}`")


def _mappings(place: Place, holder: Mapping, name: str) -> list[Mapping]:
    found: list[Mapping] = []
    for item in _items(place, holder, name):
        if isinstance(item, Mapping):
            found.append(item)
        else:
            what = f"an item of `{name}` is a mapping, not {kind_of(item)}"
            wrong_type(place, item, what, "`key: value` lines")
    return found


def _ports(place: Place, holder: Mapping) -> tuple[tuple[int, int], ...]:
    """(protocol, port) of each port that has a number; TCP when it has no protocol."""
    found: list[tuple[int, int]] = []
    for item in _mappings(place, holder, "ports"):
        values = {key: value for key, (_, value) in item.entries.items() if not is_empty(value)}
        if "port" not in values:
            continue
        port = read_integer(place, values["port"], "a port", 0, 65535)
        protocol = values.get("protocol")
        number = PROTOCOLS.get(protocol.text, 0) if isinstance(protocol, Scalar) else PROTOCOLS["TCP"]
        if port and number in PORT_PROTOCOLS:
            found.append((number, port))
    return tuple(found)
