"""The two entities of a rule: networks, ports, selectors, service accounts and services (dossier §3.2)."""

from __future__ import annotations

from typing import Final, TypeVar

from ...grammar.nodes import Node
from .. import codes
from ..resources import (
    Entity,
    NamedPort,
    Net,
    PortRange,
    Rule,
    ServiceAccountMatch,
    ServiceMatch,
)
from .addresses import read_strict_net
from .expressions import read_selector
from .fields import (
    Place,
    Shape,
    Unsupported,
    is_empty,
    missing,
    read_list,
    read_mapping,
    read_set,
    read_text,
    wrong_type,
)
from .metadata import LABEL_RULE, SUBDOMAIN_RULE, read_name
from .ports import read_port

MAX_NETS: Final = 256
MAX_PORTS: Final = 50

IN_ENTITY: Final = (
    "nets notNets ports notPorts selector notSelector namespaceSelector serviceAccounts services"
)

DOMAINS: Final = "it follows the answers of name servers, which polc does not see"
ENTITY = Shape.of(
    "a rule's source or destination",
    IN_ENTITY,
    {"domains": Unsupported(is_empty, enterprise=DOMAINS)},
    elsewhere={"protocol": "`protocol` belongs to the rule, beside `source` and `destination`"},
)
SERVICES = Shape.of("`services`", "name namespace")
ACCOUNTS = Shape.of("`serviceAccounts`", "names selector")
# What a rule with `services` may not have on the same side, in the order the API server complains.
_BESIDE_SERVICES: Final = (
    *("namespaceSelector", "serviceAccounts", "selector", "notSelector"),
    *("nets", "notNets", "ports", "notPorts"),
)

_T = TypeVar("_T")


def read_entity(place: Place, node: Node | None, rule: Node, side: str) -> Entity:
    """side: `source` or `destination`. An absent one points at the rule."""
    if node is None:
        return Entity(at=place.span(rule))
    values = read_mapping(place, node, ENTITY) or {}
    ports, named = _read_ports(place, values, "ports")
    not_ports, not_named = _read_ports(place, values, "notPorts")
    entity = Entity(
        at=place.span(node),
        nets=_read_nets(place, values, "nets"),
        not_nets=_read_nets(place, values, "notNets"),
        ports=ports,
        not_ports=not_ports,
        named_ports=named,
        not_named_ports=not_named,
        selector=read_selector(place, values.get("selector"), "a selector"),
        not_selector=read_selector(place, values.get("notSelector"), "a notSelector", scope="free"),
        namespace_selector=read_selector(
            place, values.get("namespaceSelector"), "a namespaceSelector", scope="namespaces"
        ),
        services=_read_services(place, values.get("services")),
        service_accounts=_read_accounts(place, values.get("serviceAccounts")),
    )
    if "services" in values:
        _check_beside_services(place, values, side)
    return entity


def _kept(items: object) -> tuple[_T, ...]:
    return tuple(item for item in items if item is not None)  # type: ignore[attr-defined]


def _read_nets(place: Place, values: dict[str, Node], name: str) -> tuple[Net, ...]:
    if name not in values:
        return ()
    items = read_set(place, values[name], f"`{name}`", MAX_NETS)
    return _kept(read_strict_net(place, item, f"an item of `{name}`") for item in items)


def _read_ports(
    place: Place, values: dict[str, Node], name: str
) -> tuple[tuple[PortRange, ...], tuple[NamedPort, ...]]:
    if name not in values:
        return (), ()
    items = read_list(place, values[name], f"`{name}`", MAX_PORTS)
    found = [read_port(place, item, f"an item of `{name}`") for item in items]
    return (
        tuple(item for item in found if isinstance(item, PortRange)),
        tuple(item for item in found if isinstance(item, NamedPort)),
    )


def _read_services(place: Place, node: Node | None) -> ServiceMatch | None:
    if node is None:
        return None
    values = read_mapping(place, node, SERVICES)
    if values is None:
        return None
    if "name" not in values or is_empty(values["name"]):
        missing(place, values.get("name", node), "`services` must give the `name` of a service")
        return None
    name = read_name(place, values["name"], "the name of a service", SUBDOMAIN_RULE)
    namespace: str | None = ""
    if "namespace" in values and not is_empty(values["namespace"]):
        namespace = read_name(place, values["namespace"], "a namespace", LABEL_RULE)
    if name is None or namespace is None:
        return None
    return ServiceMatch(at=place.span(values["name"]), name=name, namespace=namespace)


def _read_accounts(place: Place, node: Node | None) -> ServiceAccountMatch | None:
    """An empty one is none: it asks for nothing."""
    values = {} if node is None else read_mapping(place, node, ACCOUNTS)
    if not values or node is None:
        return None
    names: list[str] = []
    if "names" in values:
        for item in read_set(place, values["names"], "`names`"):
            if is_empty(item):
                wrong_type(place, item, "the name of a service account cannot be empty", "a name")
                continue
            name = read_text(place, item, "the name of a service account")
            if name is not None:
                names.append(name)
    selector = read_selector(place, values.get("selector"), "a selector", scope="free")
    if not names and selector is None:
        return None
    return ServiceAccountMatch(at=place.span(node), names=tuple(names), selector=selector)


def _check_beside_services(place: Place, values: dict[str, Node], side: str) -> None:
    """`services` says which addresses are meant, and at the destination also which ports."""
    for name in _BESIDE_SERVICES:
        if name not in values or is_empty(values[name]):
            continue
        if name in ("ports", "notPorts") and side == "source":
            continue
        message = f"`{name}` cannot stand beside `services` in one {side}"
        place.error(codes.SERVICES, message, values[name], hint="write a rule for each")


def check_services(place: Place, rules: tuple[Rule, ...], direction: str, *, namespaced: bool) -> None:
    """`services` name the far end: the source of an ingress rule, the destination of an egress rule.

    namespaced: whether the rules are a NetworkPolicy's, whose own namespace is meant when none is given.
    """
    for rule in rules:
        for side, entity in (("source", rule.source), ("destination", rule.destination)):
            service = entity.services
            if service is None:
                continue
            wrong = "destination" if direction == "ingress" else "source"
            if side == wrong:
                other = "source" if direction == "ingress" else "destination"
                message = f"`services` cannot stand in the {side} of an {direction} rule"
                place.error(codes.SERVICES, message, service.at, expected=f"in the {other}")
            if not service.namespace and not namespaced:
                message = f"`services` must give the namespace of `{service.name}`: this policy has none"
                place.error(codes.SERVICES, message, service.at, hint="add `namespace`")
