"""NetworkPolicy and GlobalNetworkPolicy (dossier §2.1, §2.2)."""

from __future__ import annotations

from typing import Final

from ...grammar.nodes import Mapping, Node
from ...pair.layout import Direction
from .. import codes
from ..resources import Policy, SelectorField
from .entities import check_services
from .expressions import read_selector
from .fields import (
    Place,
    Shape,
    Unsupported,
    is_empty,
    is_false,
    is_null,
    missing,
    read_mapping,
    read_number,
    read_set,
    read_word,
    unsupported,
)
from .metadata import NETWORK_POLICY_RULE, POLICY_RULE, SUBDOMAIN_RULE, read_metadata, read_name
from .rules import read_rules

MAX_RULES: Final = 1024
DEFAULT_TIER: Final = "default"
TYPES: Final = {"Ingress": Direction.INGRESS, "Egress": Direction.EGRESS}
HINTS: Final = ("AssumeNeededOnEveryNode",)

_COMMON: Final = "tier order ingress egress selector types performanceHints"
_GLOBAL_ONLY: Final = ("namespaceSelector", "doNotTrack", "preDNAT", "applyOnForward")
_SERVICE_ACCOUNTS: Final = {"serviceAccountSelector": Unsupported(is_empty)}

_KUBERNETES: Final = {
    "podSelector": 'Calico\'s policies have `selector`, an expression such as `app == "web"`',
    "policyTypes": "Calico's policies have `types`",
}

NETWORK_POLICY = Shape.of(
    "the spec of a NetworkPolicy",
    _COMMON,
    _SERVICE_ACCOUNTS,
    elsewhere={name: f"`{name}` belongs to a GlobalNetworkPolicy" for name in _GLOBAL_ONLY} | _KUBERNETES,
)
GLOBAL_NETWORK_POLICY = Shape.of(
    "the spec of a GlobalNetworkPolicy",
    _COMMON + " namespaceSelector",
    _SERVICE_ACCOUNTS | {name: Unsupported(is_false) for name in ("doNotTrack", "preDNAT", "applyOnForward")},
    elsewhere=_KUBERNETES,
)


def read_network_policy(place: Place, document: Mapping) -> Policy | None:
    return _read_policy(place, document, "NetworkPolicy")


def read_global_network_policy(place: Place, document: Mapping) -> Policy | None:
    return _read_policy(place, document, "GlobalNetworkPolicy")


def _read_policy(place: Place, document: Mapping, kind: str) -> Policy | None:
    namespaced = kind == "NetworkPolicy"
    rule = NETWORK_POLICY_RULE if namespaced else POLICY_RULE
    metadata = read_metadata(place, document, kind, rule, namespaced=namespaced)
    entry = document.entries.get("spec")
    if entry is None or is_null(entry[1]):
        missing(place, entry[0] if entry else document, f"this {kind} has no `spec`")
        return None
    shape = NETWORK_POLICY if namespaced else GLOBAL_NETWORK_POLICY
    values = {} if is_empty(entry[1]) else read_mapping(place, entry[1], shape)
    if values is None:
        return None
    _read_tier(place, values.get("tier"))
    order = read_number(place, values["order"], "the order of a policy") if "order" in values else None
    selector = read_selector(place, values.get("selector"), "a selector")
    namespace_selector = read_selector(place, values.get("namespaceSelector"), "a namespaceSelector")
    ingress = read_rules(place, values.get("ingress"), "ingress", MAX_RULES)
    egress = read_rules(place, values.get("egress"), "egress", MAX_RULES)
    check_services(place, ingress, "ingress", namespaced=namespaced)
    check_services(place, egress, "egress", namespaced=namespaced)
    types = _read_types(place, values)
    _read_hints(place, values.get("performanceHints"))
    _warn(place, values, types, selector, namespace_selector)
    if metadata is None:
        return None
    return Policy(
        at=metadata.at,
        kind=kind,
        metadata=metadata,
        order=order,
        selector=selector,
        namespace_selector=namespace_selector,
        types=types,
        ingress=ingress,
        egress=egress,
    )


def _read_tier(place: Place, node: Node | None) -> None:
    if node is None or is_empty(node):
        return
    tier = read_name(place, node, "the name of a tier", SUBDOMAIN_RULE)
    if tier is not None and tier != DEFAULT_TIER:
        unsupported(place, node, f"the tier `{tier}` (any but `{DEFAULT_TIER}`)")


def _read_types(place: Place, values: dict[str, Node]) -> frozenset[Direction]:
    """`types`, or Calico's default by the number of rules: egress only when there are egress rules alone."""
    if "types" not in values:
        has_ingress, has_egress = (_count(values.get(name)) > 0 for name in ("ingress", "egress"))
        if not has_egress:
            return frozenset((Direction.INGRESS,))
        return frozenset(TYPES.values()) if has_ingress else frozenset((Direction.EGRESS,))
    node = values["types"]
    items = read_set(place, node, "`types`", len(TYPES))
    words = [read_word(place, item, "a type", TYPES) for item in items]
    if not items and is_empty(node):
        message = "`types` is an empty list"
        place.error(
            codes.MISSING, message, node, expected="`Ingress`, `Egress` or both", hint="or leave it out"
        )
    return frozenset(TYPES[word] for word in words if word is not None)


def _count(node: Node | None) -> int:
    return 0 if node is None else len(getattr(node, "items", ()))


def _read_hints(place: Place, node: Node | None) -> None:
    """performanceHints change no verdict; they are checked and dropped."""
    if node is not None:
        for item in read_set(place, node, "`performanceHints`"):
            read_word(place, item, "a performance hint", HINTS)


def _warn(
    place: Place,
    values: dict[str, Node],
    types: frozenset[Direction],
    selector: SelectorField | None,
    namespace_selector: SelectorField | None,
) -> None:
    """What Calico takes silently, and in ways that surprise (dossier §13, QUIRK 1 and 4)."""
    for word, direction in TYPES.items():
        name = word.lower()
        node = values.get(name)
        if node is None:
            continue
        if "types" not in values and not _count(node) and is_empty(node):
            message = (
                f"`{name}: []` without `types`: Calico's own tools disagree about the types of this policy"
            )
            place.warning(codes.EMPTY_RULES, message, node, hint="say `types` explicitly")
        elif "types" in values and direction not in types and _count(node):
            message = f"the {name} rules of this policy are ignored: its `types` do not hold `{word}`"
            place.warning(codes.IGNORED_RULES, message, node, hint=f"add `{word}` to `types`")
    if selector and namespace_selector and "all()" in selector.text:
        message = "Calico takes `all()` here to mean workloads only, since there is a namespaceSelector"
        place.warning(codes.REWRITTEN_ALL, message, selector.at)
