"""What a rule's `services` mean: every address and port of the service's EndpointSlices (dossier §4.4).

Whether an endpoint is ready, serving or going away makes no difference. Kubernetes mirrors each Endpoints
object into slices, so Endpoints stand for the slices of a service that has none in the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

from ..ir.nodes import Prefix
from ..ir.sets import merge
from ..resources import Backends, Resource, ServiceBackends
from .ports import Triple

Services = Mapping[tuple[str, str], tuple[Backends, ...]]  # by namespace and name


def services_of(resources: Iterable[Resource]) -> Services:
    """The services that have slices, or Endpoints; one without is not there."""
    found: dict[str, dict[tuple[str, str], tuple[Backends, ...]]] = {"EndpointSlice": {}, "Endpoints": {}}
    for item in resources:
        if isinstance(item, ServiceBackends) and item.service:
            key = item.metadata.namespace, item.service
            services = found[item.kind]
            services[key] = services.get(key, ()) + item.backends
    return found["Endpoints"] | found["EndpointSlice"]


def service_triples(backends: Iterable[Backends]) -> Iterator[Triple]:
    """For a destination: each address with each port."""
    for item in backends:
        for address in item.addresses:
            for protocol, port in item.ports:
                yield address_prefix(address), protocol, port


def service_addresses(backends: Iterable[Backends]) -> tuple[Prefix, ...]:
    """For a source: the addresses alone."""
    return merge(address_prefix(address) for item in backends for address in item.addresses)


def address_prefix(address: IPv4Address | IPv6Address) -> Prefix:
    return Prefix(address.version, int(address), address.max_prefixlen)
