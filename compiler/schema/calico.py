"""The schemas of Calico's policies, tiers, profiles and sets (dossier §2, §3)."""

from __future__ import annotations

from ..parse import entities, policies, rules, sets, tiers
from ..parse.metadata import LABEL_RULE, SUBDOMAIN_RULE
from .shared import either, network, selector
from .words import (
    Schema,
    any_text,
    flag,
    integer,
    items,
    mapping,
    name,
    number,
    ref,
    texts,
    word,
)


def definitions() -> dict[str, Schema]:
    """The parts of rules in `$defs`."""
    return {
        "rule": {"title": "A rule", **_rule()},
        "entity": {"title": "A rule's source or destination", **_entity()},
        "icmp": {
            "title": "An ICMP match",
            **mapping(
                rules.ICMP,
                {
                    "type": integer(0, 254, "The ICMP type."),
                    "code": integer(0, 255, "The ICMP code; needs `type`."),
                },
            ),
        },
        "ruleMetadata": {
            "title": "The metadata of a rule",
            **mapping(rules.RULE_METADATA, {"annotations": texts("Kept for reports.")}),
        },
        "services": {
            "title": "The services match of a rule",
            **mapping(
                entities.SERVICES,
                {
                    "name": name(SUBDOMAIN_RULE, "The service."),
                    "namespace": name(LABEL_RULE, "Its namespace (default: the policy's own).", empty=True),
                },
                "name",
            ),
        },
        "serviceAccounts": {
            "title": "The serviceAccounts match of a rule",
            **mapping(
                entities.ACCOUNTS,
                {
                    "names": items(any_text("A name."), "One of these service accounts.", unique=True),
                    "selector": selector("Service accounts whose labels match."),
                },
            ),
        },
    }


def _rule() -> Schema:
    return mapping(
        rules.RULE,
        {
            "action": word(rules.ACTIONS, "What happens to a packet that every field of the rule matches."),
            "ipVersion": {"enum": [4, 6], "description": "Packets of this IP version only."},
            "protocol": ref("protocol", "Packets of this protocol only; ports need TCP, UDP or SCTP."),
            "notProtocol": ref("protocol", "Packets of any other protocol."),
            "icmp": ref("icmp", "ICMP packets of this type and code; needs the protocol ICMP or ICMPv6."),
            "notICMP": ref("icmp", "ICMP packets of any other type and code."),
            "source": ref("entity", "Where the packet comes from."),
            "destination": ref("entity", "Where the packet goes to."),
            "metadata": ref("ruleMetadata", "Annotations of the rule."),
        },
        "action",
    )


def _entity() -> Schema:
    port = ref("port", "A port, a range such as `8000:8999`, or a name.")
    net = network("A network; bits after its prefix are zero.")
    most_nets, most_ports = entities.MAX_NETS, entities.MAX_PORTS
    return mapping(
        entities.ENTITY,
        {
            "nets": items(net, "Addresses in one of these networks.", most_nets, unique=True),
            "notNets": items(net, "Addresses in none of these networks.", most_nets, unique=True),
            "ports": items(port, "One of these ports.", most_ports),
            "notPorts": items(port, "None of these ports.", most_ports),
            "selector": selector("Endpoints and network sets whose labels match."),
            "notSelector": selector("All but the endpoints and network sets whose labels match."),
            "namespaceSelector": selector("In namespaces whose labels match, or `global()`."),
            "serviceAccounts": ref("serviceAccounts", "Workloads that run under these service accounts."),
            "services": ref("services", "The addresses, and at a destination the ports, of a service."),
        },
    )


def policy(kind: policies.PolicyKind) -> Schema:
    """The spec of one of the four kinds of Calico policy."""
    rule = ref("rule", "The first rule that matches decides.")
    return mapping(
        kind.shape,
        {
            "tier": name(SUBDOMAIN_RULE, "The tier (default: `default`).", empty=True),
            "order": number("Policies of a tier come by rising order, those without one last."),
            "selector": selector("The endpoints that the policy applies to (default: all)."),
            "namespaceSelector": selector("Workloads in namespaces whose labels match."),
            "serviceAccountSelector": selector("Workloads whose service account's labels match."),
            "types": items(
                word(policies.TYPES, "A direction."), "The directions it decides about.", 2, unique=True
            ),
            "ingress": items(rule, "Rules for packets to the endpoint.", policies.MAX_RULES),
            "egress": items(rule, "Rules for packets from the endpoint.", policies.MAX_RULES),
            "performanceHints": items(
                word(policies.HINTS, "A hint."), "Checked; changes no verdict.", unique=True
            ),
            "doNotTrack": flag(
                "Decide without flow state; refused where a HostEndpoint needs it.", empty=True
            ),
            "preDNAT": flag("Decide before address translation; needs `applyOnForward`.", empty=True),
            "applyOnForward": flag("Decide about what a host forwards, too.", empty=True),
            "stagedAction": word(
                policies.STAGED_ACTIONS, "`Set` stages the policy, `Delete` its removal.", empty=True
            ),
        },
    )


def tier() -> Schema:
    return mapping(
        tiers.TIER,
        {
            "order": number("Tiers come by rising order (default: 1000000)."),
            "defaultAction": word(
                tiers.DEFAULT_ACTIONS, "What happens where policies apply and none decides.", empty=True
            ),
        },
    )


def profile() -> Schema:
    rule = ref("rule", "The first rule that matches decides; `Pass` is not taken.")
    return mapping(
        tiers.PROFILE,
        {
            "ingress": items(rule, "Rules for packets to the endpoint.", tiers.MAX_RULES),
            "egress": items(rule, "Rules for packets from the endpoint.", tiers.MAX_RULES),
            "labelsToApply": texts("Labels that endpoints with this profile inherit."),
        },
    )


def network_set() -> Schema:
    net = either("An address or a network.")
    return mapping(sets.SPEC, {"nets": items(net, "The members of the set.", unique=True)})
