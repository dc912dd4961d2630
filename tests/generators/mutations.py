"""Single mutations: one value changed so that some packet's verdict, or its deciding rule, changes.

A changed value that changes no verdict (an address that no selector finds, a rule that another shadows) is
not a change of meaning, so each mutation is proved by the oracle on a witness before it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any

from polc.tests.oracle.rule_reading import Packet
from polc.tests.oracle.verdict_reading import Oracle

from .inventories import random_net
from .policies import DIRECTIONS
from .worlds import World

Object = dict[str, Any]

_ATTEMPTS = 8  # of one sort of change, before another sort is tried
_PROBES = 60


class NoMutation(Exception):
    """Nothing that was tried changed a verdict."""


def mutate(world: World, seed: int) -> tuple[list[Object], str]:
    """The objects with one value changed, and what was changed, in words. Raises NoMutation."""
    rng = Random(f"{world.seed}/{seed}")
    probes = [(way, packet) for way in DIRECTIONS for packet in world.packets(rng, way, _PROBES)]
    for change_one in rng.sample(_CHANGES, len(_CHANGES)):
        for _ in range(_ATTEMPTS):
            objects = deepcopy(world.objects)
            change = change_one(rng, world, objects)
            if change is not None and _differs(world, objects, probes):
                return objects, change
    raise NoMutation(f"seed {world.seed}/{seed}")


def _differs(world: World, objects: Sequence[Object], probes: Sequence[tuple[str, Packet]]) -> bool:
    """Whether some verdict itself changes: another name or number of the same verdict is not enough."""
    readings = Oracle(objects).endpoint(*world.subject)
    return any(
        readings[way].judge(packet).allowed is not world.readings[way].judge(packet).allowed
        for way, packet in probes
    )


def _applying(world: World, objects: Sequence[Object]) -> list[Object]:
    """The subject's policies, as found in `objects`."""
    keys = {
        (one.raw["kind"], one.raw["metadata"].get("namespace"), one.name)
        for way in DIRECTIONS
        for one in world.oracle.applying(*world.subject, way)
    }
    return [
        one
        for one in objects
        if (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) in keys
    ]


def _rules(world: World, objects: Sequence[Object]) -> list[tuple[str, Object]]:
    return [
        (f"{one['metadata']['name']}/{way}/{number}", rule)
        for one in _applying(world, objects)
        for way in DIRECTIONS
        for number, rule in enumerate(one["spec"].get(way) or ())
    ]


def _one_rule(rng: Random, world: World, objects: Sequence[Object], wanted: str) -> tuple[str, Object] | None:
    """A rule, or a side of one, that has the field `wanted`."""
    found = [(where, rule) for where, rule in _rules(world, objects) if wanted in rule]
    for where, rule in _rules(world, objects):
        found += [
            (f"{where} {side}", rule[side])
            for side in ("source", "destination")
            if wanted in rule.get(side, ())
        ]
    return rng.choice(found) if found else None


def _action(rng: Random, world: World, objects: Sequence[Object]) -> str | None:
    found = _one_rule(rng, world, objects, "action")
    if found is None:
        return None
    where, rule = found
    before, rule["action"] = (
        rule["action"],
        rng.choice(sorted({"Allow", "Deny", "Pass", "Log"} - {rule["action"]})),
    )
    return f"{where}: action {before} → {rule['action']}"


def _cidr(rng: Random, world: World, objects: Sequence[Object]) -> str | None:
    field = rng.choice(["nets", "notNets"])
    found = _one_rule(rng, world, objects, field)
    if found is None:
        return None
    where, side = found
    at = rng.randrange(len(side[field]))
    before = side[field][at]
    side[field][at] = random_net(rng, 6 if ":" in before else 4)
    return f"{where}: {field} {before} → {side[field][at]}"


