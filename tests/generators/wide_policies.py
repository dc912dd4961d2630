"""Random policy sets of the whole language: every kind, tiers, service accounts, staged ones, hosts."""

from __future__ import annotations

from random import Random
from typing import Any

from polc.tests.oracle.inventory_reading import Entity, Inventory

from .inventories import meta
from .kubernetes import KubernetesMaker
from .policies import DIRECTIONS, ORDERS, PolicyMaker
from .selectors import selector_text
from .wide_rules import WideRuleMaker, account_labels

Object = dict[str, Any]

_TIERS = ("default",) * 9 + ("early",) * 5 + ("late",) * 2 + ("kube-admin", "kube-baseline")


class WidePolicyMaker(PolicyMaker):
    def __init__(self, rng: Random, inventory: Inventory, subject: Entity, scale: int = 1) -> None:
        super().__init__(rng, inventory, subject, scale)
        self.rules = WideRuleMaker(rng, inventory, subject, scale)
        self.kubernetes = KubernetesMaker(rng, inventory, subject)

    @property
    def _of_kubernetes(self) -> bool:
        return self.subject.labels.get("projectcalico.org/orchestrator") == "k8s"

    def policy(self, applies: bool) -> Object:
        dice = self.rng.random()
        if applies and self._of_kubernetes and dice < 0.45:
            return self._network_policy() if dice < 0.25 else self._cluster_policy()
        return self._calico(applies)

    def _some(self) -> tuple[str, ...]:
        if len(self._directions) == 1:
            return self._directions
        return self.rng.choice([("ingress",), ("egress",), DIRECTIONS, DIRECTIONS])

    def _network_policy(self) -> Object:
        """One in eight is staged."""
        rng, space = self.rng, self.subject.namespace
        spec = self.kubernetes.network_policy(self._some())
        group, kind = "networking.k8s.io/v1", "NetworkPolicy"
        if rng.random() < 0.12:
            group, kind = "projectcalico.org/v3", "StagedKubernetesNetworkPolicy"
            spec |= rng.choice([{}, {"stagedAction": "Set"}])
        return {"apiVersion": group, "kind": kind, "metadata": meta(self._name(space), space), "spec": spec}

    def _cluster_policy(self) -> Object:
        return {
            "apiVersion": "policy.networking.k8s.io/v1alpha2",
            "kind": "ClusterNetworkPolicy",
            "metadata": meta(self._name("")),
            "spec": self.kubernetes.cluster_policy(self._some()),
        }

    def _calico(self, applies: bool) -> Object:
        rng = self.rng
        globally = not self.subject.namespace or rng.random() < 0.5
        space = "" if globally else self.subject.namespace
        spec: Object = {"tier": rng.choice(_TIERS)}
        if spec["tier"] == "default" and rng.random() < 0.5:
            del spec["tier"]
        order = rng.choice(ORDERS)
        if order is not None:
            spec["order"] = order
        self._choose(spec, globally, applies)
        self._rules(spec, space)
        if globally:
            self._of_hosts(spec)
        kind = "GlobalNetworkPolicy" if globally else "NetworkPolicy"
        if rng.random() < 0.12:
            kind, spec = self._staged(kind, spec)
        apart = Random(f"spelling {spec}")
        return {
            "apiVersion": "crd.projectcalico.org/v1" if apart.random() < 0.1 else "projectcalico.org/v3",
            "kind": kind,
            "metadata": meta(self._name(space), space),
            "spec": spec,
        }

    def _staged(self, kind: str, spec: Object) -> tuple[str, Object]:
        rng = self.rng
        action = rng.choice(["", "Set", "Delete"])
        if action == "Delete":
            spec = {"tier": spec["tier"]} if "tier" in spec else {}
        return f"Staged{kind}", spec | ({"stagedAction": action} if action else {})

    def _of_hosts(self, spec: Object) -> None:
        """applyOnForward; now and then what takes a policy away from workloads; for hosts preDNAT, too."""
        rng = self.rng
        # A stream of its own: what the worlds of all seeds held before stays as it was.
        apart = Random(f"preDNAT {spec}")
        if not self.subject.namespace and _towards_alone(spec) and apart.random() < 0.3:
            spec |= {"applyOnForward": True, "preDNAT": True}
            return
        if rng.random() < (0.3 if not self.subject.namespace else 0.05):
            spec["applyOnForward"] = True
            if self.subject.namespace and rng.random() < 0.5:
                spec["doNotTrack"] = True

    def _choose(self, spec: Object, globally: bool, applies: bool) -> None:
        """selector, namespaceSelector and serviceAccountSelector that find the subject, or miss it."""
        rng, labels = self.rng, self.subject.labels
        spaces = {key.removeprefix("pcns."): text for key, text in labels.items() if key.startswith("pcns.")}
        accounts = account_labels(labels)
        given = {"selector": (labels, 0.75)}
        if accounts:
            given["serviceAccountSelector"] = (accounts, 0.25)
        if globally and spaces:
            given["namespaceSelector"] = (spaces, 0.35)
        elif rng.random() < 0.2:
            # Who has no service account: all() of a global policy misses it (QUIRK 4).
            spec["serviceAccountSelector"] = rng.choice(["all()", "!all()", "!has(team)"])
        missing = rng.choice(sorted(given)) if not applies else ""
        for field, (seen, share) in given.items():
            if field == missing:
                spec[field] = selector_text(rng, seen, truth=False)
            elif rng.random() < share:
                spec[field] = rng.choice(["all()", selector_text(rng, seen), selector_text(rng, seen)])


def _towards_alone(spec: Object) -> bool:
    """Whether a policy may be preDNAT: it has no egress (dossier §2.2)."""
    return "egress" not in spec and spec.get("types") in (None, ["Ingress"])
