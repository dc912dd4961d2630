"""What raw objects say about who exists: the labels and addresses of everything a selector can find.

Read from plain YAML dictionaries by the dossier §2.5, §2.7, §2.8, §4.5 and §4.6; nothing of the compiler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NamedTuple

from .pod_reading import CONTROLLERS, container_ports, pod_addresses, pod_of, true
from .profile_reading import Profiles, labels_of
from .selector_reading import ACCOUNT_LABEL, NAMESPACE_LABEL, Labels
from .service_reading import Services

Object = Mapping[str, Any]

_ORCHESTRATOR_LABEL = "projectcalico.org/orchestrator"
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "sctp": 132, "udplite": 136}
_NAMESPACED = frozenset(
    {
        *("NetworkPolicy", "StagedNetworkPolicy", "StagedKubernetesNetworkPolicy", "NetworkSet"),
        *("WorkloadEndpoint", "Pod", "ServiceAccount", "EndpointSlice", "Endpoints", "Service"),
        *CONTROLLERS,
    }
)


class Unsupported(Exception):
    """The object is outside the language."""


class Net(NamedTuple):
    """A CIDR as the numbers of its first and last address."""

    version: int
    first: int
    last: int

    def holds(self, version: int, address: int) -> bool:
        return self.version == version and self.first <= address <= self.last


def read_net(text: str) -> Net:
    """A CIDR or a bare address; host bits are masked off, IPv4-mapped forms become IPv4 (§1)."""
    network: IPv4Network | IPv6Network = ip_network(str(text).strip(), strict=False)
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            network = IPv4Network((mapped, network.prefixlen - 96))
    return Net(network.version, int(network.network_address), int(network.broadcast_address))


class NamedPort(NamedTuple):
    """A port that an endpoint gives a name; protocol by number."""

    name: str
    protocol: int
    port: int


@dataclass(frozen=True)
class Entity:
    """Something with labels and addresses; ports and profiles: of endpoints only; node: of hosts only."""

    kind: str
    namespace: str
    name: str
    labels: Labels
    nets: tuple[Net, ...]
    ports: tuple[NamedPort, ...] = ()
    profiles: tuple[str, ...] = ()
    node: str = ""


def namespace_of(thing: Object) -> str:
    """The namespace, `default` when a namespaced object names none, `` for cluster objects."""
    if thing["kind"] not in _NAMESPACED:
        return ""
    return str(thing["metadata"].get("namespace") or "default")


def flat(objects: Iterable[Object]) -> list[Object]:
    """The objects with every list (`List`, `PodList`, …) replaced by its items."""
    found: list[Object] = []
    for thing in objects:
        if str(thing["kind"]).endswith("List"):
            found += flat(thing.get("items") or ())
        else:
            found.append(thing)
    return found


def protocol_number(given: Any) -> int:
    """Of a name, in any case, or of a number (§3.1)."""
    text = str(given)
    return int(text) if text.isdigit() else NUMBERS[text.lower()]


class Inventory:
    """entities: all endpoints and sets; workloads: those that are pods, by (namespace, name); hosts: the
    HostEndpoints, by name."""

    def __init__(self, objects: Iterable[Object]) -> None:
        things = flat(objects)
        self.profiles = Profiles(things)
        self.services = Services(things)
        readers = {
            "WorkloadEndpoint": self._workload,
            "HostEndpoint": self._host,
            "NetworkSet": self._set,
            "GlobalNetworkSet": self._set,
            **dict.fromkeys(("Pod", *CONTROLLERS), self._pod),
        }
        found = [readers[thing["kind"]](thing) for thing in things if thing["kind"] in readers]
        self.entities = tuple(entity for entity in found if entity is not None)
        self.hosts = {one.name: one for one in self.entities if one.kind == "HostEndpoint"}
        self.workloads = {
            (one.namespace, one.name): one
            for one in self.entities
            if one.kind in ("Pod", "WorkloadEndpoint") or one.kind in CONTROLLERS
        }

    def host_nets(self, host: Entity) -> tuple[Net, ...]:
        """The addresses of a host endpoint's node: those of all its host endpoints."""
        return tuple(net for one in self.hosts.values() if one.node == host.node for net in one.nets)

    def endpoint(self, namespace: str, name: str) -> Entity:
        """A workload, or without namespace a HostEndpoint. Raises KeyError."""
        return self.workloads[namespace, name] if namespace else self.hosts[name]

    def namespace_labels(self, namespace: str) -> dict[str, str]:
        """What profile `kns.<namespace>` hands down (§2.6)."""
        return self.profiles.inherited([f"kns.{namespace}"])

    def pod_like(
        self, namespace: str, labels: Labels, service_account: str = "default"
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """All labels that selectors see on a pod of that namespace, and its profiles (§2.7)."""
        profiles = (f"kns.{namespace}", f"ksa.{namespace}.{service_account}")
        own = _unforged(labels)
        own[NAMESPACE_LABEL] = namespace
        own[_ORCHESTRATOR_LABEL] = "k8s"
        own[ACCOUNT_LABEL] = service_account
        return self.profiles.inherited(profiles) | own, profiles

    def _pod(self, thing: Object) -> Entity | None:
        carrier, namespace = pod_of(thing), namespace_of(thing)
        spec = carrier.get("spec") or {}
        # §2.7 skips an unscheduled pod. A manifest written by hand names no node though, so what has an
        # address counts, and what Calico would skip has none to give.
        if true(spec.get("hostNetwork")):
            return None
        account = str(spec.get("serviceAccountName") or "default")
        own = labels_of({"metadata": carrier.get("metadata") or {}})
        labels, profiles = self.pod_like(namespace, own, account)
        nets = tuple(read_net(text) for text in pod_addresses(thing))
        ports = _named_ports(container_ports(spec))
        return Entity(thing["kind"], namespace, str(thing["metadata"]["name"]), labels, nets, ports, profiles)

    def _workload(self, thing: Object) -> Entity:
        spec, namespace = thing.get("spec") or {}, namespace_of(thing)
        profiles = tuple(str(name) for name in spec.get("profiles") or ())
        own = _unforged(labels_of(thing))
        own[NAMESPACE_LABEL] = namespace
        if spec.get("orchestrator"):
            own[_ORCHESTRATOR_LABEL] = str(spec["orchestrator"])
        if spec.get("serviceAccountName"):
            own[ACCOUNT_LABEL] = str(spec["serviceAccountName"])
        labels = self.profiles.inherited(profiles) | own
        nets = tuple(read_net(text) for text in spec.get("ipNetworks") or ())
        ports = _named_ports(spec.get("ports") or ())
        return Entity(
            "WorkloadEndpoint", namespace, str(thing["metadata"]["name"]), labels, nets, ports, profiles
        )

    def _host(self, thing: Object) -> Entity:
        spec = thing.get("spec") or {}
        profiles = tuple(str(name) for name in spec.get("profiles") or ())
        nets = tuple(read_net(text) for text in spec.get("expectedIPs") or ())
        labels = self.profiles.inherited(profiles) | labels_of(thing)
        ports = _named_ports(spec.get("ports") or ())
        name, node = str(thing["metadata"]["name"]), str(spec.get("node") or "")
        return Entity("HostEndpoint", "", name, labels, nets, ports, profiles, node)

    def _set(self, thing: Object) -> Entity:
        namespace, labels = namespace_of(thing), labels_of(thing)
        if namespace:
            labels = self.namespace_labels(namespace) | labels | {NAMESPACE_LABEL: namespace}
        nets = tuple(read_net(text) for text in (thing.get("spec") or {}).get("nets") or ())
        return Entity(str(thing["kind"]), namespace, str(thing["metadata"]["name"]), labels, nets)


def _unforged(labels: Labels) -> dict[str, str]:
    """§2.7: a workload cannot pretend to the labels of a namespace or a service account."""
    return {key: value for key, value in labels.items() if not key.startswith(("pcns.", "pcsa."))}


def _named_ports(raw: Iterable[Object]) -> tuple[NamedPort, ...]:
    return tuple(
        NamedPort(str(one["name"]), protocol_number(one["protocol"]), int(one["port"]))
        for one in raw
        if one.get("name")
    )
