"""Tiers: which there are, their order, and what each does with what none of its policies decided.

Dossier §2.4 and §6.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ..ir.nodes import Action
from ..resources import Policy, Resource, Tier

DEFAULT_TIER: Final = "default"


@dataclass(frozen=True, slots=True)
class TierSettings:
    """order: ascending, ties by name. default: DENY or PASS."""

    name: str
    order: float
    default: Action

    @property
    def place(self) -> tuple[float, bytes]:
        """What tiers are sorted by."""
        return self.order, self.name.encode()


Tiers = Mapping[str, TierSettings]

BUILT_IN: Final[Tiers] = {
    item.name: item
    for item in (
        TierSettings("kube-admin", 1000, Action.PASS),
        TierSettings(DEFAULT_TIER, 1000000, Action.DENY),
        TierSettings("kube-baseline", 10000000, Action.PASS),
    )
}


def tiers_of(resources: Iterable[Resource]) -> Tiers:
    """The built-in tiers and those of the files."""
    given = (item for item in resources if isinstance(item, Tier))
    made = (TierSettings(item.metadata.name, item.order, item.default) for item in given)
    return {**BUILT_IN, **{item.name: item for item in made}}


def by_tier(policies: Iterable[Policy], tiers: Tiers) -> Iterator[tuple[TierSettings, tuple[Policy, ...]]]:
    """The policies, in the order given, under their tiers, in the tiers' order. KeyError: an unknown tier."""
    placed = sorted(policies, key=lambda policy: tiers[policy.tier].place)
    for name, members in groupby(placed, key=lambda policy: policy.tier):
        yield tiers[name], tuple(members)
