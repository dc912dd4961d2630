"""Kubernetes NetworkPolicy as a Calico policy (dossier §7).

One rule of Kubernetes becomes a rule for each protocol and peer, all of action Allow. What Calico would widen
or drop with a log line is an error here: an address block that cannot be read (QUIRK 14), a peer that says
nothing, an unknown operator, `endPort` with a named port.
"""

from __future__ import annotations

from typing import Final

from ...grammar.nodes import Mapping, Node
from ...pair.layout import Direction
from .. import codes
from ..ir.nodes import Action
from ..resources import Entity, Metadata, Net, Policy, Rule
from .addresses import read_block
from .fields import (
    Place,
    Shape,
    is_empty,
    is_null,
    missing,
    read_list,
    read_mapping,
    read_set,
    read_word,
    wrong_type,
)
from .label_selectors import pods_field, read_label_selector, read_selector_pair
from .metadata import SUBDOMAIN_RULE, read_metadata
from .port_groups import PortGroup, read_port_groups

KIND: Final = "KubernetesNetworkPolicy"
ORDER: Final = 1000.0
TYPES: Final = {"Ingress": Direction.INGRESS, "Egress": Direction.EGRESS}

FIELDS: Final = "podSelector ingress egress policyTypes"
ELSEWHERE: Final = {
    "selector": "Kubernetes' policies have `podSelector`",
    "types": "Kubernetes' policies have `policyTypes`",
    "order": "Kubernetes' policies have no order",
    "tier": "Kubernetes' policies are always in the tier `default`",
}
SPEC = Shape.of("the spec of a Kubernetes NetworkPolicy", FIELDS, elsewhere=ELSEWHERE)

_IN_RULE: Final = {
    "action": "every rule of a Kubernetes NetworkPolicy allows",
    "source": "Kubernetes' rules have `from`",
    "destination": "Kubernetes' rules have `to`",
    "protocol": "the protocol stands in an item of `ports`",
}
RULES: Final = {
    "ingress": Shape.of(
        "an ingress rule", "from ports", elsewhere=_IN_RULE | {"to": "an ingress rule has `from`"}
    ),
    "egress": Shape.of(
        "an egress rule", "to ports", elsewhere=_IN_RULE | {"from": "an egress rule has `to`"}
    ),
}
PEER = Shape.of(
    "a peer",
    "podSelector namespaceSelector ipBlock",
    elsewhere={"matchLabels": "labels stand in a `podSelector` or a `namespaceSelector`"},
)
BLOCK = Shape.of("an `ipBlock`", "cidr except")


def read_kubernetes_policy(place: Place, document: Mapping) -> Policy | None:
    metadata = read_metadata(place, document, "NetworkPolicy", SUBDOMAIN_RULE, namespaced=True)
    values = read_spec(place, document, SPEC, "NetworkPolicy")
    return None if values is None else policy_of(place, values, metadata)


def read_spec(place: Place, document: Mapping, shape: Shape, kind: str) -> dict[str, Node] | None:
    entry = document.entries.get("spec")
    if entry is None or is_null(entry[1]):
        missing(place, entry[0] if entry else document, f"this {kind} has no `spec`")
        return None
    return read_mapping(place, entry[1], shape)


def policy_of(place: Place, values: dict[str, Node], metadata: Metadata | None) -> Policy | None:
    """The Calico policy that the fields of a spec make."""
    node = values.get("podSelector")
    terms = () if node is None else read_label_selector(place, node)
    ingress = _read_rules(place, values.get("ingress"), "ingress")
    egress = _read_rules(place, values.get("egress"), "egress")
    types = _read_types(place, values, bool(egress))
    if metadata is None:
        return None
    return Policy(
        at=metadata.at,
        kind=KIND,
        metadata=metadata,
        order=ORDER,
        selector=pods_field(metadata.at if node is None else place.span(node), terms),
        types=types,
        ingress=ingress,
        egress=egress,
    )


def _read_types(place: Place, values: dict[str, Node], has_egress: bool) -> frozenset[Direction]:
    """`policyTypes`, or the API's default: ingress, and egress when there are egress rules."""
    node = values.get("policyTypes")
    if node is None or is_empty(node):
        return frozenset(TYPES.values()) if has_egress else frozenset((Direction.INGRESS,))
    words = [
        read_word(place, item, "a policy type", TYPES) for item in read_set(place, node, "`policyTypes`", 2)
    ]
    types = frozenset(TYPES[word] for word in words if word is not None)
    for word, direction in TYPES.items():
        rules = values.get(word.lower())
        if None not in words and direction not in types and rules is not None and not is_empty(rules):
            name = word.lower()
            message = f"the {name} rules of this policy are ignored: its `policyTypes` do not hold `{word}`"
            place.warning(codes.IGNORED_RULES, message, rules, hint=f"add `{word}` to `policyTypes`")
    return types


