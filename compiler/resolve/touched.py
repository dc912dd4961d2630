"""Whom a change of the inventory touches: probably, so that those endpoints can be compiled first; and for
certain, so that others need not be compiled again.

`touched` is a guess, and no more: whoever asks compiles for the others too, only later. It errs on the side
of too many. `reached` leaves nobody out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..resources import Entity as RuleSide
from ..resources import HostEndpoint, NetworkSet, Pod, Policy, Resource, ServiceBackends, WorkloadEndpoint
from .duplicates import kind_of, meaning
from .endpoint import EndpointRef
from .scope import applicability, peer
from .world import Entity, World

_ENTITIES = Pod | WorkloadEndpoint | HostEndpoint | NetworkSet


def differing(before: Iterable[Resource], after: Iterable[Resource]) -> tuple[Resource, ...]:
    """The resources of either side that the other has not, or has with another meaning."""
    old, new = _by_key(before), _by_key(after)
    gone = [old[key] for key in old.keys() - new.keys()]
    come = [new[key] for key in new.keys() - old.keys()]
    both = [key for key in old.keys() & new.keys() if old[key] != new[key]]
    changed = [key for key in both if meaning(old[key]) != meaning(new[key])]
    return (*gone, *come, *(old[key] for key in changed), *(new[key] for key in changed))


def touched(before: World | None, after: World, changed: Iterable[Resource]) -> frozenset[EndpointRef] | None:
    """Of the endpoints of `after`; None for all of them. changed: as `differing` gives them."""
    if before is None:
        return None
    policies: list[Policy] = []
    names: set[tuple[str, str, str]] = set()
    services = False
    for item in changed:
        if isinstance(item, Policy):
            policies.append(item)
        elif isinstance(item, _ENTITIES):
            names.add((kind_of(item), item.metadata.namespace, item.metadata.name))
        elif isinstance(item, ServiceBackends):
            services = True
        else:
            return None  # tiers, profiles, namespaces and accounts reach far
    worlds = (before, after) if names else ()
    entities = [entity for world in worlds for entity in world.entities if _key(entity) in names]
    labels = [entity.labels for entity in entities]
    policies += [policy for policy in after.policies if _asks(policy, labels, services)]
    return frozenset(entity.ref for entity in entities) | _selected(after, policies)


def reached(
    after: World, before: Iterable[Resource], now: Iterable[Resource]
) -> frozenset[EndpointRef] | None:
    """All whose program may be another one, None when that can be anybody's. before, now: what the files that
    are not the same bytes held and hold; after: the world with them.

    A policy decides for those that it selects, and for nobody else; anything else, an address or a tier, may
    be a part of every program.
    """
    old, new = _by_key(before), _by_key(now)
    keys = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    changed = [side[key] for key in keys for side in (old, new) if key in side]
    policies = [one for one in changed if isinstance(one, Policy)]
    if len(policies) < len(changed):
        return None
    return _selected(after, policies)


def _selected(world: World, policies: Iterable[Policy]) -> frozenset[EndpointRef]:
    return frozenset(entity.ref for policy in policies for entity in world.chosen(applicability(policy)))


def _by_key(resources: Iterable[Resource]) -> dict[tuple[str, str, str], Resource]:
    return {(kind_of(item), item.metadata.namespace, item.metadata.name): item for item in resources}


def _key(entity: Entity) -> tuple[str, str, str]:
    return entity.kind, entity.namespace, entity.name


def _asks(policy: Policy, labels: Sequence[Mapping[str, str]], services: bool) -> bool:
    """Whether a rule of the policy asks for an entity of such labels, or for services."""
    if not labels and not services:
        return False
    sides = (side for rule in (*policy.ingress, *policy.egress) for side in (rule.source, rule.destination))
    return any(_names(side, policy.metadata.namespace, labels, services) for side in sides)


def _names(side: RuleSide, namespace: str, labels: Sequence[Mapping[str, str]], services: bool) -> bool:
    if services and side.services is not None:
        return True
    asked = peer(side, namespace)
    if asked.positive is None and (side.named_ports or side.not_named_ports):
        return bool(labels)  # by the name of a port, of whatever endpoint
    selectors = [selector for selector in (asked.positive, asked.negative) if selector is not None]
    return any(selector.matches(given) for selector in selectors for given in labels)
