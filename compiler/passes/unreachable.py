"""Drops what stands behind a rule that takes every packet: the rest of its tier, and tiers nobody reaches.

before  #0 allow: proto 6 / #1 deny / #2 allow: proto 17, then a second tier
after   #0 allow: proto 6 / #1 deny
"""

from __future__ import annotations

from dataclasses import replace

from ..ir.nodes import Action, Judge, Policy, Program, Rule, Tier
from ..ir.rewrite import map_judges
from ..ir.sets import number_sets


def drop_unreachable(program: Program) -> Program:
    """Each tier ends at its first rule without criteria that decides; the walk ends at the last tier that
    can be left. Policies that lose all rules go; the end stays, reached or not."""
    return number_sets(map_judges(program, _judge))


def _judge(judge: Judge) -> Judge:
    kept: list[Tier] = []
    for tier in judge.tiers:
        kept.append(_tier(tier))
        if not _may_be_left(kept[-1]):
            break
    return replace(judge, tiers=tuple(kept))


def _catches_all(rule: Rule) -> bool:
    return not rule.criteria and rule.action is not Action.LOG


def _tier(tier: Tier) -> Tier:
    policies: list[Policy] = []
    for policy in tier.policies:
        rules = _until_catch_all(policy.rules)
        if rules:
            policies.append(replace(policy, rules=rules))
        if rules and _catches_all(rules[-1]):
            break
    return replace(tier, policies=tuple(policies))


def _until_catch_all(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    for count, rule in enumerate(rules, start=1):
        if _catches_all(rule):
            return rules[:count]
    return rules


def _may_be_left(tier: Tier) -> bool:
    """Whether a packet may go on to the next tier: by a Pass rule, or by a default that is reached."""
    rules = [rule for policy in tier.policies for rule in policy.rules]
    if any(rule.action is Action.PASS for rule in rules):
        return True
    return tier.default is Action.PASS and not any(map(_catches_all, rules))
