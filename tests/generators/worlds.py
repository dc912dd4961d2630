"""A whole random case: inventory, policies that can each decide something, and packets aimed at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any

from polc.tests.oracle.rule_reading import Packet, Rule, RuleName
from polc.tests.oracle.verdict_reading import Decision, Oracle, Reading

from .inventories import random_inventory
from .packets import Aim
from .policies import DIRECTIONS, PolicyMaker
from .rule_places import drop_rules, replace_rules
from .wide_inventories import widen
from .wide_policies import WidePolicyMaker

Object = dict[str, Any]

LANGUAGES = ("narrow", "whole")
_ROUNDS = 4
_SHOTS = 6  # packets tried for one rule before it counts as shadowed


@dataclass
class World:
    """objects: everything, in no order. subject: (namespace, name). witnesses: a packet for each rule."""

    seed: int
    objects: list[Object]
    subject: tuple[str, str]
    oracle: Oracle
    readings: Mapping[str, Reading]
    aim: Aim
    witnesses: dict[RuleName, Packet] = field(default_factory=dict)

    def rules(self) -> list[Rule]:
        return [rule for direction in DIRECTIONS for rule in self.readings[direction].rules]

    def packets(self, rng: Random, direction: str, count: int) -> Iterator[Packet]:
        """First each rule's witness, then a mix: aimed at rules, just beside them, anything."""
        rules = self.readings[direction].rules
        known = [self.witnesses[rule.name] for rule in rules if rule.name in self.witnesses]
        yield from known[:count]
        for _ in range(count - len(known)):
            dice = rng.random()
            if not rules or dice < 0.22:
                yield self.aim.any()
                continue
            rule = rng.choice(rules)
            packet = self.aim.at(rule) or self.witnesses.get(rule.name) or self.aim.any()
            yield packet if dice < 0.72 else self.aim.beside(packet, rule)


def decides(decision: Decision, name: RuleName) -> bool:
    return name in (decision.rule, *decision.passes, *decision.logged)


def build_world(seed: int, scale: int = 1, language: str = "narrow") -> World:
    """The same world for the same seed, on any machine and under any hash seed.

    scale: 1 gives some fifteen rules, more gives as many times more. language: `narrow` has Calico's policies
    in the default tier, nets, selectors and numeric ports; `whole` has everything.
    """
    rng = Random(seed)
    inventory, subject = random_inventory(rng)
    make: type[PolicyMaker] = PolicyMaker
    if language == "whole":
        inventory, subject = widen(rng, inventory, subject)
        make = WidePolicyMaker
    oracle = Oracle(inventory)
    entity = oracle.inventory.endpoint(*subject)
    maker = make(rng, oracle.inventory, entity, scale)
    policies = maker.policy_set()
    aim = Aim(rng, oracle.inventory, entity)
    for final in (False,) * _ROUNDS + (True,):
        world = _read(seed, inventory + policies, subject, aim)
        shadowed = [rule.name for rule in world.rules() if rule.name not in world.witnesses]
        if final or not shadowed:
            break
        replace_rules(maker, policies, shadowed)
    drop_rules(rng, inventory + policies, shadowed)
    objects = deepcopy(inventory + policies)
    rng.shuffle(objects)
    return _read(seed, objects, subject, aim)


def _read(seed: int, objects: list[Object], subject: tuple[str, str], aim: Aim) -> World:
    oracle = Oracle(objects)
    world = World(seed, objects, subject, oracle, oracle.endpoint(*subject), aim)
    for direction in DIRECTIONS:
        reading = world.readings[direction]
        for rule in reading.rules:
            for _ in range(_SHOTS):
                packet = aim.at(rule)
                if packet is None:
                    break
                if decides(reading.judge(packet), rule.name):
                    world.witnesses[rule.name] = packet
                    break
    return world
