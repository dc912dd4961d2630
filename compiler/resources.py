"""Resources: the typed objects that parsing yields, each with its place in the source.

Models are frozen; `at` is the place to point at. A value that a later stage may complain about is a node
with an `at` of its own. Defaults are Calico's (dossier §2); text that was typed wrongly never gets here.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from pydantic import BaseModel, ConfigDict, Field

from ..pair.layout import Direction
from .ir.nodes import Action
from .selector import Selector
from .source import Span


class Node(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="forbid")

    at: Span


class Metadata(Node):
    """namespace: `default` for namespaced kinds when not given, `` for cluster kinds."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)


class Net(Node):
    """A CIDR with host bits masked off."""

    network: IPv4Network | IPv6Network


class PortRange(Node):
    """Inclusive; a single port has first = last."""

    first: int
    last: int


class Protocol(Node):
    """name: the canonical name (`TCP`, `ICMPv6`, …) when given by name, else None."""

    number: int
    name: str | None = None


class Icmp(Node):
    type: int
    code: int | None = None


class SelectorField(Node):
    """at: the first character of the selector's text, past quotes and block indicators."""

    text: str
    selector: Selector


class NamedPort(Node):
    """A port of a rule by name: what endpoints call so (dossier §4.3)."""

    name: str


class ServiceMatch(Node):
    """at: the service's name. namespace: `` for the policy's own (QUIRK 7)."""

    name: str
    namespace: str = ""


class ServiceAccountMatch(Node):
    """The endpoints of some service accounts: one of the names, and selected by their labels."""

    names: tuple[str, ...] = ()
    selector: SelectorField | None = None


class Entity(Node):
    """A rule's `source` or `destination`. An absent selector is None, as is an empty one (dossier §4.1), and
    `serviceAccounts` without names and selector."""

    nets: tuple[Net, ...] = ()
    not_nets: tuple[Net, ...] = ()
    ports: tuple[PortRange, ...] = ()
    not_ports: tuple[PortRange, ...] = ()
    named_ports: tuple[NamedPort, ...] = ()
    not_named_ports: tuple[NamedPort, ...] = ()
    services: ServiceMatch | None = None
    service_accounts: ServiceAccountMatch | None = None
    selector: SelectorField | None = None
    not_selector: SelectorField | None = None
    namespace_selector: SelectorField | None = None


class Rule(Node):
    """at: the `action` value's place."""

    action: Action
    ip_version: int | None = None
    protocol: Protocol | None = None
    not_protocol: Protocol | None = None
    icmp: Icmp | None = None
    not_icmp: Icmp | None = None
    source: Entity
    destination: Entity
    annotations: Mapping[str, str] = Field(default_factory=dict)


class Policy(Node):
    """A policy of any kind. at: the name's place. types: after defaulting (QUIRK 1).

    tier_at: the place of `tier`, None when it is not given. staged: it is judged beside the policy in force,
    and never enforced. do_not_track, pre_dnat, apply_on_forward: for host endpoints (dossier §2.2).
    """

    kind: str
    metadata: Metadata
    tier: str = "default"
    tier_at: Span | None = None
    order: float | None = None
    selector: SelectorField | None = None
    namespace_selector: SelectorField | None = None
    service_account_selector: SelectorField | None = None
    staged: bool = False
    do_not_track: bool = False
    pre_dnat: bool = False
    apply_on_forward: bool = False
    types: frozenset[Direction]
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()


class Tier(Node):
    """order: 1000000 when not given (QUIRK 2). default: DENY or PASS."""

    metadata: Metadata
    order: float
    default: Action


class Profile(Node):
    """labels_to_apply: what endpoints of the profile inherit. The rules hold no Pass (QUIRK 13)."""

    metadata: Metadata
    labels_to_apply: Mapping[str, str] = Field(default_factory=dict)
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()


class NetworkSet(Node):
    """NetworkSet (namespaced) or GlobalNetworkSet (namespace ``)."""

    kind: str
    metadata: Metadata
    nets: tuple[Net, ...] = ()


class EndpointPort(Node):
    """A port that an endpoint gives a name. protocol: 6, 17 or 132."""

    name: str
    protocol: int
    port: int


class HostEndpoint(Node):
    """profiles_at: the place of `profiles`."""

    metadata: Metadata
    node: str
    interface_name: str = ""
    expected_ips: tuple[IPv4Address | IPv6Address, ...] = ()
    profiles: tuple[str, ...] = ()
    profiles_at: Span | None = None
    ports: tuple[EndpointPort, ...] = ()


class WorkloadEndpoint(Node):
    """addresses: ipNetworks, each one address. profiles_at: the place of `profiles`."""

    metadata: Metadata
    orchestrator: str = ""
    workload: str = ""
    node: str = ""
    pod: str = ""
    endpoint: str = ""
    service_account: str = ""
    interface_name: str = ""
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    profiles: tuple[str, ...] = ()
    profiles_at: Span | None = None
    ports: tuple[EndpointPort, ...] = ()


class Pod(Node):
    """A Pod, or the pods that a workload (`Deployment` and its like) makes, named by the workload.

    addresses: as the dossier §2.7 orders the sources; none when finished, none of a workload. labels: the
    pods' own. ports: of the containers, then of the initContainers.
    """

    kind: str = "Pod"
    metadata: Metadata
    host_network: bool = False
    node: str = ""
    service_account: str = "default"
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Namespace(Node):
    metadata: Metadata


class ServiceAccount(Node):
    metadata: Metadata


class Backends(Node):
    """Addresses of a service that all have the same ports, each (protocol, port)."""

    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()


class ServiceBackends(Node):
    """An EndpointSlice or Endpoints. service: the one it belongs to, `` for none (dossier §4.4)."""

    kind: str
    metadata: Metadata
    service: str = ""
    backends: tuple[Backends, ...] = ()


class Bystander(Node):
    """An object of the inventory that decides nothing (Service, Node): only that it is there."""

    kind: str
    metadata: Metadata


Resource = (
    Policy
    | Tier
    | Profile
    | NetworkSet
    | HostEndpoint
    | WorkloadEndpoint
    | Pod
    | Namespace
    | ServiceAccount
    | ServiceBackends
    | Bystander
)
