"""The course of a walk in one direction: which tiers a packet passes, what each holds, and what ends it.

Dossier §6.2, for workloads; hosts.py makes the courses of host endpoints. A judge is built from a course.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...pair.layout import Direction
from ..ir.nodes import Action, Criterion, Prefix
from ..resources import Policy, Rule
from ..source import Span
from .policies import policy_name
from .profiles import Behind
from .resolved import What
from .tiers import Tiers, TierSettings, by_tier

NameSet = Callable[[tuple[Prefix, ...]], str]

PROFILES_TIER: Final = "@profiles"  # no tier of a user can be called so


@dataclass(frozen=True, slots=True)
class FixedRule:
    """A rule that stands in no file. owner: whose it is, in words. criteria: given what names sets."""

    what: What
    action: Action
    owner: str
    span: Span | None
    criteria: Callable[[NameSet], tuple[Criterion, ...]] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Block:
    """A policy, a profile, or rules of our own. name: `Kind/namespace/name`. namespace: scopes its rules."""

    name: str
    namespace: str
    rules: tuple[Rule, ...] | tuple[FixedRule, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """One tier of the walk. at, owner: of what made the tier apply."""

    name: str
    default: Action
    blocks: tuple[Block, ...]
    at: Span | None
    owner: str


@dataclass(frozen=True, slots=True)
class Course:
    """what: whether any tier applied. at: the endpoint's place, None when there is no endpoint."""

    stretches: tuple[Stretch, ...]
    end: Action
    what: What
    at: Span | None


def block(policy: Policy, direction: Direction) -> Block:
    rules = policy.ingress if direction is Direction.INGRESS else policy.egress
    return Block(policy_name(policy), policy.metadata.namespace, rules)


def stretch(tier: TierSettings, policies: Sequence[Policy], direction: Direction) -> Stretch:
    """A tier, held to apply by the last of its policies."""
    last = policies[-1]
    blocks = tuple(block(policy, direction) for policy in policies)
    return Stretch(tier.name, tier.default, blocks, last.at, policy_name(last))


def profile_stretches(behind: Behind, direction: Direction) -> tuple[Stretch, ...]:
    """The profiles as a tier that is left when none of them decides (§6.2 point 3); none without rules."""
    blocks = []
    for profile in behind.profiles:
        rules = profile.ingress if direction is Direction.INGRESS else profile.egress
        if rules:
            blocks.append(Block(f"Profile/{profile.metadata.name}", "", rules))
    if not blocks:
        return ()
    last = behind.profiles[-1]
    return (Stretch(PROFILES_TIER, Action.PASS, tuple(blocks), last.at, blocks[-1].name),)


def workload_course(
    policies: Iterable[Policy], tiers: Tiers, direction: Direction, behind: Behind, at: Span | None
) -> Course:
    """The course of a workload. policies: those that apply, in order; what is only for hosts is left out."""
    mine = [item for item in policies if direction in item.types and not (item.do_not_track or item.pre_dnat)]
    found = tuple(stretch(tier, members, direction) for tier, members in by_tier(mine, tiers))
    what: What = "end" if found else "no-policy"
    place = at or (mine[-1].at if mine else None)
    return Course((*found, *profile_stretches(behind, direction)), behind.end, what, place)
