"""Where a rule of the oracle's stands in the raw objects, to replace or to take away what nothing reaches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, NamedTuple

from polc.tests.oracle.kubernetes_reading import cluster_network_policy, network_policy
from polc.tests.oracle.rule_reading import RuleName

from .policies import PolicyMaker
from .wide_policies import WidePolicyMaker

Object = dict[str, Any]

_RAW_KINDS = {
    "KubernetesNetworkPolicy": "NetworkPolicy",
    "KubernetesClusterNetworkPolicy": "ClusterNetworkPolicy",
}


class Place(NamedTuple):
    """object: its index in the objects; number: in its list of rules of that direction."""

    object: int
    direction: str
    number: int


def place_of(objects: Sequence[Object], name: RuleName) -> Place | None:
    """None when no object has that rule. A Kubernetes rule stands for several of Calico's (§7)."""
    converted = name.kind in _RAW_KINDS
    for at, one in enumerate(objects):
        if (
            one["kind"] != _RAW_KINDS.get(name.kind, name.kind)
            or one["metadata"]["name"] != name.name
            or one["metadata"].get("namespace", "") != name.namespace
            or converted is not ("calico" not in one["apiVersion"])
        ):
            continue
        return Place(at, name.direction, _raw_number(one, name) if converted else name.number)
    return None


def _raw_number(policy: Object, name: RuleName) -> int:
    before = 0
    for number, raw in enumerate(policy["spec"][name.direction]):
        alone = {**policy, "spec": {**policy["spec"], "ingress": [], "egress": [], name.direction: [raw]}}
        if policy["kind"] == "NetworkPolicy":
            before += len(network_policy(alone, name.kind)["spec"][name.direction])
        else:
            before += len(cluster_network_policy(alone)["spec"][name.direction])
        if name.number < before:
            return number
    raise LookupError(str(name))


def _places(objects: Sequence[Object], names: Iterable[RuleName]) -> list[tuple[Place, RuleName]]:
    """Each place once, in the order of the names."""
    found: dict[Place, RuleName] = {}
    for name in names:
        place = place_of(objects, name)
        if place is not None:
            found[place] = name
    return list(found.items())


def replace_rules(maker: PolicyMaker, policies: Sequence[Object], names: Iterable[RuleName]) -> None:
    for place, name in _places(policies, names):
        rules = policies[place.object]["spec"][place.direction]
        if name.kind in _RAW_KINDS and isinstance(maker, WidePolicyMaker):
            make = maker.kubernetes.rule if "Cluster" not in name.kind else maker.kubernetes.cluster_rule
            rules[place.number] = make(name.direction)
        else:
            rules[place.number] = maker.rules.rule(name.direction, name.namespace)


def drop_rules(rng: Random, objects: Sequence[Object], names: Iterable[RuleName]) -> None:
    """Takes most of the rules away that nothing reached; some stay, since users write such rules too."""
    # The last of a list first: taking one away moves no other.
    places = [place for place, _ in _places(objects, names)]
    for place in sorted(places, key=lambda one: one.number, reverse=True):
        if rng.random() < 0.8:
            del objects[place.object]["spec"][place.direction][place.number]
