"""The inventory as selectors see it: entities with labels and addresses, and the policies there are.

Dossier §2.5 to §2.8, §4.5 and §4.6. Built once from the resources; asked for each endpoint.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from ...pair.naming import EndpointRef
from ..ir.nodes import Prefix
from ..ir.sets import merge
from ..resources import (
    Backends,
    EndpointPort,
    HostEndpoint,
    NetworkSet,
    Pod,
    Policy,
    Profile,
    Resource,
    WorkloadEndpoint,
)
from ..selector import Selector
from ..source import Diagnostics, Span
from .candidates import Candidates, Selectors
from .duplicates import distinct, kind_of
from .ports import Group, Ranges, grouped, holds
from .profiles import (
    Behind,
    Profiles,
    behind,
    given_profiles,
    inherited,
    namespace_profile,
    pod_profiles,
    profiles_of,
)
from .scope import LABEL_NAMESPACE, applicability, endpoint_labels
from .services import address_prefix, services_of
from .tiers import BUILT_IN, Tiers, tiers_of

ORCHESTRATOR_K8S = "k8s"
_FEW: Final = 16  # policies; changing one in the index may copy what it keeps of all, so many are made anew

# What a rule asks by port names: of whom, which, of which protocol, without which.
_Named = tuple[Selector | None, tuple[str, ...], int | None, Ranges]


@dataclass(frozen=True, slots=True)
class Entity:
    """Something a selector can select. place: its name in the source. ports: those it gives names."""

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    prefixes: tuple[Prefix, ...]
    place: Span
    ports: tuple[EndpointPort, ...] = ()

    @property
    def ref(self) -> EndpointRef:
        """The name of the endpoint that it is."""
        return EndpointRef(self.namespace, self.name, self.kind)


@dataclass(frozen=True, slots=True)
class Workload:
    """An endpoint to compile for. behind: what its profiles do with what no tier decided (§6.2 point 3).

    node, interface: as its object names them, ``.
    """

    entity: Entity
    addresses: tuple[str, ...]
    behind: Behind
    node: str = ""
    interface: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """profiles: by name, the labels that endpoints of the profile inherit; given_profiles: those that are
    objects of their own. services: by namespace and name, what its slices hold. node_addresses: by node, the
    expectedIPs of all its host endpoints, merged. Policies and entities in no order that matters.

    `_selected` and `_named` remember what was asked, since endpoints of one inventory ask for the same sets.
    `_others`: what it was made of, but the policies.
    """

    policies: tuple[Policy, ...]
    entities: tuple[Entity, ...]
    workloads: tuple[Workload, ...]
    hosts: tuple[HostEndpoint, ...]
    host_networked: tuple[Pod, ...]
    profiles: Mapping[str, Mapping[str, str]]
    services: Mapping[tuple[str, str], tuple[Backends, ...]] = field(default_factory=dict)
    tiers: Tiers = field(default_factory=lambda: BUILT_IN)
    given_profiles: Mapping[str, Profile] = field(default_factory=dict)
    node_addresses: Mapping[str, tuple[Prefix, ...]] = field(default_factory=dict)
    _selected: dict[Selector, tuple[Prefix, ...]] = field(default_factory=dict)
    _named: dict[_Named, tuple[Group, ...]] = field(default_factory=dict)
    _candidates: list[Candidates] = field(default_factory=list)
    _applicable: list[Selectors] = field(default_factory=list)
    _workloads: dict[tuple[str, str], tuple[Workload, ...]] = field(default_factory=dict)
    _files: Counter[str] = field(default_factory=Counter)
    _others: tuple[Resource, ...] = ()

    @classmethod
    def of(
        cls, resources: Iterable[Resource], diagnostics: Diagnostics, before: World | None = None
    ) -> World:
        """The world of some resources; duplicates go to the diagnostics.

        before: an earlier one. When all but policies are the same objects, the rest of it is not made again.
        """
        kept = distinct(resources, diagnostics)
        policies = tuple(item for item in kept if isinstance(item, Policy))
        others = tuple(item for item in kept if not isinstance(item, Policy))
        if before is None or not _are(others, before._others):
            return cls._around(policies, others)
        applicable = before._applicable_of(policies)
        return replace(before, policies=policies, _selected={}, _named={}, _applicable=applicable)

    @classmethod
    def _around(cls, policies: tuple[Policy, ...], others: tuple[Resource, ...]) -> World:
        profiles, given = profiles_of(others), given_profiles(others)
        workloads = tuple(_workloads(others, profiles, given))
        hosts = tuple(item for item in others if isinstance(item, HostEndpoint))
        sets = (_set_entity(item, profiles) for item in others if isinstance(item, NetworkSet))
        return cls(
            policies,
            (*(item.entity for item in workloads), *(_host_entity(item, profiles) for item in hosts), *sets),
            workloads,
            hosts,
            tuple(item for item in others if isinstance(item, Pod) and item.host_network),
            profiles,
            services_of(others),
            tiers_of(others),
            given,
            _node_addresses(hosts),
            _others=others,
        )

    def selected(self, selector: Selector) -> tuple[Prefix, ...]:
        """The addresses of the entities that a scoped selector selects, merged."""
        if selector not in self._selected:
            chosen = self.chosen(selector)
            self._selected[selector] = merge(prefix for item in chosen for prefix in item.prefixes)
        return self._selected[selector]

    def chosen(self, selector: Selector) -> Iterator[Entity]:
        """The entities that a scoped selector selects, in the order of `entities`."""
        if not self._candidates:
            self._candidates.append(Candidates(item.labels for item in self.entities))
        return (self.entities[number] for number in self._candidates[0].matching(selector))

    def applicable(self, labels: Mapping[str, str]) -> tuple[Policy, ...]:
        """The policies that select an endpoint of these labels, in the order of `policies`."""
        if not self._applicable:
            self._applicable.append(Selectors(map(applicability, self.policies)))
        return tuple(self.policies[number] for number in self._applicable[0].matching(labels))

    def _applicable_of(self, policies: Sequence[Policy]) -> list[Selectors]:
        """What `applicable` needs in a world with these policies; nothing where it is better made anew."""
        if len(policies) != len(self.policies):
            return []
        changed = [number for number, new in enumerate(policies) if new is not self.policies[number]]
        if len(changed) > _FEW:
            return []
        selectors = {number: applicability(policies[number]) for number in changed}
        return [index.changed(selectors) for index in self._applicable]

    def called(self, namespace: str, name: str) -> tuple[Workload, ...]:
        """The workloads of that name, of any kind."""
        if not self._workloads:
            for item in self.workloads:
                key = item.entity.namespace, item.entity.name
                self._workloads[key] = (*self._workloads.get(key, ()), item)
        return self._workloads.get((namespace, name), ())

    def file_name(self, ref: EndpointRef) -> str:
        """What the objects of an endpoint are called; no other endpoint's are called so."""
        if not self._files:
            self._files.update(item.entity.ref.file_name for item in self.workloads)
            self._files.update(item.metadata.name for item in self.hosts)
        return ref.file_name if self._files[ref.file_name] == 1 else ref.file_name_of_kind

    def named(
        self, selector: Selector | None, names: tuple[str, ...], protocol: int | None, without: Ranges
    ) -> tuple[Group, ...]:
        """The ports of those names, of the endpoints that a scoped selector selects; None: of all (§4.3).

        protocol: None for any that they have. without: ports to leave out.
        """
        key = selector, names, protocol, without
        if key not in self._named:
            self._named[key] = grouped(
                (prefix, port.protocol, port.port)
                for item in (self.entities if selector is None else self.chosen(selector))
                for port in item.ports
                if port.name in names and protocol in (None, port.protocol) and not holds(without, port.port)
                for prefix in item.prefixes
            )
        return self._named[key]

    def inherited(self, namespace: str, account: str) -> Mapping[str, str]:
        """What a pod inherits from the profiles of its namespace and its service account (§2.6)."""
        return inherited(pod_profiles(namespace, account), self.profiles)

    def behind(self, names: Sequence[str], namespace: str) -> Behind:
        """What profiles decide behind the tiers, of an endpoint in that namespace."""
        return behind(names, namespace, self.given_profiles, self.profiles)


