"""ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2 as a Calico policy (dossier §8).

Calico turns a Deny or Pass rule that it cannot convert into "deny all", and drops an Accept rule. Here such a
rule is an error: what it asks for is named, and nothing is compiled.
"""

from __future__ import annotations

from typing import Final

from ...grammar.nodes import Mapping, Node
from ...pair.layout import Direction
from .. import codes
from ..ir.nodes import Action
from ..resources import Entity, NamedPort, Policy, PortRange, Rule, SelectorField
from .addresses import read_block
from .fields import (
    Place,
    Shape,
    Unsupported,
    is_empty,
    is_null,
    missing,
    read_integer,
    read_list,
    read_mapping,
    read_set,
    read_text,
    read_word,
)
from .kubernetes_policies import make_rule
from .label_selectors import namespaces_field, pods_field, read_label_selector, read_selector_pair
from .metadata import SUBDOMAIN_RULE, read_metadata, read_name
from .port_groups import PortGroup, PortGroups
from .ports import PORT_NAME_RULE

KIND: Final = "KubernetesClusterNetworkPolicy"
TIERS: Final = {"Admin": "kube-admin", "Baseline": "kube-baseline"}
ACTIONS: Final = {"Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
MAX_ITEMS: Final = 25
MAX_PRIORITY: Final = 1000
MAX_RULE_NAME: Final = 100

_RULE: Final = "name action protocols"
SPEC = Shape.of("the spec of a ClusterNetworkPolicy", "tier priority subject ingress egress")
RULES: Final = {
    "ingress": Shape.of(
        "an ingress rule", f"{_RULE} from", elsewhere={"ports": "ports stand in `protocols`"}
    ),
    "egress": Shape.of("an egress rule", f"{_RULE} to", elsewhere={"ports": "ports stand in `protocols`"}),
}
SUBJECT = Shape.of("a subject", "namespaces pods")
PODS = Shape.of("`pods`", "namespaceSelector podSelector")
PEERS: Final = {
    "ingress": Shape.of("an ingress peer", "namespaces pods"),
    "egress": Shape.of(
        "an egress peer",
        "namespaces pods networks",
        {"nodes": Unsupported(), "domainNames": Unsupported()},
    ),
}
PROTOCOL = Shape.of("an item of `protocols`", "tcp udp sctp destinationNamedPort")
NUMBERED = Shape.of("a protocol's match", "destinationPort")
PORT = Shape.of("a `destinationPort`", "number range")
RANGE = Shape.of("a port range", "start end")


def read_cluster_policy(place: Place, document: Mapping) -> Policy | None:
    metadata = read_metadata(place, document, "ClusterNetworkPolicy", SUBDOMAIN_RULE, namespaced=False)
    entry = document.entries.get("spec")
    if entry is None or is_null(entry[1]):
        missing(place, entry[0] if entry else document, "this ClusterNetworkPolicy has no `spec`")
        return None
    values = read_mapping(place, entry[1], SPEC)
    if values is None:
        return None
    for name in ("tier", "priority", "subject"):
        if name not in values:
            missing(place, entry[0], f"this ClusterNetworkPolicy has no `{name}`")
    tier = read_word(place, values["tier"], "a tier", TIERS) if "tier" in values else None
    priority = None
    if "priority" in values:
        priority = read_integer(place, values["priority"], "a priority", 0, MAX_PRIORITY)
    subject = _read_subject(place, values["subject"]) if "subject" in values else None
    rules = {name: _read_rules(place, values.get(name), name) for name in RULES}
    if metadata is None or tier is None or priority is None or subject is None:
        return None
    directions = {"ingress": Direction.INGRESS, "egress": Direction.EGRESS}
    return Policy(
        at=metadata.at,
        kind=KIND,
        metadata=metadata,
        tier=TIERS[tier],
        tier_at=place.span(values["tier"]),
        order=float(priority),
        selector=subject[0],
        namespace_selector=subject[1],
        types=frozenset(direction for name, direction in directions.items() if rules[name]),
        ingress=rules["ingress"],
        egress=rules["egress"],
    )


def _read_subject(place: Place, node: Node) -> tuple[SelectorField | None, SelectorField | None] | None:
    """The pods and the namespaces that the policy applies to."""
    values = read_mapping(place, node, SUBJECT)
    return None if values is None else _selected(place, node, values, "subject")


def _selected(
    place: Place, node: Node, values: dict[str, Node], what: str
) -> tuple[SelectorField | None, SelectorField | None] | None:
    """The selectors of `namespaces` or of `pods`, of which there is one."""
    expected = "`namespaces` and `pods`" if what != "egress peer" else "`namespaces`, `pods` and `networks`"
    if not _only_one(place, node, values, f"this {what}", expected):
        return None
    if "namespaces" in values:
        at = place.span(values["namespaces"])
        namespaces = namespaces_field(at, read_label_selector(place, values["namespaces"]))
        # Only a subject is confined to pods; a peer's NetworkSets belong to its namespaces too (§8).
        return (pods_field(at, ()) if what == "subject" else None), namespaces
    inner = read_mapping(place, values["pods"], PODS)
    if inner is None:
        return None
    for name in ("namespaceSelector", "podSelector"):
        if name not in inner:
            missing(place, values["pods"], f"`pods` has no `{name}`", f"`{name}: {{}}` selects all")
    return read_selector_pair(place, inner)


def _only_one(place: Place, node: Node, values: dict[str, Node], what: str, words: str) -> bool:
    """Whether exactly one field is given. One that is unknown or unsupported was reported already."""
    if len(values) == 1:
        return True
    known = [name for name in getattr(node, "entries", ()) if f"`{name}`" in words]
    if known or not getattr(node, "entries", ()):
        missing(place, node, f"{what} has {len(values) or 'none'} of {words}", "give exactly one")
    return False


def _read_rules(place: Place, node: Node | None, name: str) -> tuple[Rule, ...]:
    if node is None:
        return ()
    rules: list[Rule] = []
    for item in read_list(place, node, f"`{name}`", MAX_ITEMS):
        values = read_mapping(place, item, RULES[name])
        if values is not None:
            rules += _read_rule(place, item, values, name)
    return tuple(rules)


def _read_rule(place: Place, node: Node, values: dict[str, Node], direction: str) -> list[Rule]:
    action = read_word(place, values["action"], "an action", ACTIONS) if "action" in values else None
    if "action" not in values:
        missing(place, node, "this rule has no `action`")
    far = "from" if direction == "ingress" else "to"
    if far not in values or is_empty(values[far]):
        missing(
            place, values.get(far, node), f"this rule has no peers in `{far}`", "it must say for whom it is"
        )
    peers = read_list(place, values[far], f"`{far}`", MAX_ITEMS) if far in values else []
    entities = [entity for peer in peers if (entity := _read_peer(place, peer, direction)) is not None]
    groups = _read_protocols(place, values.get("protocols"))
    annotations = _read_rule_name(place, values.get("name"))
    if action is None:
        return []
    return [
        make_rule(group, entity, direction, ACTIONS[action], place, node, annotations)
        for group in groups
        for entity in entities
    ]


def _read_rule_name(place: Place, node: Node | None) -> dict[str, str]:
    """A rule's name, kept as its annotation `name`."""
    if node is None or is_empty(node):
        return {}
    text = read_text(place, node, "the name of a rule") or ""
    if len(text) > MAX_RULE_NAME:
        message = f"the name of a rule has {len(text)} characters, more than {MAX_RULE_NAME}"
        place.error(codes.NAME, message, node)
    return {"name": text}


def _read_peer(place: Place, node: Node, direction: str) -> Entity | None:
    values = read_mapping(place, node, PEERS[direction])
    if values is None:
        return None
    if "networks" in values and len(values) == 1:
        items = read_set(place, values["networks"], "`networks`", MAX_ITEMS)
        nets = [
            net for item in items if (net := read_block(place, item, "an item of `networks`")) is not None
        ]
        if not items:
            missing(place, values["networks"], "`networks` is empty")
        return Entity(at=place.span(node), nets=tuple(nets)) if nets else None
    found = _selected(place, node, values, f"{direction} peer")
    if found is None:
        return None
    return Entity(at=place.span(node), selector=found[0], namespace_selector=found[1])


def _read_protocols(place: Place, node: Node | None) -> tuple[PortGroup, ...]:
    if node is None or is_empty(node):
        return (PortGroup(),)
    gathered = PortGroups()
    for item in read_list(place, node, "`protocols`", MAX_ITEMS):
        values = read_mapping(place, item, PROTOCOL)
        if values is None:
            continue
        expected = "`tcp`, `udp`, `sctp` and `destinationNamedPort`"
        if not _only_one(place, item, values, "this protocol match", expected):
            continue
        ((name, value),) = values.items()
        at = place.span(item)
        if name == "destinationNamedPort":
            text = read_name(place, value, "the name of a port", PORT_NAME_RULE)
            if text is not None:
                gathered.add("", NamedPort(at=place.span(value), name=text), at)
            continue
        port, good = _read_destination(place, value)
        if good:
            gathered.add(name.upper(), port, at)
    return gathered.groups()


def _read_destination(place: Place, node: Node) -> tuple[PortRange | None, bool]:
    """The port or range of a protocol, None for all of them; and whether it could be read."""
    values = {} if is_empty(node) else read_mapping(place, node, NUMBERED)
    if values is None:
        return None, False
    if "destinationPort" not in values:
        return None, True
    given = values["destinationPort"]
    port = read_mapping(place, given, PORT)
    if port is None:
        return None, False
    if not _only_one(place, given, port, "this `destinationPort`", "`number` and `range`"):
        return None, False
    if "number" in port:
        number = read_integer(place, port["number"], "a port", 1, 65535)
        if number is None:
            return None, False
        return PortRange(at=place.span(port["number"]), first=number, last=number), True
    return _read_range(place, port["range"])


def _read_range(place: Place, node: Node) -> tuple[PortRange | None, bool]:
    values = read_mapping(place, node, RANGE) or {}
    for name in ("start", "end"):
        if name not in values:
            missing(place, node, f"this port range has no `{name}`")
            return None, False
    start = read_integer(place, values["start"], "the start of a range", 1, 65535)
    end = read_integer(place, values["end"], "the end of a range", 1, 65535)
    if start is None or end is None:
        return None, False
    if start >= end:
        message = f"the port range {start} to {end} does not end after its start"
        place.error(codes.PORT_RANGE, message, values["end"])
        return None, False
    return PortRange(at=place.span(node), first=start, last=end), True
