"""NetworkSet and GlobalNetworkSet (dossier §2.5)."""

from __future__ import annotations

from ...grammar.nodes import Mapping
from .. import codes
from ..resources import NetworkSet
from .addresses import read_lenient_net
from .entities import DOMAINS
from .fields import Place, Shape, Unsupported, is_empty, read_mapping, read_set
from .metadata import NAMESPACE_LABEL, SUBDOMAIN_RULE, read_metadata

SPEC = Shape.of(
    "the spec of a network set",
    "nets",
    {"allowedEgressDomains": Unsupported(is_empty, enterprise=DOMAINS)},
)


def read_network_set(place: Place, document: Mapping) -> NetworkSet | None:
    return _read_set(place, document, "NetworkSet")


def read_global_network_set(place: Place, document: Mapping) -> NetworkSet | None:
    return _read_set(place, document, "GlobalNetworkSet")


def _read_set(place: Place, document: Mapping, kind: str) -> NetworkSet | None:
    metadata = read_metadata(place, document, kind, SUBDOMAIN_RULE, namespaced=kind == "NetworkSet")
    if metadata is not None and NAMESPACE_LABEL in metadata.labels:
        message = f"a {kind} cannot carry the label `{NAMESPACE_LABEL}`: it is set for it"
        place.error(codes.RESERVED_LABEL, message, metadata.at)
    entry = document.entries.get("spec")
    values = {} if entry is None or is_empty(entry[1]) else read_mapping(place, entry[1], SPEC)
    if values is None:
        return None
    items = read_set(place, values["nets"], "`nets`") if "nets" in values else []
    nets = tuple(
        net for item in items if (net := read_lenient_net(place, item, "an item of `nets`")) is not None
    )
    if metadata is None:
        return None
    return NetworkSet(at=metadata.at, kind=kind, metadata=metadata, nets=nets)
