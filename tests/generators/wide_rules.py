"""Random rules of the whole language: the narrow ones, with services, service accounts and named ports."""

from __future__ import annotations

from random import Random
from typing import Any

from polc.tests.oracle.inventory_reading import Entity, Inventory

from .rules import RuleMaker
from .selectors import selector_text
from .wide_inventories import ACCOUNTS

Object = dict[str, Any]

_NAMES = ("http", "http", "dns", "sip", "none")
_SERVICES = ("front", "back", "old", "none")


def account_labels(labels: Any) -> dict[str, str]:
    """What a selector of service accounts can say of an endpoint with these labels."""
    return {key.removeprefix("pcsa."): text for key, text in labels.items() if key.startswith("pcsa.")}


class WideRuleMaker(RuleMaker):
    def __init__(self, rng: Random, inventory: Inventory, subject: Entity, scale: int = 1) -> None:
        super().__init__(rng, inventory, subject, scale)
        self._spaces = sorted({one.namespace for one in inventory.entities if one.namespace})

    def _any(self, direction: str, namespace: str) -> Object:
        rule = super()._any(direction, namespace)
        # Rules of Kubernetes only allow; that Pass stays one verdict in ten, more of the others pass.
        if rule["action"] == "Allow" and self.rng.random() < 0.35:
            rule["action"] = "Pass"
        return rule

    def _peer(self, version: int, namespace: str) -> Object:
        dice = self.rng.random()
        if dice < 0.12:
            return {"services": self._service(namespace)}
        if dice < 0.26:
            return self._accounts(namespace)
        return super()._peer(version, namespace)

    def _service(self, namespace: str) -> Object:
        rng = self.rng
        given: Object = {"name": rng.choice(_SERVICES)}
        if not namespace or rng.random() < 0.6:  # else the policy's own: QUIRK 7
            given["namespace"] = rng.choice(self._spaces)
        return given

    def _accounts(self, namespace: str) -> Object:
        """Service accounts of a workload that there is, with or without other selectors."""
        rng = self.rng
        having = [one for one in self.peers if account_labels(one.labels)]
        target = rng.choice(having or self.peers)
        labels = account_labels(target.labels)
        own = labels.get("projectcalico.org/name", "default")
        given: Object = {}
        shape = rng.choice(["names", "names", "selector", "both"])
        if shape != "selector":
            given["names"] = sorted({own, *([rng.choice(ACCOUNTS)] if rng.random() < 0.3 else [])})
        if shape != "names":
            given["selector"] = selector_text(rng, labels, depth=1)
        side: Object = {"serviceAccounts": given}
        if target.namespace and target.namespace != namespace and rng.random() < 0.8:
            side["namespaceSelector"] = rng.choice(["all()", self._of_namespace(target.namespace)])
        if rng.random() < 0.25:
            side["selector"] = selector_text(rng, target.labels, depth=1)
        if rng.random() < 0.15:
            side["notSelector"] = selector_text(rng, target.labels, truth=False, depth=1)
        return side

    def _ports(self, protocol: int | None, server: Object, client: Object) -> None:
        rng = self.rng
        bare: Object = {}
        destination = bare if "services" in server else server
        source = bare if "services" in client else client
        super()._ports(protocol, destination, source)
        if protocol is not None and protocol not in (6, 17, 132):
            return
        for side in (destination, source):
            if side is not bare and rng.random() < (0.3 if side is destination else 0.08):
                field = "ports" if rng.random() < 0.8 else "notPorts"
                kept = side.get(field, []) if protocol is not None and rng.random() < 0.4 else []
                side[field] = [*kept, rng.choice(_NAMES)]
