"""Walking and rebuilding a judge rule by rule, so that a pass says only what it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from .nodes import Judge, Policy, Program, Rule


def rules_of(judge: Judge) -> Iterator[Rule]:
    """Every rule in walk order."""
    for tier in judge.tiers:
        for policy in tier.policies:
            yield from policy.rules


def map_rules(judge: Judge, change: Callable[[Rule], Rule | None]) -> Judge:
    """The judge with each rule replaced by what `change` gives, or gone when that is None.

    `change` sees the rules in walk order. Policies and tiers stay, also when they end up empty.
    """

    def policy(item: Policy) -> Policy:
        return replace(item, rules=tuple(rule for old in item.rules if (rule := change(old)) is not None))

    tiers = tuple(replace(tier, policies=tuple(map(policy, tier.policies))) for tier in judge.tiers)
    return replace(judge, tiers=tiers)


def map_judges(program: Program, change: Callable[[Judge], Judge]) -> Program:
    """The program with both judges replaced, ingress first."""
    return replace(program, ingress=change(program.ingress), egress=change(program.egress))
