"""Which policies apply to an endpoint, and in which order (dossier §6.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..resources import Policy
from .duplicates import owner_name
from .tiers import by_tier
from .world import World


def ordered(policies: Sequence[Policy]) -> tuple[Policy, ...]:
    """By order, without one last; ties by the string `name/namespace/kind`, byte by byte (QUIRK 12)."""

    def place(policy: Policy) -> tuple[bool, float, bytes]:
        meta = policy.metadata
        tie = f"{meta.name}/{meta.namespace}/{policy.kind}"
        return policy.order is None, policy.order or 0.0, tie.encode()

    return tuple(sorted(policies, key=place))


def applying(world: World, labels: Mapping[str, str]) -> tuple[Policy, ...]:
    """The policies that select an endpoint of these labels, in order, tier by tier."""
    chosen = ordered(world.applicable(labels))
    return tuple(policy for _, members in by_tier(chosen, world.tiers) for policy in members)


def policy_name(policy: Policy) -> str:
    """`Kind/namespace/name`, or `Kind/name`."""
    return owner_name(policy.kind, policy.metadata.namespace, policy.metadata.name)