def _are(some: Sequence[Resource], others: Sequence[Resource]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))


def network_prefix(network: IPv4Network | IPv6Network) -> Prefix:
    return Prefix(network.version, int(network.network_address), network.prefixlen)


def _workloads(
    resources: Sequence[Resource], profiles: Profiles, given: Mapping[str, Profile]
) -> Iterable[Workload]:
    # A Pod that names no node counts as well: manifests written by hand leave it out, and what has an
    # address runs somewhere. One that Calico would skip as unscheduled has no address to contribute.
    for item in resources:
        if isinstance(item, Pod) and not item.host_network:
            yield _pod(item, profiles, given)
        elif isinstance(item, WorkloadEndpoint):
            yield _workload_endpoint(item, profiles, given)


def _pod(pod: Pod, profiles: Profiles, given: Mapping[str, Profile]) -> Workload:
    """§2.7: a Pod's endpoint has the profiles `kns.<ns>` (allows all) and `ksa.<ns>.<sa>` (no rules)."""
    meta = pod.metadata
    names = pod_profiles(meta.namespace, pod.service_account)
    labels = endpoint_labels(
        meta.labels, meta.namespace, ORCHESTRATOR_K8S, pod.service_account, inherited(names, profiles)
    )
    return _workload(pod, labels, pod.addresses, behind(names, meta.namespace, given, profiles))


