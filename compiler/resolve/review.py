"""Warnings about the inventory as a whole: what is legal and yet hardly meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..resources import HostEndpoint, Pod, Resource, WorkloadEndpoint
from ..source import Diagnostics
from . import codes
from .hosts import host_addresses
from .policies import ordered, policy_name
from .review_peers import review_peers
from .scope import PREFIX_NAMESPACE, PREFIX_SERVICE_ACCOUNT, applicability
from .world import World

_SETS: Final = ("NetworkSet", "GlobalNetworkSet")


def review(world: World, resources: Iterable[Resource], diagnostics: Diagnostics) -> None:
    """Adds warnings only. Each is given once, however many endpoints are compiled.

    A selector that selects nothing is told only when there is something to select: policies are often kept
    in files of their own.
    """
    _labels(resources, diagnostics)
    _profiles(world, resources, diagnostics)
    _hosts(world, diagnostics)
    count = sum(item.kind not in _SETS for item in world.entities)
    for policy in ordered(world.policies):
        chosen = applicability(policy)
        if world.workloads and all(item.kind in _SETS for item in world.chosen(chosen)):
            diagnostics.warning(
                codes.POLICY_WITHOUT_ENDPOINT,
                f"{policy_name(policy)} selects none of the {count} endpoints",
                policy.at,
            )
        if world.entities:
            review_peers(world, policy, diagnostics)


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


def _hosts(world: World, diagnostics: Diagnostics) -> None:
    """A host endpoint that policies select and that is not among the endpoints to compile for."""
    selectors = [applicability(policy) for policy in world.policies]
    labels = {item.name: item.labels for item in world.entities if item.kind == "HostEndpoint"}
    for host in world.hosts:
        name = host.metadata.name
        if host_addresses(world, host) or not any(item.matches(labels[name]) for item in selectors):
            continue
        diagnostics.warning(
            codes.HOST_LEFT_OUT,
            f"HostEndpoint {name} is selected by policies and cannot be compiled for without its host's "
            "addresses",
            host.at,
            hint="give them as `expectedIPs`",
        )


def _profiles(world: World, resources: Iterable[Resource], diagnostics: Diagnostics) -> None:
    """A profile that is not there is one that denies (§2.6)."""
    for item in resources:
        if isinstance(item, WorkloadEndpoint | HostEndpoint):
            missing = world.behind(item.profiles, item.metadata.namespace).missing
            if missing:
                diagnostics.warning(
                    codes.MISSING_PROFILE,
                    f"there is no profile {missing}: what no tier and no profile before it decides is denied",
                    item.profiles_at or item.at,
                    hint="add the file of the Profile, or of the Namespace or ServiceAccount that makes it",
                )
