"""Walking and rebuilding a judge rule by rule, so that a pass says only what it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from .nodes import Criterion, Judge, MatchAddress, MatchEndpointPort, Policy, Program, Rule


def rules_of(judge: Judge) -> Iterator[Rule]:
    """Every rule in walk order."""
    for tier in judge.tiers:
        for policy in tier.policies:
            yield from policy.rules


def judges_of(program: Program) -> Iterator[Judge]:
    """Every judge, the staged ones too, in the order of `map_judges`."""
    for judge in (program.ingress, program.egress):
        yield judge
        if judge.staged is not None:
            yield judge.staged


def sets_of(criterion: Criterion) -> Iterator[str]:
    """The sets a criterion names, in the order it names them."""
    if isinstance(criterion, MatchAddress):
        yield criterion.set
    elif isinstance(criterion, MatchEndpointPort):
        yield from (entry.set for entry in criterion.entries if entry.set is not None)


def rename_sets(criterion: Criterion, names: Mapping[str, str]) -> Criterion:
    """The criterion with the sets it names under other names."""
    if isinstance(criterion, MatchAddress):
        return replace(criterion, set=names[criterion.set])
    if isinstance(criterion, MatchEndpointPort):
        entries = (
            replace(entry, set=names[entry.set]) if entry.set else entry for entry in criterion.entries
        )
        return replace(criterion, entries=tuple(entries))
    return criterion


def map_rules(judge: Judge, change: Callable[[Rule], Rule | None]) -> Judge:
    """The judge with each rule replaced by what `change` gives, or gone when that is None.

    `change` sees the rules in walk order. Policies and tiers stay, also when they end up empty.
    """

    def policy(item: Policy) -> Policy:
        rules = tuple(rule for old in item.rules if (rule := change(old)) is not None)
        return item if rules == item.rules else replace(item, rules=rules)

    tiers = tuple(replace(tier, policies=tuple(map(policy, tier.policies))) for tier in judge.tiers)
    return replace(judge, tiers=tiers)


def map_judges(program: Program, change: Callable[[Judge], Judge]) -> Program:
    """The program with its judges replaced, ingress first; a staged judge after the one it belongs to."""

    def whole(judge: Judge) -> Judge:
        changed = change(judge)
        return changed if judge.staged is None else replace(changed, staged=change(judge.staged))

    return replace(program, ingress=whole(program.ingress), egress=whole(program.egress))