def _workload_endpoint(item: WorkloadEndpoint, profiles: Profiles, given: Mapping[str, Profile]) -> Workload:
    """Labels are inherited from the profiles it names, and no profile means deny (§6.2 point 4)."""
    meta = item.metadata
    labels = endpoint_labels(
        meta.labels,
        meta.namespace,
        item.orchestrator,
        item.service_account,
        inherited(item.profiles, profiles),
    )
    return _workload(item, labels, item.addresses, behind(item.profiles, meta.namespace, given, profiles))


def _workload(
    item: Pod | WorkloadEndpoint,
    labels: Mapping[str, str],
    addresses: tuple[IPv4Address | IPv6Address, ...],
    left: Behind,
) -> Workload:
    prefixes = tuple(map(address_prefix, addresses))
    meta = item.metadata
    entity = Entity(kind_of(item), meta.namespace, meta.name, labels, prefixes, item.at, item.ports)
    interface = item.interface_name if isinstance(item, WorkloadEndpoint) else ""
    return Workload(entity, tuple(map(str, addresses)), left, item.node, interface)


def _host_entity(item: HostEndpoint, profiles: Profiles) -> Entity:
    """§2.8: only expectedIPs are its addresses; its labels are its own and those of its profiles."""
    prefixes = tuple(map(address_prefix, item.expected_ips))
    meta = item.metadata
    labels = {**inherited(item.profiles, profiles), **meta.labels}
    return Entity(kind_of(item), "", meta.name, labels, prefixes, item.at, item.ports)


def _node_addresses(hosts: Iterable[HostEndpoint]) -> dict[str, tuple[Prefix, ...]]:
    found: dict[str, list[Prefix]] = {}
    for item in hosts:
        found.setdefault(item.node, []).extend(map(address_prefix, item.expected_ips))
    return {node: merge(prefixes) for node, prefixes in found.items()}


def _set_entity(item: NetworkSet, profiles: Profiles) -> Entity:
    """§2.5: a namespaced set has its namespace's label and inherits; a global one has its own labels."""
    meta = item.metadata
    labels: Mapping[str, str] = meta.labels
    if meta.namespace:
        labels = {
            **inherited((namespace_profile(meta.namespace),), profiles),
            **meta.labels,
            LABEL_NAMESPACE: meta.namespace,
        }
    prefixes = tuple(network_prefix(net.network) for net in item.nets)
    return Entity(kind_of(item), meta.namespace, meta.name, labels, prefixes, item.at)
