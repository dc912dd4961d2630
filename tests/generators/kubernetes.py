"""Random Kubernetes policies: NetworkPolicy and ClusterNetworkPolicy, for one pod of an inventory."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from random import Random
from typing import Any

from polc.tests.oracle.inventory_reading import Entity, Inventory

from .inventories import random_net
from .rules import around

Object = dict[str, Any]

_PORTS = (22, 53, 80, 443, 5432, 8080)
_ACTIONS = ("Accept", "Accept", "Deny", "Deny", "Pass", "Pass", "Pass")


def _own_labels(labels: Mapping[str, str]) -> dict[str, str]:
    inner = ("pcns.", "pcsa.", "projectcalico.org/")
    return {key: text for key, text in labels.items() if not key.startswith(inner)}


def label_selector(rng: Random, labels: Mapping[str, str], truth: bool = True) -> Object:
    """A Kubernetes label selector that is `truth` on these labels; `{}` is true of everything."""
    keys = sorted(labels)
    if not truth:
        term = {"key": "absent", "operator": rng.choice(["Exists", "In"]), "values": ["x"]}
        if term["operator"] == "Exists":
            del term["values"]
        return {"matchExpressions": [term]}
    found: Object = {}
    chosen = rng.sample(keys, min(len(keys), rng.choice([0, 1, 1, 2])))
    if chosen:
        found["matchLabels"] = {key: labels[key] for key in chosen}
    if keys and rng.random() < 0.4:
        key = rng.choice(keys)
        found["matchExpressions"] = [
            rng.choice(
                [
                    {"key": key, "operator": "In", "values": [labels[key], "other"]},
                    {"key": key, "operator": "NotIn", "values": ["other"]},
                    {"key": key, "operator": "Exists"},
                    {"key": "absent", "operator": "DoesNotExist"},
                    {"key": "absent", "operator": "NotIn", "values": ["x", "y"]},
                ]
            )
        ]
    return found


class KubernetesMaker:
    """Rules and specs for policies that select `subject`."""

    def __init__(self, rng: Random, inventory: Inventory, subject: Entity) -> None:
        self.rng = rng
        self.inventory = inventory
        self.subject = subject
        self.pods = [one for one in inventory.entities if one.nets and one.namespace]

    def network_policy(self, directions: tuple[str, ...]) -> Object:
        """The spec of a NetworkPolicy; types are given or left to the API's default."""
        rng = self.rng
        spec: Object = {"podSelector": label_selector(rng, _own_labels(self.subject.labels))}
        for direction in directions:
            spec[direction] = [self.rule(direction) for _ in range(rng.choice([1, 2, 3]))]
        if directions == ("egress",) or rng.random() < 0.5:
            spec["policyTypes"] = [word.capitalize() for word in directions]
        return spec

    def rule(self, direction: str) -> Object:
        rng = self.rng
        rule: Object = {}
        if rng.random() < 0.95:
            rule["from" if direction == "ingress" else "to"] = [
                self._peer() for _ in range(rng.choice([1, 1, 2]))
            ]
        if rng.random() < 0.8:
            rule["ports"] = [self._port() for _ in range(rng.choice([1, 1, 2, 3]))]
        return rule

    def _peer(self) -> Object:
        rng = self.rng
        target = rng.choice(self.pods)
        shape = rng.random()
        if shape < 0.35:
            return {"ipBlock": self._block()}
        pods = label_selector(rng, _own_labels(target.labels))
        if target.namespace == self.subject.namespace and shape < 0.65:
            return {"podSelector": pods}
        spaces = self._spaces(target)
        return (
            {"namespaceSelector": spaces}
            if shape > 0.9
            else {"namespaceSelector": spaces, "podSelector": pods}
        )

    def _block(self) -> Object:
        rng = self.rng
        if rng.random() < 0.5:
            return {"cidr": random_net(rng, rng.choice([4, 4, 6]))}
        net = rng.choice(rng.choice(self.pods).nets)
        length = 128 if net.version == 6 else 32
        wide = around(rng, net.version, net.first).split("/")[0] + ("/48" if length == 128 else "/16")
        inner = around(rng, net.version, net.first ^ 64)
        return {"cidr": _masked(wide), "except": [inner]}

    def _spaces(self, target: Entity) -> Object:
        inherited = self.inventory.namespace_labels(target.namespace)
        labels = {key.removeprefix("pcns."): text for key, text in inherited.items()}
        return label_selector(self.rng, _own_labels(labels))

    def _port(self) -> Object:
        rng = self.rng
        protocol = rng.choice(["TCP", "TCP", "UDP", "SCTP", ""])
        port: Object = {"protocol": protocol} if protocol else {}
        dice = rng.random()
        if dice < 0.15:
            return port or {"protocol": "TCP"}
        if dice < 0.35:
            return {**port, "port": rng.choice(["http", "dns", "sip"])}
        number = rng.choice(_PORTS)
        return (
            {**port, "port": number, "endPort": number + rng.choice([0, 1, 900])}
            if dice < 0.55
            else {
                **port,
                "port": number,
            }
        )

    def cluster_policy(self, directions: tuple[str, ...]) -> Object:
        """The spec of a ClusterNetworkPolicy."""
        rng = self.rng
        pods, spaces = label_selector(rng, _own_labels(self.subject.labels)), self._spaces(self.subject)
        subject: Object = {"pods": {"namespaceSelector": spaces, "podSelector": pods}}
        if rng.random() < 0.4:
            subject = {"namespaces": spaces}
        spec: Object = {
            "tier": rng.choice(["Admin", "Admin", "Baseline"]),
            "priority": rng.choice([0, 10, 10, 1000]),
            "subject": subject,
        }
        for direction in directions:
            spec[direction] = [self.cluster_rule(direction) for _ in range(rng.choice([1, 2, 3]))]
        return spec

    def cluster_rule(self, direction: str) -> Object:
        rng = self.rng
        peers = "from" if direction == "ingress" else "to"
        rule: Object = {"action": rng.choice(_ACTIONS), peers: [self._cluster_peer(direction)]}
        if rng.random() < 0.3:
            rule["name"] = "why this is here"
        if rng.random() < 0.3:
            rule[peers].append(self._cluster_peer(direction))
        if rng.random() < 0.85:
            rule["protocols"] = [self._protocol() for _ in range(rng.choice([1, 1, 2]))]
        return rule

    def _cluster_peer(self, direction: str) -> Object:
        rng = self.rng
        if direction == "egress" and rng.random() < 0.4:
            return {"networks": [random_net(rng, rng.choice([4, 4, 6]))]}
        target = rng.choice(self.pods)
        if rng.random() < 0.3:
            return {"namespaces": self._spaces(target)}
        pods = label_selector(rng, _own_labels(target.labels))
        return {"pods": {"namespaceSelector": self._spaces(target), "podSelector": pods}}

    def _protocol(self) -> Object:
        rng = self.rng
        if rng.random() < 0.25:
            return {"destinationNamedPort": rng.choice(["http", "dns", "sip"])}
        number = rng.choice(_PORTS)
        ports = rng.choice([{"number": number}, {"range": {"start": number, "end": number + 400}}, {}])
        return {rng.choice(["tcp", "tcp", "udp", "sctp"]): {"destinationPort": ports} if ports else {}}


def _masked(text: str) -> str:
    return str(ip_network(text, strict=False))