def _read_rules(place: Place, node: Node | None, name: str) -> tuple[Rule, ...]:
    if node is None:
        return ()
    rules: list[Rule] = []
    for item in read_list(place, node, f"`{name}`"):
        if is_null(item):
            hint = "`{}` allows everything"
            wrong_type(place, item, "a rule is a mapping, not nothing", "a rule", hint)
            continue
        values = read_mapping(place, item, RULES[name])
        if values is not None:
            rules += _read_rule(place, item, values, name)
    return tuple(rules)


def _read_rule(place: Place, node: Node, values: dict[str, Node], name: str) -> list[Rule]:
    """The peers, under each protocol; without peers one rule, which is for anybody."""
    far = values.get("from" if name == "ingress" else "to")
    peers = [] if far is None else read_list(place, far, "`from`" if name == "ingress" else "`to`")
    entities = [entity for peer in peers if (entity := _read_peer(place, peer)) is not None]
    if not peers:
        entities = [Entity(at=place.span(node))]
    groups = read_port_groups(place, values.get("ports"))
    return [
        make_rule(group, entity, name, Action.ALLOW, place, node) for group in groups for entity in entities
    ]


def make_rule(
    group: PortGroup,
    far: Entity,
    direction: str,
    action: Action,
    place: Place,
    node: Node,
    annotations: dict[str, str] | None = None,
) -> Rule:
    """The Calico rule of one protocol and one peer. node: the rule it is made of."""
    near = Entity(at=place.span(node))
    source, destination = (far, near) if direction == "ingress" else (near, far)
    ports = {"ports": group.ports, "named_ports": group.names}
    return Rule(
        at=far.at,
        action=action,
        protocol=group.protocol,
        source=source,
        destination=destination.model_copy(update=ports),
        annotations=annotations or {},
    )


def _read_peer(place: Place, node: Node) -> Entity | None:
    values = {} if is_empty(node) else read_mapping(place, node, PEER)
    if values is None:
        return None
    if not values:
        message = "this peer has no `podSelector`, `namespaceSelector` or `ipBlock`"
        missing(place, node, message, "`podSelector: {}` means all pods of the namespace")
        return None
    if "ipBlock" in values:
        for name in ("podSelector", "namespaceSelector"):
            if name in values:
                message = f"`{name}` cannot stand beside `ipBlock` in one peer"
                place.error(codes.IP_BLOCK, message, values[name], hint="write two peers")
        return _read_block(place, node, values["ipBlock"])
    pods, namespaces = read_selector_pair(place, values)
    return Entity(at=place.span(node), selector=pods, namespace_selector=namespaces)


def _read_block(place: Place, peer: Node, node: Node) -> Entity | None:
    """An address block without its exceptions, which must lie inside it."""
    values = read_mapping(place, node, BLOCK)
    if values is None:
        return None
    if "cidr" not in values:
        missing(place, node, "this `ipBlock` has no `cidr`")
        return None
    net = read_block(place, values["cidr"], "the `cidr` of an ipBlock")
    items = read_set(place, values["except"], "`except`") if "except" in values else []
    excepted: list[Net] = []
    for item in items:
        inner = read_block(place, item, "an item of `except`")
        if inner is None or net is None:
            continue
        if inner.network.version != net.network.version or not _inside(inner, net):
            message = f"`{inner.network}` is no part of `{net.network}`"
            place.error(codes.IP_BLOCK, message, item, expected="a smaller block inside the `cidr`")
        excepted.append(inner)
    if net is None:
        return None
    return Entity(at=place.span(peer), nets=(net,), not_nets=tuple(excepted))


def _inside(inner: Net, outer: Net) -> bool:
    """Whether one network is a smaller part of another of its family."""
    shift = outer.network.max_prefixlen - outer.network.prefixlen
    same = int(inner.network.network_address) >> shift == int(outer.network.network_address) >> shift
    return same and inner.network.prefixlen > outer.network.prefixlen