def _port(rng: Random, world: World, objects: Sequence[Object]) -> str | None:
    field = rng.choice(["ports", "ports", "notPorts"])
    found = _one_rule(rng, world, objects, field)
    if found is None:
        return None
    where, side = found
    at = rng.randrange(len(side[field]))
    before = side[field][at]
    first, _, last = str(before).partition(":")
    moved = int(last or first) + rng.choice([-1, 1])
    if not int(first) <= moved <= 65535 and not (not last and 1 <= moved <= 65535):
        return None
    side[field][at] = f"{first}:{moved}" if last else moved
    return f"{where}: {field} {before} → {side[field][at]}"


def _protocol(rng: Random, world: World, objects: Sequence[Object]) -> str | None:
    found = _one_rule(rng, world, objects, "protocol")
    if found is None:
        return None
    where, rule = found
    before = rule["protocol"]
    if before not in ("TCP", "UDP", "SCTP", 6, 17, 132):
        return None
    rule["protocol"] = rng.choice([one for one in ("TCP", "UDP", "SCTP") if one != before])
    return f"{where}: protocol {before} → {rule['protocol']}"


def _icmp(rng: Random, world: World, objects: Sequence[Object]) -> str | None:
    field = rng.choice(["icmp", "notICMP"])
    found = _one_rule(rng, world, objects, field)
    if found is None:
        return None
    where, rule = found
    before = dict(rule[field])
    rule[field]["type"] = (before["type"] + rng.choice([1, 254])) % 255
    return f"{where}: {field} {before} → {rule[field]}"


def _order(rng: Random, world: World, objects: Sequence[Object]) -> str | None:
    policy = rng.choice(_applying(world, objects) or [None])
    if policy is None:
        return None
    before, policy["spec"]["order"] = policy["spec"].get("order"), rng.choice([-100, 5, 50, 5000])
    return f"{policy['metadata']['name']}: order {before} → {policy['spec']['order']}"


def _member(rng: Random, _: World, objects: Sequence[Object]) -> str | None:
    """A set loses or gains an address."""
    found = [one for one in objects if one["kind"] in ("NetworkSet", "GlobalNetworkSet")]
    nets = rng.choice(found)["spec"]["nets"]
    if len(nets) > 1 and rng.random() < 0.5:
        return f"set loses {nets.pop(rng.randrange(len(nets)))}"
    extra = random_net(rng, rng.choice([4, 6]))
    if extra in nets:
        return None
    nets.append(extra)
    return f"set gains {extra}"


def _label(rng: Random, _: World, objects: Sequence[Object]) -> str | None:
    """A peer's, or a namespace's, label goes."""
    found = [one for one in objects if one["metadata"].get("labels") and "Policy" not in one["kind"]]
    one = rng.choice(found)
    key = rng.choice(sorted(one["metadata"]["labels"]))
    del one["metadata"]["labels"][key]
    return f"{one['kind']} {one['metadata']['name']} loses label {key}"


def _swap(rng: Random, world: World, objects: Sequence[Object]) -> str | None:
    """Two neighbouring rules change places."""
    policy = rng.choice(_applying(world, objects) or [None])
    if policy is None:
        return None
    way = rng.choice(DIRECTIONS)
    rules = policy["spec"].get(way) or []
    if len(rules) < 2:
        return None
    at = rng.randrange(len(rules) - 1)
    rules[at], rules[at + 1] = rules[at + 1], rules[at]
    return f"{policy['metadata']['name']}: {way} rules {at} and {at + 1} swapped"


_CHANGES: tuple[Callable[[Random, World, Sequence[Object]], str | None], ...] = (
    _action,
    _cidr,
    _port,
    _protocol,
    _icmp,
    _order,
    _member,
    _label,
    _swap,
)


def mutations(world: World, count: int) -> Iterator[tuple[list[Object], str]]:
    """Up to `count` different single mutations of one world."""
    seen: set[str] = set()
    for seed in range(count * 3):
        try:
            objects, change = mutate(world, seed)
        except NoMutation:
            continue
        if change not in seen:
            seen.add(change)
            yield objects, change
        if len(seen) == count:
            return
