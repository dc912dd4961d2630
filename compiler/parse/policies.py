"""NetworkPolicy and GlobalNetworkPolicy, and the staged kinds of both (dossier §2.1 to §2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...grammar.nodes import Mapping, Node
from ...pair.layout import Direction
from .. import codes
from ..resources import Metadata, Policy, SelectorField
from .entities import check_services
from .expressions import read_selector
from .fields import (
    Place,
    Shape,
    is_empty,
    is_false,
    is_null,
    missing,
    read_flag,
    read_mapping,
    read_number,
    read_set,
    read_word,
)
from .metadata import (
    NETWORK_POLICY_RULE,
    POLICY_RULE,
    SUBDOMAIN_RULE,
    NameRule,
    read_metadata,
    read_name,
)
from .rules import read_rules

MAX_RULES: Final = 1024
DEFAULT_TIER: Final = "default"
TYPES: Final = {"Ingress": Direction.INGRESS, "Egress": Direction.EGRESS}
HINTS: Final = ("AssumeNeededOnEveryNode",)
STAGED_ACTIONS: Final = ("Set", "Delete", "Learn", "Ignore")

_COMMON: Final = "tier order ingress egress selector types serviceAccountSelector performanceHints"
_FLAGS: Final = ("doNotTrack", "preDNAT", "applyOnForward")
_GLOBAL_ONLY: Final = ("namespaceSelector", *_FLAGS)

_KUBERNETES: Final = {
    "podSelector": 'Calico\'s policies have `selector`, an expression such as `app == "web"`',
    "policyTypes": "Calico's policies have `types`",
}


@dataclass(frozen=True)
class PolicyKind:
    """What differs between the kinds of policy."""

    name: str
    shape: Shape
    rule: NameRule
    namespaced: bool
    staged: bool = False


def _kind(name: str, *, namespaced: bool, staged: bool = False) -> PolicyKind:
    elsewhere = dict(_KUBERNETES)
    if namespaced:
        elsewhere |= {item: f"`{item}` belongs to a GlobalNetworkPolicy" for item in _GLOBAL_ONLY}
    fields = _COMMON if namespaced else f"{_COMMON} {' '.join(_GLOBAL_ONLY)}"
    if staged:
        fields += " stagedAction"
    else:
        elsewhere["stagedAction"] = f"`stagedAction` belongs to a Staged{name}; this kind is enforced"
    shape = Shape.of(f"the spec of a {name}", fields, elsewhere=elsewhere)
    return PolicyKind(name, shape, NETWORK_POLICY_RULE if namespaced else POLICY_RULE, namespaced, staged)


NETWORK = _kind("NetworkPolicy", namespaced=True)
GLOBAL = _kind("GlobalNetworkPolicy", namespaced=False)
STAGED_NETWORK = _kind("StagedNetworkPolicy", namespaced=True, staged=True)
STAGED_GLOBAL = _kind("StagedGlobalNetworkPolicy", namespaced=False, staged=True)


def read_network_policy(place: Place, document: Mapping) -> Policy | None:
    return _read_policy(place, document, NETWORK)


def read_global_network_policy(place: Place, document: Mapping) -> Policy | None:
    return _read_policy(place, document, GLOBAL)


def read_staged_network_policy(place: Place, document: Mapping) -> Policy | None:
    """None, without a finding that is an error, when `stagedAction` is Delete (dossier §2.3)."""
    return _read_policy(place, document, STAGED_NETWORK)


def read_staged_global_network_policy(place: Place, document: Mapping) -> Policy | None:
    """As read_staged_network_policy."""
    return _read_policy(place, document, STAGED_GLOBAL)


def _read_policy(place: Place, document: Mapping, kind: PolicyKind) -> Policy | None:
    metadata = read_metadata(place, document, kind.name, kind.rule, namespaced=kind.namespaced)
    entry = document.entries.get("spec")
    if entry is None or is_null(entry[1]):
        missing(place, entry[0] if entry else document, f"this {kind.name} has no `spec`")
        return None
    values = {} if is_empty(entry[1]) else read_mapping(place, entry[1], kind.shape)
    if values is None or (kind.staged and deletes(place, values, metadata, ("tier",))):
        return None
    tier = _read_tier(place, values.get("tier"))
    order = read_number(place, values["order"], "the order of a policy") if "order" in values else None
    selectors = {
        name: read_selector(place, values.get(name), f"a {name}")
        for name in ("selector", "namespaceSelector", "serviceAccountSelector")
    }
    flags = {name: _read_flag(place, values, name) for name in _FLAGS}
    ingress = read_rules(place, values.get("ingress"), "ingress", MAX_RULES)
    egress = read_rules(place, values.get("egress"), "egress", MAX_RULES)
    check_services(place, ingress, "ingress", namespaced=kind.namespaced)
    check_services(place, egress, "egress", namespaced=kind.namespaced)
    types = _read_types(place, values)
    _read_hints(place, values.get("performanceHints"))
    _check_flags(place, values, flags, types)
    _warn(place, values, types)
    if not kind.namespaced:
        _warn_rewritten(place, selectors)
    if metadata is None:
        return None
    return Policy(
        at=metadata.at,
        kind=kind.name,
        metadata=metadata,
        tier=tier,
        tier_at=place.span(values["tier"]) if "tier" in values else None,
        order=order,
        selector=selectors["selector"],
        namespace_selector=selectors["namespaceSelector"],
        service_account_selector=selectors["serviceAccountSelector"],
        staged=kind.staged,
        do_not_track=flags["doNotTrack"],
        pre_dnat=flags["preDNAT"],
        apply_on_forward=flags["applyOnForward"],
        types=types,
        ingress=ingress,
        egress=egress,
    )


def _read_flag(place: Place, values: dict[str, Node], name: str) -> bool:
    if name not in values or is_empty(values[name]):
        return False
    return read_flag(place, values[name], f"`{name}`") or False


def _check_flags(
    place: Place, values: dict[str, Node], flags: dict[str, bool], types: frozenset[Direction]
) -> None:
    """What `preDNAT`, `doNotTrack` and `applyOnForward` ask of each other and of the rest (dossier §2.2)."""
    early = next((name for name in ("preDNAT", "doNotTrack") if flags[name]), None)
    if early is None:
        return
    if flags["preDNAT"] and flags["doNotTrack"]:
        message = "preDNAT and doNotTrack cannot both be true"
        place.error(codes.HOST_POLICY, message, values["doNotTrack"], hint="write a policy for each")
    if not flags["applyOnForward"]:
        message = f"applyOnForward must be true when {early} is true"
        place.error(codes.HOST_POLICY, message, values[early], hint="add `applyOnForward: true`")
    if flags["preDNAT"] and _count(values.get("egress")):
        message = "a preDNAT policy cannot have egress rules"
        place.error(codes.HOST_POLICY, message, values["egress"], hint="take them out")
    elif flags["preDNAT"] and Direction.EGRESS in types and "types" in values:
        message = "a preDNAT policy cannot have the type `Egress`"
        place.error(codes.HOST_POLICY, message, values["types"], expected="`types: [Ingress]`")


def deletes(
    place: Place, values: dict[str, Node], metadata: Metadata | None, beside: tuple[str, ...]
) -> bool:
    """Whether a staged policy's `stagedAction` is Delete, which makes no policy at all (dossier §2.3).

    beside: fields that may be given all the same.
    """
    action = "Set"
    if "stagedAction" in values and not is_empty(values["stagedAction"]):
        action = read_word(place, values["stagedAction"], "a stagedAction", STAGED_ACTIONS) or ""
    if action != "Delete":
        return False
    for name in sorted(values):
        if name in ("stagedAction", *beside) or is_empty(values[name]) or is_false(values[name]):
            continue
        message = f"`{name}` cannot be given when `stagedAction` is Delete"
        place.error(codes.STAGED_DELETE, message, values[name], hint="take it out")
    if metadata is not None:
        message = "`stagedAction: Delete` changes no verdict, staged or not: this policy is not read further"
        place.warning(codes.STAGED_NOTHING, message, metadata.at)
    return True


def _read_tier(place: Place, node: Node | None) -> str:
    if node is None or is_empty(node):
        return DEFAULT_TIER
    return read_name(place, node, "the name of a tier", SUBDOMAIN_RULE) or DEFAULT_TIER


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


def _warn(place: Place, values: dict[str, Node], types: frozenset[Direction]) -> None:
    """What Calico takes silently, and in ways that surprise (QUIRK 1)."""
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


def _warn_rewritten(place: Place, selectors: dict[str, SelectorField | None]) -> None:
    """Calico replaces the text `all()` once a cluster-wide policy's selectors are joined (QUIRK 4)."""
    own = selectors["selector"]
    if own is None or "all()" not in own.text:
        return
    for name, what in (("namespaceSelector", "workloads"), ("serviceAccountSelector", "service accounts")):
        if selectors[name] is not None:
            message = f"Calico takes `all()` here to mean {what} only, since there is a {name}"
            place.warning(codes.REWRITTEN_ALL, message, own.at)
            return
