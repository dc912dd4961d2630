"""The walk of one packet through one direction's policy: every rule that was tried, and what came of it.

The model decides; this follows it rule by rule and asks the model about each criterion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..compiler.ir.nodes import Action, Judge, Policy, Rule, Tier
from ..compiler.model import Packet
from ..compiler.model.walk import Walk
from ..compiler.resolve import Resolved, World
from ..compiler.resolve.policies import policy_name
from ..compiler.resources import Policy as PolicyResource
from ..compiler.resources import Profile
from ..pair.layout import Direction
from .deciders import Deciders, resolved_deciders
from .wording import Wording

Result = Literal["decided", "passed", "logged", "no match"]


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WalkedRule(Shape):
    """One rule that was tried. at: `file:line:column` of its action. because: which criterion failed, ``
    when it matched."""

    rule: str
    at: str
    action: Literal["allow", "deny", "log", "pass"]
    result: Result
    because: str = ""


class WalkedPolicy(Shape):
    """A policy that was tried, with its rules up to the one that decided."""

    policy: str
    rules: tuple[WalkedRule, ...]


class WalkedTier(Shape):
    """A tier that was tried. result: `default` when no rule decided and the tier's default action did."""

    tier: str
    policies: tuple[WalkedPolicy, ...]
    result: Literal["decided", "passed", "default"]
    default: Literal["deny", "pass"]


def matching(walk: Walk, judge: Judge, packet: Packet) -> Iterator[Rule]:
    """Every rule that matches on the packet's way, Log and Pass rules too, the deciding one last."""
    for tier in judge.tiers:
        action = Action.PASS if tier.default is Action.PASS else Action.DENY
        for rule in (rule for policy in tier.policies for rule in policy.rules):
            if walk.matches(rule, packet):
                yield rule
                if rule.action is not Action.LOG:
                    action = rule.action
                    break
        if action is not Action.PASS:
            return


class Walker:
    """Follows packets through one endpoint's policy."""

    def __init__(self, world: World, resolved: Resolved) -> None:
        self._resolved = resolved
        self._deciders: Deciders = resolved_deciders(resolved)
        self._walk = Walk.of(resolved.program)
        self._wording = Wording(world, resolved.program.sets)
        self._policies: Mapping[str, PolicyResource | Profile] = {
            **{policy_name(one): one for one in world.policies},
            **{f"Profile/{name}": one for name, one in world.given_profiles.items()},
        }

    def walk(self, direction: Direction, packet: Packet) -> tuple[WalkedTier, ...]:
        """The tiers up to the one that decided; none when no policy selects the endpoint."""
        walked = []
        for tier in self._resolved.program.judge(direction).tiers:
            done = self._tier(direction, tier, packet)
            walked.append(done)
            if done.result == "decided" or (done.result == "default" and done.default == "deny"):
                break
        return tuple(walked)

    def _tier(self, direction: Direction, tier: Tier, packet: Packet) -> WalkedTier:
        policies: list[WalkedPolicy] = []
        result: Literal["decided", "passed", "default"] = "default"
        for policy in tier.policies:
            walked = self._policy(direction, policy, packet)
            policies.append(walked)
            last = walked.rules[-1].result if walked.rules else "no match"
            if last == "decided" or last == "passed":
                result = last
                break
        default: Literal["deny", "pass"] = "pass" if tier.default is Action.PASS else "deny"
        return WalkedTier(tier=tier.name, policies=tuple(policies), result=result, default=default)

    def _policy(self, direction: Direction, policy: Policy, packet: Packet) -> WalkedPolicy:
        rules: list[WalkedRule] = []
        for number, rule in enumerate(policy.rules):
            walked = self._rule(direction, policy, number, rule, packet)
            rules.append(walked)
            if walked.result in ("decided", "passed"):
                break
        return WalkedPolicy(policy=policy.name, rules=tuple(rules))

    def _rule(
        self, direction: Direction, policy: Policy, number: int, rule: Rule, packet: Packet
    ) -> WalkedRule:
        failed = next((at for at, one in enumerate(rule.criteria) if not self._walk.holds(one, packet)), None)
        decider = self._deciders[direction][rule.index]
        because, result = "", _RESULTS[rule.action]
        if failed is not None:
            because, result = self._because(direction, policy, number, rule, failed, packet), "no match"
        return WalkedRule(
            rule=decider.rule, at=decider.at, action=rule.action.value, result=result, because=because
        )

    def _because(
        self, direction: Direction, policy: Policy, number: int, rule: Rule, failed: int, packet: Packet
    ) -> str:
        source = self._policies.get(policy.name)
        # Rules for every host (failsafe ports, what is forwarded) stand in no file.
        if source is None:
            return self._wording.plain(rule.criteria[failed], packet)
        given = (source.ingress if direction is Direction.INGRESS else source.egress)[number]
        return self._wording.mismatch(rule, failed, packet, given, source.metadata.namespace)


_RESULTS: Mapping[Action, Result] = {
    Action.ALLOW: "decided",
    Action.DENY: "decided",
    Action.LOG: "logged",
    Action.PASS: "passed",
}
