"""The oracle: raw objects, an endpoint, a direction and a packet, straight to a verdict and its rule.

A second, independent reading of the dossier, §4 and §6 (design §3). It imports nothing of grammar,
compiler or pair, so that where it and the model agree, two readings agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from .host_reading import is_failsafe, is_own
from .inventory_reading import Entity, Inventory, Net, Object, Unsupported, flat
from .policy_reading import DIRECTIONS, Policy, read_policies, read_tiers
from .rule_reading import Packet, Rule, RuleName, read_rule


class Decision(NamedTuple):
    """what: `rule`, `tier-default`, `end` (past the last tier), `no-policy`; on a host also `failsafe`,
    `forwarded`. rule: the deciding Allow or Deny. passes: the Pass rules by which the walk left a tier.
    logged: the Log rules it went by.
    """

    allowed: bool
    what: str
    rule: RuleName | None = None
    passes: tuple[RuleName, ...] = ()
    logged: tuple[RuleName, ...] = ()

    @property
    def decider(self) -> str:
        """One text for the deciding place: the rule's name, or `tier-default`, `end`, `no-policy`, …"""
        return str(self.rule) if self.rule else self.what


@dataclass(frozen=True)
class TierReading:
    """The policies of one tier that are in force, as their rules in walk order. denies: its default.
    in_force: it has such policies, not staged ones only."""

    name: str
    in_force: bool
    denies: bool
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Course:
    """Tiers in walk order, those alone that apply."""

    tiers: tuple[TierReading, ...]

    def walk(self, packet: Packet) -> Decision:
        """What the tiers say; `end` when none of them decides."""
        passes: list[RuleName] = []
        logged: list[RuleName] = []
        for tier in self.tiers:
            rule = _first(tier.rules, packet, logged)
            if rule is None:
                if tier.denies:
                    return Decision(False, "tier-default", None, tuple(passes), tuple(logged))
            elif rule.action == "Pass":
                passes.append(rule.name)
            else:
                return Decision(rule.action == "Allow", "rule", rule.name, tuple(passes), tuple(logged))
        return Decision(False, "end", None, tuple(passes), tuple(logged))


def _first(rules: Iterable[Rule], packet: Packet, logged: list[RuleName]) -> Rule | None:
    """The first rule that decides; Log rules on the way are noted."""
    for rule in rules:
        if rule.matches(packet):
            if rule.action != "Log":
                return rule
            logged.append(rule.name)
    return None


