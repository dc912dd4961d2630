"""Random rules over every field of the language, mostly of use: each is built around a peer that exists."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from random import Random
from typing import Any

from polc.tests.oracle.inventory_reading import Entity, Inventory

from .inventories import random_net
from .selectors import selector_text

Object = dict[str, Any]

ACTIONS = ("Allow",) * 7 + ("Deny",) * 6 + ("Pass",) * 5 + ("Log",) * 2
_NAMED = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP", 136: "UDPLite"}
_OTHERS = (2, 4, 41, 47, 50, 89, 103, 115, 136, 254, 255)
SIDES = ("source", "destination")
_CHOOSING = {"nets", "selector", "namespaceSelector", "serviceAccounts", "services"}
_PORTS = (1, 22, 53, 80, 443, 5432, 8080, 65535)
_RANGES = ("1:1023", "8000:8100", "65000:65535", "80:81", "443:443")
_ICMP_V4 = (0, 8, 13, 14, 17, 30, 42)
_ICMP_V6 = (128, 129, 134, 137, 139, 144, 160)


class RuleMaker:
    """Makes rules for policies of one inventory. subject: the endpoint that they will judge for.

    scale: the longer the lists will be, the rarer a rule that catches much and would shadow the others.
    """

    def __init__(self, rng: Random, inventory: Inventory, subject: Entity, scale: int = 1) -> None:
        self.rng = rng
        self.scale = scale
        self.inventory = inventory
        self.subject = subject
        self.peers = [one for one in inventory.entities if one.nets]

    def rule(self, direction: str, namespace: str) -> Object:
        """One rule for a policy of `namespace` (`` for a global one); broad ones are rare, not to shadow."""
        while True:
            rule = self._any(direction, namespace)
            if self.rng.random() < _keep_share(rule) ** self.scale:
                return rule

    def _any(self, direction: str, namespace: str) -> Object:
        rng = self.rng
        version = rng.choice([4, 4, 6])
        rule: Object = {"action": rng.choice(ACTIONS)}
        protocol = self._protocol(rule, version)
        near, far = ("destination", "source") if direction == "ingress" else ("source", "destination")
        remote = self._peer(version, namespace)
        local = self._own(version) if rng.random() < 0.2 else {}
        server, client = (local, remote) if direction == "ingress" else (remote, local)
        self._ports(protocol, server, client)
        if remote:
            rule[far] = remote
        if local:
            rule[near] = local
        if rng.random() < 0.15 and "ipVersion" not in rule:
            rule["ipVersion"] = version
        if rng.random() < 0.15:
            rule["metadata"] = {"annotations": {"why": rng.choice(["because", "größer: [x] # no", "'"])}}
        return rule

    def _protocol(self, rule: Object, version: int) -> int | None:
        """Sets protocol, notProtocol, icmp, notICMP; the protocol's number when one is required."""
        rng = self.rng
        icmp = 1 if version == 4 else 58
        shape = rng.random()
        if shape < 0.12:
            return None
        if shape < 0.22:
            rule["notProtocol"] = self._spelled(rng.choice([6, 17, 132, 47, icmp]))
            return None
        if shape < 0.30:
            rule["notICMP"] = self._icmp(version)
            return None
        number = rng.choice([6, 6, 6, 17, 17, 132, icmp, icmp, rng.choice(_OTHERS)])
        rule["protocol"] = self._spelled(number)
        if number == icmp and rng.random() < 0.8:
            rule["icmp" if rng.random() < 0.75 else "notICMP"] = self._icmp(version)
            if rng.random() < 0.2:
                rule["ipVersion"] = version
        elif number == 6 and rng.random() < 0.05:
            rule["notProtocol"] = self._spelled(17)
        return number

    def _spelled(self, number: int) -> str | int:
        return _NAMED[number] if number in _NAMED and self.rng.random() < 0.6 else number

    def _icmp(self, version: int) -> Object:
        rng = self.rng
        kind = rng.choice([*(_ICMP_V4 if version == 4 else _ICMP_V6), rng.randrange(255)])
        return {"type": kind} if rng.random() < 0.6 else {"type": kind, "code": rng.choice([0, 1, 4, 255])}

    def _ports(self, protocol: int | None, server: Object, client: Object) -> None:
        """Adds ports to either side where the protocol has them (§3.3)."""
        rng = self.rng
        if protocol not in (6, 17, 132):
            return
        for side, share in ((server, 0.75), (client, 0.2)):
            if rng.random() < share:
                side["ports"] = self._port_list(rng.choice([1, 1, 2, 4]))
            elif rng.random() < 0.25:
                side["notPorts"] = self._port_list(rng.choice([1, 2]))

    def _port_list(self, count: int) -> list[int | str]:
        rng = self.rng
        found: set[int | str] = set()
        while len(found) < count:
            found.add(rng.choice([rng.choice(_PORTS), rng.randrange(1, 65536)]))
            if rng.random() < 0.3:
                found.add(rng.choice(_RANGES))
        return sorted(found, key=str)

    def _own(self, version: int) -> Object:
        """Criteria on the endpoint's own side, that its address meets."""
        rng = self.rng
        mine = [net for net in self.subject.nets if net.version == version]
        if not mine or rng.random() < 0.3:
            return {"notNets": [random_net(rng, version)]}
        return {"nets": sorted({around(rng, version, rng.choice(mine).first), random_net(rng, version)})}

    def _peer(self, version: int, namespace: str) -> Object:
        """Criteria on the peer's side, that some address of the inventory, or of a net, meets."""
        rng = self.rng
        shape = rng.random()
        target = rng.choice(self.peers)
        if shape < 0.30:
            nets = {random_net(rng, version) for _ in range(rng.choice([1, 1, 2, 3]))}
            side: Object = {"nets": sorted(nets)}
            if rng.random() < 0.3:
                side["notNets"] = [random_net(rng, version)]
            return side
        if shape < 0.36:
            return {"notNets": sorted({random_net(rng, version) for _ in range(2)})}
        if shape < 0.44:
            return {"notSelector": selector_text(rng, target.labels, truth=rng.random() < 0.5)}
        if shape < 0.94:
            side = self._selecting(target, namespace)
            fitting = [net for net in target.nets if net.version == version]
            if fitting and rng.random() < 0.15:
                side["nets"] = [around(rng, version, fitting[0].first)]
            return side
        return {}

    def _selecting(self, target: Entity, namespace: str) -> Object:
        """Selectors that find `target`, as §4.1 scopes them."""
        rng = self.rng
        side: Object = {}
        local = target.namespace == namespace
        if not local or rng.random() < 0.25:
            if target.namespace:
                side["namespaceSelector"] = self._of_namespace(target.namespace)
            elif namespace or rng.random() < 0.5:
                side["namespaceSelector"] = "global()"
        if not side or rng.random() < 0.7:
            side["selector"] = selector_text(rng, target.labels)
        if rng.random() < 0.2:
            side["notSelector"] = selector_text(rng, target.labels, truth=False)
        return side

    def _of_namespace(self, name: str) -> str:
        inherited = self.inventory.namespace_labels(name)
        return selector_text(
            self.rng, {key.removeprefix("pcns."): text for key, text in inherited.items()}, depth=1
        )


def _keep_share(rule: Object) -> float:
    """How often a rule is kept, by how little it catches."""
    chosen = any(_CHOOSING & set(rule.get(side, ())) for side in SIDES)
    ported = any("ports" in rule.get(side, ()) for side in SIDES) or "icmp" in rule
    narrow = (2 if chosen else 0) + (2 if ported else 0) + (1 if "protocol" in rule else 0)
    return (0.02, 0.3, 0.5, 1.0, 1.0, 1.0)[narrow]


def around(rng: Random, version: int, address: int) -> str:
    """A CIDR, host bits zero, that holds `address`."""
    if version == 4:
        return str(IPv4Network((address, rng.choice([24, 28, 31, 32])), strict=False))
    return str(IPv6Network((address, rng.choice([64, 120, 127, 128])), strict=False))
