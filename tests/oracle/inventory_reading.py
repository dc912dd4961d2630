"""What raw objects say about who exists: the labels and addresses of everything a selector can find.

Read from plain YAML dictionaries by the dossier §2.5, §2.7, §2.8, §4.5 and §4.6; nothing of the compiler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NamedTuple

from .selector_reading import NAMESPACE_LABEL, Labels

Object = Mapping[str, Any]

_ORCHESTRATOR_LABEL = "projectcalico.org/orchestrator"
_SERVICE_ACCOUNT_LABEL = "projectcalico.org/serviceaccount"
_FINISHED = {"Failed", "Succeeded", "Completed"}
_NAMESPACED = {"NetworkPolicy", "NetworkSet", "WorkloadEndpoint", "Pod"}


class Unsupported(Exception):
    """The object is outside the language of this issue."""


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


@dataclass(frozen=True)
class Entity:
    """Something with labels and addresses. end_allows: its namespace profile allows the undecided."""

    kind: str
    namespace: str
    name: str
    labels: Labels
    nets: tuple[Net, ...]
    end_allows: bool = False


def namespace_of(thing: Object) -> str:
    """The namespace, `default` when a namespaced object names none, `` for cluster objects."""
    if thing["kind"] not in _NAMESPACED:
        return ""
    return str(thing["metadata"].get("namespace") or "default")


def labels_of(thing: Object) -> dict[str, str]:
    return {str(key): str(value) for key, value in (thing["metadata"].get("labels") or {}).items()}


class Inventory:
    """entities: all endpoints and sets; a workload's are in `workloads` by (namespace, name) too."""

    def __init__(self, objects: Iterable[Object]) -> None:
        things = list(objects)
        self._namespaces = {
            str(thing["metadata"]["name"]): labels_of(thing)
            for thing in things
            if thing["kind"] == "Namespace"
        }
        readers = {
            "Pod": self._pod,
            "WorkloadEndpoint": self._workload,
            "HostEndpoint": self._host,
            "NetworkSet": self._set,
            "GlobalNetworkSet": self._set,
        }
        found = [readers[thing["kind"]](thing) for thing in things if thing["kind"] in readers]
        self.entities = tuple(entity for entity in found if entity is not None)
        self.workloads = {
            (entity.namespace, entity.name): entity
            for entity in self.entities
            if entity.kind in ("Pod", "WorkloadEndpoint")
        }

    def namespace_labels(self, namespace: str) -> dict[str, str]:
        """What profile `kns.<namespace>` hands down (§2.6)."""
        own = self._namespaces.get(namespace, {})
        given = {f"pcns.{key}": value for key, value in own.items()}
        given["pcns.projectcalico.org/name"] = namespace
        return given

    def pod_like(self, namespace: str, labels: Labels, service_account: str = "default") -> dict[str, str]:
        """All labels that selectors see on a pod of that namespace (§2.7)."""
        own = {key: value for key, value in labels.items() if not key.startswith(("pcns.", "pcsa."))}
        own[NAMESPACE_LABEL] = namespace
        own[_ORCHESTRATOR_LABEL] = "k8s"
        own[_SERVICE_ACCOUNT_LABEL] = service_account
        return self.namespace_labels(namespace) | own

    def _pod(self, thing: Object) -> Entity | None:
        spec, namespace = thing.get("spec") or {}, namespace_of(thing)
        # §2.7 skips an unscheduled pod. A manifest written by hand names no node though, so what has an
        # address counts, and what Calico would skip has none to give.
        if _true(spec.get("hostNetwork")):
            return None
        labels = self.pod_like(namespace, labels_of(thing), str(spec.get("serviceAccountName") or "default"))
        nets = tuple(read_net(text) for text in _pod_addresses(thing))
        return Entity("Pod", namespace, str(thing["metadata"]["name"]), labels, nets, end_allows=True)

    def _workload(self, thing: Object) -> Entity:
        spec, namespace = thing.get("spec") or {}, namespace_of(thing)
        account = str(spec.get("serviceAccountName") or "")
        profiles = [str(name) for name in spec.get("profiles") or ()]
        of_namespace = f"kns.{namespace}"
        if set(profiles) - {of_namespace, f"ksa.{namespace}.{account or 'default'}"}:
            raise Unsupported("a workload endpoint with a profile of its own")
        own = {
            key: value for key, value in labels_of(thing).items() if not key.startswith(("pcns.", "pcsa."))
        }
        own[NAMESPACE_LABEL] = namespace
        if spec.get("orchestrator"):
            own[_ORCHESTRATOR_LABEL] = str(spec["orchestrator"])
        if account:
            own[_SERVICE_ACCOUNT_LABEL] = account
        confined = of_namespace in profiles
        inherited = self.namespace_labels(namespace) if confined else {}
        nets = tuple(read_net(text) for text in spec.get("ipNetworks") or ())
        name = str(thing["metadata"]["name"])
        return Entity("WorkloadEndpoint", namespace, name, inherited | own, nets, end_allows=confined)

    def _host(self, thing: Object) -> Entity:
        spec = thing.get("spec") or {}
        nets = tuple(read_net(text) for text in spec.get("expectedIPs") or ())
        return Entity("HostEndpoint", "", str(thing["metadata"]["name"]), labels_of(thing), nets)

    def _set(self, thing: Object) -> Entity:
        namespace, labels = namespace_of(thing), labels_of(thing)
        if namespace:
            labels = self.namespace_labels(namespace) | labels | {NAMESPACE_LABEL: namespace}
        nets = tuple(read_net(text) for text in (thing.get("spec") or {}).get("nets") or ())
        return Entity(str(thing["kind"]), namespace, str(thing["metadata"]["name"]), labels, nets)


def _true(value: object) -> bool:
    return value is True or value == "true"


def _pod_addresses(thing: Object) -> list[str]:
    """The first source that has any, in the order of §2.7; a finished pod has none."""
    status, metadata = thing.get("status") or {}, thing["metadata"]
    annotations = metadata.get("annotations") or {}
    if status.get("phase") in _FINISHED:
        return []
    if metadata.get("deletionTimestamp") and annotations.get("cni.projectcalico.org/podIP") == "":
        return []
    listed = [str(item["ip"]) for item in status.get("podIPs") or () if item.get("ip")]
    if listed:
        return listed
    for value in (
        status.get("podIP"),
        annotations.get("cni.projectcalico.org/podIPs"),
        annotations.get("cni.projectcalico.org/podIP"),
        annotations.get("vpc.amazonaws.com/pod-ips"),
    ):
        if value:
            return [part for part in str(value).split(",") if part]
    return []