@dataclass(frozen=True)
class Reading:
    """One endpoint's policies in one direction.

    course: the tiers. profiles: the rules of its profiles, in order, until one that allows or denies all
    (end_allows: it allows). local: on a host, its addresses. before: its preDNAT tiers, none of which denies
    by default. forward: the tiers for what passes through. staged: the same were the staged policies in
    force, None when there are none.
    """

    direction: str
    course: Course
    profiles: tuple[Rule, ...]
    end_allows: bool
    local: tuple[Net, ...] | None = None
    before: Course = Course(())
    forward: Course = Course(())
    staged: Reading | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule in force, in walk order, each once."""
        found: dict[RuleName, Rule] = {}
        for tier in (*self.before.tiers, *self.forward.tiers, *self.course.tiers):
            found.update((rule.name, rule) for rule in tier.rules)
        return (*found.values(), *self.profiles)

    def judge(self, packet: Packet) -> Decision:
        if self.local is None:
            return self._end(packet)
        own = is_own(self.local, self.direction, packet)
        if own and is_failsafe(self.direction, packet):
            return Decision(True, "failsafe")
        early = self.before.walk(packet)
        if early.what != "end":
            return early
        said = self._end(packet) if own else self._pass_through(packet)
        return said._replace(passes=early.passes + said.passes, logged=early.logged + said.logged)

    def _end(self, packet: Packet) -> Decision:
        """What ends or begins here: the tiers, then the profiles."""
        said = self.course.walk(packet)
        if said.what != "end":
            return said
        logged = list(said.logged)
        rule = _first(self.profiles, packet, logged)
        if rule is not None:
            return said._replace(
                allowed=rule.action == "Allow", what="rule", rule=rule.name, logged=tuple(logged)
            )
        what = "end" if any(tier.in_force for tier in self.course.tiers) else "no-policy"
        return said._replace(allowed=self.end_allows, what=what, logged=tuple(logged))

    def _pass_through(self, packet: Packet) -> Decision:
        """§6.4: forwarded traffic sees applyOnForward policies alone; what they leave open is allowed."""
        said = self.forward.walk(packet)
        return said._replace(allowed=True, what="forwarded") if said.what == "end" else said


class Oracle:
    """Reads all objects once. Raises Unsupported on what the language does not have."""

    def __init__(self, objects: Iterable[Object]) -> None:
        things = flat(objects)
        self.inventory = Inventory(things)
        self.tiers = read_tiers(things)
        self.policies = read_policies(things)
        unknown = {one.tier for one in self.policies} - {tier.name for tier in self.tiers}
        if unknown:
            raise Unsupported(f"tiers {sorted(unknown)}")

    def endpoint(self, namespace: str, name: str) -> Mapping[str, Reading]:
        """The endpoint's readings by `ingress` and `egress`; without namespace a HostEndpoint's. KeyError
        when it does not exist."""
        return self._read(self.inventory.endpoint(namespace, name))

    def labelled(self, labels: Mapping[str, str], namespace: str) -> Mapping[str, Reading]:
        """Of a pod of that namespace that would carry these labels."""
        seen, profiles = self.inventory.pod_like(namespace, labels)
        return self._read(Entity("Pod", namespace, "", seen, (), (), profiles))

    def applying(self, namespace: str, name: str, direction: str) -> list[Policy]:
        """The policies of one endpoint and direction, staged ones too, in walk order within their tiers."""
        entity = self.inventory.endpoint(namespace, name)
        return [one for one in self.policies if direction in one.types and one.selects(entity)]

    def _read(self, entity: Entity) -> Mapping[str, Reading]:
        return {direction: self._direction(entity, direction) for direction in DIRECTIONS}

    def _direction(self, entity: Entity, direction: str) -> Reading:
        applying = [one for one in self.policies if direction in one.types and one.selects(entity)]
        staged = None
        if any(one.staged for one in applying):
            staged = self._reading(entity, direction, applying, staged_too=True)
        plain = self._reading(entity, direction, applying, staged_too=False)
        return Reading(**{**vars(plain), "staged": staged})

    def _reading(
        self, entity: Entity, direction: str, applying: list[Policy], *, staged_too: bool
    ) -> Reading:
        """§6.4: preDNAT policies are in no other tiers; those that apply to what is forwarded are in both."""
        rules, end_allows = self._profiles(entity, direction)
        normal = [one for one in applying if not one.pre_dnat]
        course = self._course(normal, direction, staged_too)
        if entity.kind != "HostEndpoint":
            return Reading(direction, course, rules, end_allows)
        early = [one for one in applying if one.pre_dnat]
        before = self._course(early, direction, staged_too)
        open_ended = Course(tuple(replace(tier, denies=False) for tier in before.tiers))
        forward = self._course([one for one in normal if one.forward], direction, staged_too)
        local = self.inventory.host_nets(entity)
        return Reading(direction, course, rules, end_allows, local, open_ended, forward)

    def _course(self, applying: list[Policy], direction: str, staged_too: bool) -> Course:
        """§6.2: tiers with a policy that matches; where all of them are staged, nothing but a Pass."""
        found = []
        for tier in self.tiers:
            present = [one for one in applying if one.tier == tier.name]
            in_force = [one for one in present if staged_too or not one.staged]
            if present:
                rules = tuple(rule for one in in_force for rule in self._rules(one, direction))
                found.append(
                    TierReading(tier.name, bool(in_force), bool(in_force) and tier.default == "Deny", rules)
                )
        return Course(tuple(found))

    def _rules(self, policy: Policy, direction: str) -> Iterator[Rule]:
        for number, raw in enumerate(policy.rules(direction)):
            name = RuleName(policy.kind, policy.namespace, policy.name, direction, number)
            yield read_rule(raw, name, self.inventory)

    def _profiles(self, entity: Entity, direction: str) -> tuple[tuple[Rule, ...], bool]:
        """§6.2.3: the rules of the profiles in order; a profile that decides everything ends them."""
        rules: list[Rule] = []
        for profile in entity.profiles:
            raws = self.inventory.profiles.rules(profile).get(direction) or ()
            if not self.inventory.profiles.is_explicit(profile):
                if raws:
                    return tuple(rules), str(raws[0]["action"]) == "Allow"
                continue
            for number, raw in enumerate(raws):
                name = RuleName("Profile", "", profile, direction, number)
                rules.append(read_rule(raw, name, self.inventory))
        return tuple(rules), False
