"""Warnings about rules' peers: selectors, named ports and services that mean nothing in the inventory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..resources import Entity, Policy, Protocol, SelectorField
from ..selector import Selector, canonical
from ..source import Diagnostics, Span
from . import codes
from .duplicates import owner_name
from .scope import peer
from .world import World

_PODS: Final = "add the Pods as they run: `kubectl get pods -A -o yaml`"


def review_peers(world: World, policy: Policy, diagnostics: Diagnostics) -> None:
    """Nothing is told of an inventory without endpoints and sets: policies are often kept by themselves."""
    namespace = policy.metadata.namespace
    for rule in (*policy.ingress, *policy.egress):
        for side, entity in (("source", rule.source), ("destination", rule.destination)):
            asked = peer(entity, namespace)
            chosen = asked.positive or asked.negative
            at = next(_places(entity), None)
            if at is not None and chosen is not None:
                _selection(world, side, chosen, at, diagnostics)
            _names(world, asked.positive, entity, rule.protocol, diagnostics)
            _service(world, entity, namespace, diagnostics)


def _places(entity: Entity) -> Iterator[Span]:
    """Where the side's selectors are, the one most likely to be at fault first."""
    fields: tuple[SelectorField | None, ...] = (
        entity.selector,
        entity.namespace_selector,
        entity.not_selector,
    )
    if entity.service_accounts is not None:
        yield entity.service_accounts.at
    for field in fields:
        if field is not None:
            yield field.at


def _selection(world: World, side: str, chosen: Selector, at: Span, diagnostics: Diagnostics) -> None:
    if world.selected(chosen):
        return
    message, hint = f"the {side} selects no address of the inventory: {canonical(chosen)}", ""
    found = list(world.chosen(chosen))
    if found:
        names = ", ".join(owner_name(item.kind, item.namespace, item.name) for item in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        message = f"the {side} selects {names}{more}, of which the files hold no address"
        hint = _PODS if any(item.namespace for item in found) else ""
    diagnostics.warning(codes.EMPTY_SELECTION, message, at, hint=hint)


def _names(
    world: World,
    selector: Selector | None,
    entity: Entity,
    protocol: Protocol | None,
    diagnostics: Diagnostics,
) -> None:
    for port in (*entity.named_ports, *entity.not_named_ports):
        if world.named(selector, (port.name,), protocol.number if protocol else None, ()):
            continue
        what = f"a {protocol.name or protocol.number} port" if protocol else "a port"
        message = f"no endpoint with an address that the rule selects has {what} named `{port.name}`"
        has = any(
            own.name == port.name and not item.prefixes for item in world.entities for own in item.ports
        )
        diagnostics.warning(codes.UNKNOWN_PORT, message, port.at, hint=_PODS if has else "")


def _service(world: World, entity: Entity, namespace: str, diagnostics: Diagnostics) -> None:
    if entity.services is None:
        return
    key = entity.services.namespace or namespace, entity.services.name
    if not any(item.addresses for item in world.services.get(key, ())):
        message = f"the inventory has no EndpointSlice with an address of the service {'/'.join(key)}"
        hint = "add them: `kubectl get endpointslices -A -o yaml`"
        diagnostics.warning(codes.UNKNOWN_SERVICE, message, entity.services.at, hint=hint)
