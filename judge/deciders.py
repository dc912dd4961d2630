"""What a rule index stands for, in the words that `explain`, `replay` and `test` all use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..compiler.resolve import Resolved
from ..pair.layout import Direction
from ..pair.object import ObjectPair


@dataclass(frozen=True, slots=True)
class Decider:
    """rule: `KIND/NAMESPACE/NAME/DIRECTION/NUMBER` with the rule's position in its list, from 0; for what
    decides when no rule does `tier-default`, `end` or `no-policy`; on a host's own interface also `failsafe`
    and `forwarded`. at: `file:line:column`, or ``."""

    rule: str
    at: str
    action: str
    policy: str


Deciders = Mapping[Direction, tuple[Decider, ...]]

NOBODY = Decider("", "", "", "")


def resolved_deciders(resolved: Resolved) -> Deciders:
    """By rule index, from the policies' own text."""
    return {
        direction: tuple(
            Decider(
                _name(direction, item.what, item.policy, item.number),
                str(item.span) if item.span else "",
                item.action,
                item.policy,
            )
            for item in items
        )
        for direction, items in resolved.provenance.items()
    }


def pair_deciders(pair: ObjectPair) -> Deciders:
    """By rule index, from what finished objects carry."""
    return {
        direction: tuple(
            Decider(
                _name(direction, item.what, item.policy, item.number), item.place, item.action, item.policy
            )
            for item in pair.side(direction).provenance.rules
        )
        for direction in Direction
    }


def _name(direction: Direction, what: str, policy: str, number: int) -> str:
    return f"{policy}/{direction.word}/{number}" if what == "rule" else what
