"""Drops rules that an earlier rule takes every packet from, because it asks for less of the same.

before  #0 allow: proto 6, dst port 80 / #1 deny: proto 6, dst port 80, src in $0
after   #0 allow: proto 6, dst port 80
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from ..ir.nodes import Action, Criterion, Judge, Program, Tier
from ..ir.rewrite import map_judges
from ..ir.sets import number_sets

# Rules with more criteria than this are compared as wholes only: their parts are 2 to that power.
_MOST_PARTS = 6

_Asked = frozenset[Criterion]


def drop_shadowed(program: Program) -> Program:
    """A rule goes when the criteria of an earlier rule that decides are among its own.

    Within a tier Allow, Deny and Pass shadow. Into later tiers only Allow and Deny do, and only those that
    no Pass of their own tier stands before: its packets are decided later.
    """
    return number_sets(map_judges(program, _judge))


def _judge(judge: Judge) -> Judge:
    final: set[_Asked] = set()
    return replace(judge, tiers=tuple(_tier(tier, final) for tier in judge.tiers))


def _tier(tier: Tier, final: set[_Asked]) -> Tier:
    """final: what earlier tiers decided for good; what this tier decides so is added."""
    here = set(final)
    passing = False
    policies = []
    for policy in tier.policies:
        rules = []
        for rule in policy.rules:
            asked = frozenset(rule.criteria)
            if any(part in here for part in _parts(asked)):
                continue
            rules.append(rule)
            if rule.action is Action.LOG:
                continue
            here.add(asked)
            passing = passing or rule.action is Action.PASS
            if not passing:
                final.add(asked)
        policies.append(replace(policy, rules=tuple(rules)))
    return replace(tier, policies=tuple(policies))


def _parts(asked: _Asked) -> Iterator[_Asked]:
    """Every part of the criteria, the whole first."""
    yield asked
    if len(asked) <= _MOST_PARTS:
        for size in range(len(asked)):
            yield from map(frozenset, combinations(asked, size))
