"""The oracle: raw objects, an endpoint, a direction and a packet, straight to a verdict and its rule.

A second, independent reading of the dossier, §4 and §6 (design §3). It imports nothing of grammar,
compiler or pair, so that where it and the model agree, two readings agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from .inventory_reading import Entity, Inventory, Object, Unsupported, namespace_of
from .rule_reading import Packet, Rule, RuleName, read_rule
from .selector_reading import NAMESPACE_LABEL, Predicate, read_selector

_POLICY_KINDS = {"NetworkPolicy", "GlobalNetworkPolicy"}
_GROUPS = {"projectcalico.org/v3", "crd.projectcalico.org/v1"}
_FIELDS = {"tier", "order", "selector", "namespaceSelector", "types", "ingress", "egress"}


class Decision(NamedTuple):
    """what: `rule`, `tier-default`, `end` (after a Pass) or `no-policy`. rule: the deciding Allow or Deny.

    passed: the Pass rule by which the walk left the tier. logged: the Log rules it went by.
    """

    allowed: bool
    what: str
    rule: RuleName | None = None
    passed: RuleName | None = None
    logged: tuple[RuleName, ...] = ()

    @property
    def decider(self) -> str:
        """One text for the deciding place: the rule's name, or `tier-default`, `end`, `no-policy`."""
        return str(self.rule) if self.rule else self.what


@dataclass(frozen=True)
class Reading:
    """One endpoint's policies in one direction: the rules in walk order. applies: some policy does."""

    applies: bool
    rules: tuple[Rule, ...]
    end_allows: bool

    def judge(self, packet: Packet) -> Decision:
        if not self.applies:
            return Decision(self.end_allows, "no-policy")
        logged: list[RuleName] = []
        for rule in self.rules:
            if not rule.matches(packet):
                continue
            if rule.action == "Log":
                logged.append(rule.name)
            elif rule.action == "Pass":
                return Decision(self.end_allows, "end", None, rule.name, tuple(logged))
            else:
                return Decision(rule.action == "Allow", "rule", rule.name, None, tuple(logged))
        return Decision(False, "tier-default", None, None, tuple(logged))


class Oracle:
    """Reads all objects once. Raises Unsupported on what this issue's language does not have."""

    def __init__(self, objects: Iterable[Object]) -> None:
        things = list(objects)
        self.inventory = Inventory(things)
        policies = [thing for thing in things if thing["kind"] in _POLICY_KINDS]
        self.policies = sorted(policies, key=_place)

    def endpoint(self, namespace: str, name: str) -> Mapping[str, Reading]:
        """The endpoint's readings by `ingress` and `egress`; KeyError when it does not exist."""
        return self._read(self.inventory.workloads[namespace, name])

    def labelled(self, labels: Mapping[str, str], namespace: str) -> Mapping[str, Reading]:
        """Of a pod of that namespace that would carry these labels."""
        seen = self.inventory.pod_like(namespace, labels)
        return self._read(Entity("Pod", namespace, "", seen, (), end_allows=True))

    def applying(self, namespace: str, name: str, direction: str) -> list[Object]:
        """The policies of one endpoint and direction, in walk order."""
        entity = self.inventory.workloads[namespace, name]
        return [one for one in self.policies if direction in _types(one) and _selects(one, entity)]

    def _read(self, entity: Entity) -> Mapping[str, Reading]:
        return {direction: self._direction(entity, direction) for direction in ("ingress", "egress")}

    def _direction(self, entity: Entity, direction: str) -> Reading:
        applying = [one for one in self.policies if direction in _types(one) and _selects(one, entity)]
        rules = tuple(
            read_rule(
                raw,
                RuleName(one["kind"], namespace_of(one), str(one["metadata"]["name"]), direction, number),
                self.inventory.entities,
            )
            for one in applying
            for number, raw in enumerate(_spec(one).get(direction) or ())
        )
        return Reading(bool(applying), rules, entity.end_allows)


def _spec(policy: Object) -> Object:
    spec: Object = policy.get("spec") or {}
    strange = set(spec) - _FIELDS
    if strange or policy["apiVersion"] not in _GROUPS or str(spec.get("tier") or "default") != "default":
        raise Unsupported(
            f"{policy['kind']} {policy['metadata']['name']}: {sorted(strange) or 'tier or group'}"
        )
    return spec


def _place(policy: Object) -> tuple[float, bytes]:
    """§6.1: order, none last; then the text `name/namespace/kind` (QUIRK 12)."""
    order = _spec(policy).get("order")
    name = str(policy["metadata"]["name"])
    tie = f"{name}/{namespace_of(policy)}/{policy['kind']}"
    return (inf if order is None else float(order), tie.encode())


def _types(policy: Object) -> set[str]:
    """§2.1 with QUIRK 1: the default goes by the number of rules."""
    spec = _spec(policy)
    if spec.get("types"):
        return {str(word).lower() for word in spec["types"]}
    if not spec.get("egress"):
        return {"ingress"}
    return {"ingress", "egress"} if spec.get("ingress") else {"egress"}


def _selects(policy: Object, entity: Entity) -> bool:
    """§4.1, the applicability selector, with QUIRK 4 as decided (`all()` rewritten on the tree)."""
    spec = _spec(policy)
    parts: list[Predicate] = [read_selector(str(spec.get("selector") or ""))]
    if policy["kind"] == "NetworkPolicy":
        home = namespace_of(policy)
        parts.append(lambda labels: labels.get(NAMESPACE_LABEL) == home)
    elif spec.get("namespaceSelector"):
        parts.append(read_selector(str(spec["namespaceSelector"]), of_namespaces=True))
    return all(part(entity.labels) for part in parts)
