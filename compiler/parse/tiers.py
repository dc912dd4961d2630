"""Tiers and profiles: what stands around the policies and behind them (dossier §2.4, §2.6)."""

from __future__ import annotations

from typing import Final

from ...grammar.nodes import Mapping, Node
from .. import codes
from ..ir.nodes import Action
from ..resources import Metadata, Profile, Tier
from .endpoints import ROUTED
from .entities import check_services
from .fields import Place, Shape, Unsupported, is_empty, read_mapping, read_number, read_word
from .metadata import LABEL_RULE, SUBDOMAIN_RULE, read_labels, read_metadata
from .rules import ACTIONS, read_rules

MAX_RULES: Final = 1024
DEFAULT_ORDER: Final = 1000000.0
DEFAULT_ACTIONS: Final = ("Deny", "Pass")

# What the tiers that are always there must say, if a file says anything (Calico's CEL rules).
BUILT_IN: Final = {
    "kube-admin": (1000.0, "Pass"),
    "default": (DEFAULT_ORDER, "Deny"),
    "kube-baseline": (1e7, "Pass"),
}

TIER = Shape.of("the spec of a Tier", "order defaultAction")
PROFILE = Shape.of(
    "the spec of a Profile",
    "ingress egress labelsToApply",
    {"egressGateway": Unsupported(is_empty, enterprise=ROUTED, decides=False)},
)


def read_tier(place: Place, document: Mapping) -> Tier | None:
    metadata = read_metadata(place, document, "Tier", LABEL_RULE, namespaced=False)
    values = _spec(place, document, TIER)
    if values is None:
        return None
    order = read_number(place, values["order"], "the order of a tier") if "order" in values else None
    word = "Deny"
    if "defaultAction" in values and not is_empty(values["defaultAction"]):
        word = read_word(place, values["defaultAction"], "a defaultAction", DEFAULT_ACTIONS) or ""
    if metadata is None:
        return None
    if metadata.name in BUILT_IN:
        _check_built_in(place, metadata, values, order, word)
    elif "order" not in values:
        message = f"the tier `{metadata.name}` has no order: it stands where `default` does, ties go by name"
        place.warning(codes.TIER_ORDER, message, metadata.at, hint="give it an `order`")
    return Tier(
        at=metadata.at,
        metadata=metadata,
        order=DEFAULT_ORDER if order is None else order,
        default=ACTIONS[word] if word else Action.DENY,
    )


def _check_built_in(
    place: Place, metadata: Metadata, values: dict[str, Node], order: float | None, word: str
) -> None:
    name = metadata.name
    wanted_order, wanted_word = BUILT_IN[name]
    if word and word != wanted_word:
        message = f"the '{name}' tier must have default action '{wanted_word}'"
        at = values.get("defaultAction", metadata.at)
        place.error(codes.BUILT_IN_TIER, message, at, expected=f"`defaultAction: {wanted_word}`")
    read_wrong = "order" in values and order is None
    if not read_wrong and (DEFAULT_ORDER if order is None else order) != wanted_order:
        message = f"{name} tier order must be {wanted_order:.0f}"
        at = values.get("order", metadata.at)
        place.error(codes.BUILT_IN_TIER, message, at, expected=f"`order: {wanted_order:.0f}`")


def read_profile(place: Place, document: Mapping) -> Profile | None:
    metadata = read_metadata(place, document, "Profile", SUBDOMAIN_RULE, namespaced=False)
    values = _spec(place, document, PROFILE)
    if values is None:
        return None
    rules = {name: read_rules(place, values.get(name), name, MAX_RULES) for name in ("ingress", "egress")}
    for name in rules:
        check_services(place, rules[name], name, namespaced=False)
    for rule in (*rules["ingress"], *rules["egress"]):
        if rule.action is Action.PASS:
            message = "a profile cannot Pass: nothing comes after it"
            place.error(codes.PROFILE_PASS, message, rule.at, expected="`Allow`, `Deny` or `Log`")
    labels = read_labels(place, values["labelsToApply"]) if "labelsToApply" in values else {}
    if metadata is None:
        return None
    return Profile(
        at=metadata.at,
        metadata=metadata,
        labels_to_apply=labels,
        ingress=rules["ingress"],
        egress=rules["egress"],
    )


def _spec(place: Place, document: Mapping, shape: Shape) -> dict[str, Node] | None:
    """The fields of a spec, which may be missing altogether."""
    entry = document.entries.get("spec")
    return {} if entry is None or is_empty(entry[1]) else read_mapping(place, entry[1], shape)
