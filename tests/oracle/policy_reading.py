"""Policies of every kind, whom they apply to, and tiers with their order (dossier §2.1–§2.4, §4.1, §6.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from .inventory_reading import Entity, Object, Unsupported, flat
from .kubernetes_reading import cluster_network_policy, network_policy
from .pod_reading import true
from .selector_reading import NAMESPACE_LABEL, Predicate, read_selector

DIRECTIONS = ("ingress", "egress")
_GROUPS = {"projectcalico.org/v3", "crd.projectcalico.org/v1"}
_CALICO = {
    *("NetworkPolicy", "GlobalNetworkPolicy"),
    *("StagedNetworkPolicy", "StagedGlobalNetworkPolicy", "StagedKubernetesNetworkPolicy"),
}
_FIELDS = {
    *("tier", "order", "selector", "namespaceSelector", "serviceAccountSelector", "types", "ingress"),
    *("egress", "stagedAction", "performanceHints", "doNotTrack", "preDNAT", "applyOnForward"),
}


@dataclass(frozen=True)
class Tier:
    """order: of tiers; default: `Deny` or `Pass`."""

    name: str
    order: float
    default: str


# §2.4; a Tier object of these names says the same or is refused.
_BUILT_IN = (
    Tier("kube-admin", 1000, "Pass"),
    Tier("default", 1000000, "Deny"),
    Tier("kube-baseline", 10000000, "Pass"),
)


def read_tiers(things: Iterable[Object]) -> list[Tier]:
    """In walk order (§6.1): by order, then by name. A missing order is 1000000 (QUIRK 2)."""
    tiers = {tier.name: tier for tier in _BUILT_IN}
    for thing in things:
        if thing["kind"] == "Tier":
            name, spec = str(thing["metadata"]["name"]), thing.get("spec") or {}
            order = spec.get("order")
            tiers.setdefault(
                name,
                Tier(
                    name, 1000000 if order is None else float(order), str(spec.get("defaultAction") or "Deny")
                ),
            )
    return sorted(tiers.values(), key=lambda tier: (tier.order, tier.name.encode()))


class Policy:
    """One policy in Calico's terms. kind: as Calico orders it; staged: never in force."""

    def __init__(self, raw: Object) -> None:
        self.raw = raw
        self.kind = str(raw["kind"])
        self.name = str(raw["metadata"]["name"])
        self.namespace = "" if "Global" in self.kind or "Cluster" in self.kind else _namespace(raw)
        self.spec: Object = raw.get("spec") or {}
        strange = set(self.spec) - _FIELDS
        if strange:
            raise Unsupported(f"{self.kind} {self.name}: {sorted(strange)}")
        self.staged = self.kind.startswith("Staged")
        self.tier = str(self.spec.get("tier") or "default")
        self.types = _types(self.spec)
        self.forward = true(self.spec.get("applyOnForward"))
        self.pre_dnat = true(self.spec.get("preDNAT"))

    def rules(self, direction: str) -> list[Object]:
        return list(self.spec.get(direction) or ())

    def selects(self, entity: Entity) -> bool:
        """§4.1, the applicability selector, with QUIRK 4 as decided (`all()` rewritten on the tree)."""
        if self._of_hosts_only and entity.kind != "HostEndpoint":
            return False
        parts: list[Predicate] = [read_selector(str(self.spec.get("selector") or ""))]
        home = self.namespace
        if home:
            parts.append(lambda labels: labels.get(NAMESPACE_LABEL) == home)
        elif self.spec.get("namespaceSelector"):
            parts.append(read_selector(str(self.spec["namespaceSelector"]), of_namespaces=True))
        accounts = str(self.spec.get("serviceAccountSelector") or "")
        if accounts:
            parts.append(read_selector(accounts, of_accounts=True, of_policy=not home))
        chosen = all(part(entity.labels) for part in parts)
        if chosen and true(self.spec.get("doNotTrack")):
            raise Unsupported(f"{self.kind} {self.name}: before connection tracking")
        return chosen

    @property
    def _of_hosts_only(self) -> bool:
        """§6.4: doNotTrack and preDNAT take a policy out of the normal tiers."""
        return self.pre_dnat or true(self.spec.get("doNotTrack"))


def _namespace(raw: Object) -> str:
    return str(raw["metadata"].get("namespace") or "default")


def place(policy: Policy) -> tuple[float, bytes]:
    """§6.1: order, none last; then the text `name/namespace/kind` (QUIRK 12)."""
    order = policy.spec.get("order")
    tie = f"{policy.name}/{policy.namespace}/{policy.kind}"
    return (inf if order is None else float(order), tie.encode())


def _types(spec: Object) -> set[str]:
    """§2.1 with QUIRK 1: the default goes by the number of rules."""
    if spec.get("types"):
        return {str(word).lower() for word in spec["types"]}
    if not spec.get("egress"):
        return {"ingress"}
    return {"ingress", "egress"} if spec.get("ingress") else {"egress"}


def read_policies(things: Iterable[Object]) -> list[Policy]:
    """Every policy of any kind, in the order of §6.1 within a tier. `Delete` makes none (§2.3)."""
    found = []
    for thing in flat(things):
        if str((thing.get("spec") or {}).get("stagedAction")) == "Delete":
            continue
        converted = _converted(thing)
        if converted is not None:
            found.append(Policy(converted))
    return sorted(found, key=place)


def _converted(thing: Object) -> Object | None:
    group, kind = str(thing["apiVersion"]), thing["kind"]
    if group == "networking.k8s.io/v1" and kind == "NetworkPolicy":
        return network_policy(thing, "KubernetesNetworkPolicy")
    if kind == "ClusterNetworkPolicy":
        return cluster_network_policy(thing)
    if kind == "StagedKubernetesNetworkPolicy":
        return network_policy(thing, kind, staged=True)
    if kind not in _CALICO:
        return None
    if group not in _GROUPS:
        raise Unsupported(f"{kind} of {group}")
    return thing
