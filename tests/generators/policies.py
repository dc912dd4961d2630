"""Random policy sets: kinds, names that tie, orders, types with and without default, selectors, rules."""

from __future__ import annotations

from random import Random
from typing import Any

from polc.tests.oracle.inventory_reading import Entity, Inventory

from .inventories import meta
from .rules import RuleMaker
from .selectors import selector_text

Object = dict[str, Any]

DIRECTIONS = ("ingress", "egress")
# The tie is broken on `name/namespace/kind`: `a-b` and `a.b` come before `a`, `a0` after (QUIRK 12).
_NAMES = ("a", "a-b", "a.b", "a0", "ab", "z", "z9")
ORDERS = (None, None, 10, 10, 10, 0, -5, 0.5, 100, 1000, 2.25)


class PolicyMaker:
    """scale: how many times longer than usual the rule lists are."""

    def __init__(self, rng: Random, inventory: Inventory, subject: Entity, scale: int = 1) -> None:
        self.rng = rng
        self.scale = scale
        self.inventory = inventory
        self.subject = subject
        self.rules = RuleMaker(rng, inventory, subject, scale)
        self._used: set[tuple[str, str]] = set()
        # Now and then one direction has no policy at all.
        lone = ("ingress",) if rng.random() < 0.5 else ("egress",)
        self._directions = lone if rng.random() < 0.05 else DIRECTIONS

    def policy_set(self) -> list[Object]:
        """Two to five policies that apply to the subject, and up to two that do not."""
        rng = self.rng
        found = [self.policy(applies=True) for _ in range(rng.choice([2, 3, 3, 4, 5]))]
        return found + [self.policy(applies=False) for _ in range(rng.randrange(3))]

    def policy(self, applies: bool) -> Object:
        rng = self.rng
        globally = rng.random() < 0.5
        space = "" if globally else self.subject.namespace
        spec: Object = {}
        order = rng.choice(ORDERS)
        if order is not None:
            spec["order"] = order
        if rng.random() < 0.3:
            spec["tier"] = "default"
        self._select(spec, globally, applies)
        self._rules(spec, space)
        if not globally and not applies and rng.random() < 0.5 and self.inventory.workloads:
            space = rng.choice(sorted({key[0] for key in self.inventory.workloads} - {space}) or [space])
        return {
            "apiVersion": rng.choice(["projectcalico.org/v3"] * 3 + ["crd.projectcalico.org/v1"]),
            "kind": "GlobalNetworkPolicy" if globally else "NetworkPolicy",
            "metadata": meta(self._name(space), space),
            "spec": spec,
        }

    def _name(self, space: str) -> str:
        free = [name for name in _NAMES if (name, space) not in self._used]
        name = self.rng.choice(free) if free else f"n{len(self._used)}"
        self._used.add((name, space))
        return name

    def _select(self, spec: Object, globally: bool, applies: bool) -> None:
        """selector and namespaceSelector that find the subject, or miss it."""
        rng, labels = self.rng, self.subject.labels
        inherited = self.inventory.namespace_labels(self.subject.namespace)
        spaces = {key.removeprefix("pcns."): text for key, text in inherited.items()}
        if not applies:
            if globally and rng.random() < 0.5:
                spec["namespaceSelector"] = selector_text(rng, spaces, truth=False)
            else:
                spec["selector"] = selector_text(rng, labels, truth=False)
            return
        if rng.random() < 0.75:
            spec["selector"] = rng.choice(["all()", selector_text(rng, labels), selector_text(rng, labels)])
        if globally and rng.random() < 0.4:
            spec["namespaceSelector"] = selector_text(rng, spaces)

    def _rules(self, spec: Object, space: str) -> None:
        rng = self.rng
        directions: tuple[str, ...] = self._directions
        if len(directions) == 2:
            directions = rng.choice([("ingress",), ("egress",), DIRECTIONS, DIRECTIONS, DIRECTIONS])
        for direction in directions:
            count = self.scale * rng.choice([1, 2, 3, 4, 6]) if rng.random() < 0.95 else 0
            spec[direction] = [self.rules.rule(direction, space) for _ in range(count)]
        if rng.random() < 0.6:
            types = set(directions) | ({rng.choice(self._directions)} if rng.random() < 0.2 else set())
            spec["types"] = [word.capitalize() for word in sorted(types, reverse=rng.random() < 0.5)]
        elif not any(spec.get(direction) for direction in directions):
            spec["types"] = [word.capitalize() for word in directions]
