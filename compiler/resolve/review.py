"""Warnings about the inventory as a whole: what is legal and yet hardly meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..resources import Entity, Pod, Policy, Resource, SelectorField, WorkloadEndpoint
from ..selector import canonical
from ..source import Diagnostics
from . import codes
from .policies import ordered, policy_name
from .scope import PREFIX_NAMESPACE, PREFIX_SERVICE_ACCOUNT, applicability, peer
from .world import World


def review(world: World, resources: Iterable[Resource], diagnostics: Diagnostics) -> None:
    """Adds warnings only. Each is given once, however many endpoints are compiled.

    A selector that selects nothing is told only when there is something to select: policies are often kept
    in files of their own.
    """
    _labels(resources, diagnostics)
    for policy in ordered(world.policies):
        if world.workloads and not _selects(world, policy):
            diagnostics.warning(
                codes.POLICY_WITHOUT_ENDPOINT,
                f"{policy_name(policy)} selects none of the {len(world.workloads)} endpoints",
                policy.at,
            )
        if world.entities:
            _rules(world, policy, diagnostics)


def _selects(world: World, policy: Policy) -> bool:
    chosen = applicability(policy)
    return any(chosen.matches(item.entity.labels) for item in world.workloads)


def _rules(world: World, policy: Policy, diagnostics: Diagnostics) -> None:
    for rule in (*policy.ingress, *policy.egress):
        for side, entity in (("source", rule.source), ("destination", rule.destination)):
            field = next(_fields(entity), None)
            asked = peer(entity, policy.metadata.namespace)
            chosen = asked.positive or asked.negative
            if field is not None and chosen is not None and not world.selected(chosen):
                diagnostics.warning(
                    codes.EMPTY_SELECTION,
                    f"the {side} selects no address of the inventory: {canonical(chosen)}",
                    field.at,
                )


def _fields(entity: Entity) -> Iterator[SelectorField]:
    """The side's selectors, the one most likely to be at fault first."""
    for field in (entity.selector, entity.namespace_selector, entity.not_selector):
        if field is not None:
            yield field


def _labels(resources: Iterable[Resource], diagnostics: Diagnostics) -> None:
    for item in resources:
        if isinstance(item, Pod | WorkloadEndpoint):
            for key in sorted(item.metadata.labels):
                if key.startswith((PREFIX_NAMESPACE, PREFIX_SERVICE_ACCOUNT)):
                    diagnostics.warning(
                        codes.STRIPPED_LABEL,
                        f"label {key} is ignored: labels of this prefix come from the namespace or the "
                        "service account",
                        item.metadata.at,
                    )
