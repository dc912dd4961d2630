"""The schemas of Kubernetes' policies (dossier §7, §8)."""

from __future__ import annotations

from ..parse import cluster_policies as cluster
from ..parse import kubernetes_policies as kubernetes
from ..parse import policies, staged_kubernetes
from ..parse.fields import Shape
from ..parse.ports import PORT_NAME_RULE
from .shared import network, port_number
from .words import Schema, integer, items, mapping, name, ref, text, word

_LISTS = {"ingress": "from", "egress": "to"}


def definitions() -> dict[str, Schema]:
    """The parts of rules in `$defs`."""
    return {
        "kubernetesIngressRule": {"title": "An ingress rule of Kubernetes", **_rule("ingress")},
        "kubernetesEgressRule": {"title": "An egress rule of Kubernetes", **_rule("egress")},
        "kubernetesPeer": {
            "title": "A peer of a Kubernetes rule",
            **mapping(
                kubernetes.PEER,
                {
                    "podSelector": ref("labelSelector", "Pods whose labels match."),
                    "namespaceSelector": ref("labelSelector", "In namespaces whose labels match."),
                    "ipBlock": ref("ipBlock", "Addresses; stands alone in its peer."),
                },
            ),
            "minProperties": 1,
        },
        "ipBlock": {
            "title": "An ipBlock",
            **mapping(
                kubernetes.BLOCK,
                {
                    "cidr": network("The network."),
                    "except": items(
                        network("A smaller network."), "Parts of it that are left out.", unique=True
                    ),
                },
                "cidr",
            ),
        },
        **_cluster_definitions(),
    }


def _rule(direction: str) -> Schema:
    peers = items(ref("kubernetesPeer", "Any of these."), "The far ends (default: anybody).")
    ports = items(ref("kubernetesPort", "Any of these."), "Destination ports (default: everything).")
    return mapping(kubernetes.RULES[direction], {_LISTS[direction]: peers, "ports": ports})


def policy() -> Schema:
    return _policy(kubernetes.SPEC)


def staged_policy() -> Schema:
    return _policy(staged_kubernetes.SPEC)


def _policy(shape: Shape) -> Schema:
    return mapping(
        shape,
        {
            "podSelector": ref("labelSelector", "The pods of the namespace that the policy applies to."),
            "ingress": items(ref("kubernetesIngressRule", "Any of these."), "What may reach the pods."),
            "egress": items(ref("kubernetesEgressRule", "Any of these."), "What the pods may reach."),
            "policyTypes": items(
                word(kubernetes.TYPES, "A direction."), "The directions it decides about.", 2, unique=True
            ),
            "stagedAction": word(
                policies.STAGED_ACTIONS, "`Set` stages the policy, `Delete` its removal.", empty=True
            ),
        },
    )


def cluster_policy() -> Schema:
    most = cluster.MAX_ITEMS
    return mapping(
        cluster.SPEC,
        {
            "tier": word(cluster.TIERS, "Before or behind the policies of namespaces."),
            "priority": integer(0, cluster.MAX_PRIORITY, "Lower ones come first."),
            "subject": ref("clusterSubject", "The pods that the policy applies to."),
            "ingress": items(
                ref("clusterIngressRule", "The first that matches decides."), "Towards the pods.", most
            ),
            "egress": items(
                ref("clusterEgressRule", "The first that matches decides."), "From the pods.", most
            ),
        },
        "tier priority subject",
    )


def _cluster_rule(direction: str) -> Schema:
    far, most = _LISTS[direction], cluster.MAX_ITEMS
    return mapping(
        cluster.RULES[direction],
        {
            "name": text("A name, for reports.", most=cluster.MAX_RULE_NAME),
            "action": word(cluster.ACTIONS, "What happens to a packet that the rule matches."),
            "protocols": items(ref("clusterProtocol", "Any of these."), "Destination ports.", most),
            far: items(ref(f"cluster{direction.title()}Peer", "Any of these."), "The far ends.", most)
            | {"minItems": 1},
        },
        f"action {far}",
    )


def _one(schema: Schema) -> Schema:
    """Exactly one field."""
    return schema | {"minProperties": 1, "maxProperties": 1}


def _cluster_peer(shape: Shape) -> Schema:
    networks = items(network("A network."), "Addresses.", cluster.MAX_ITEMS, unique=True)
    return _one(
        mapping(
            shape,
            {
                "namespaces": ref("labelSelector", "All pods of namespaces whose labels match."),
                "pods": ref("clusterPods", "Pods by their labels and their namespaces'."),
                "networks": networks | {"minItems": 1},
            },
        )
    )


def _cluster_definitions() -> dict[str, Schema]:
    return {
        "clusterIngressRule": {
            "title": "An ingress rule of a ClusterNetworkPolicy",
            **_cluster_rule("ingress"),
        },
        "clusterEgressRule": {"title": "An egress rule of a ClusterNetworkPolicy", **_cluster_rule("egress")},
        "clusterSubject": {
            "title": "The subject of a ClusterNetworkPolicy",
            **_cluster_peer(cluster.SUBJECT),
        },
        "clusterIngressPeer": {
            "title": "An ingress peer of a ClusterNetworkPolicy",
            **_cluster_peer(cluster.PEERS["ingress"]),
        },
        "clusterEgressPeer": {
            "title": "An egress peer of a ClusterNetworkPolicy",
            **_cluster_peer(cluster.PEERS["egress"]),
        },
        "clusterPods": {
            "title": "Pods of a ClusterNetworkPolicy",
            **mapping(
                cluster.PODS,
                {
                    "namespaceSelector": ref("labelSelector", "`{}` selects every namespace."),
                    "podSelector": ref("labelSelector", "`{}` selects every pod."),
                },
                "namespaceSelector podSelector",
            ),
        },
        **_cluster_port_definitions(),
    }


def _cluster_port_definitions() -> dict[str, Schema]:
    numbered = ref("clusterNumbered", "This protocol; `{}` means all of its ports.")
    return {
        "clusterProtocol": {
            "title": "A protocol of a ClusterNetworkPolicy",
            **_one(
                mapping(
                    cluster.PROTOCOL,
                    {
                        **dict.fromkeys(("tcp", "udp", "sctp"), numbered),
                        "destinationNamedPort": name(PORT_NAME_RULE, "A port of the pods by its name."),
                    },
                )
            ),
        },
        "clusterNumbered": {
            "title": "The ports of a ClusterNetworkPolicy's protocol",
            **mapping(cluster.NUMBERED, {"destinationPort": ref("clusterPort", "A port or a range.")}),
        },
        "clusterPort": {
            "title": "A destinationPort of a ClusterNetworkPolicy",
            **_one(
                mapping(
                    cluster.PORT,
                    {"number": port_number("One port."), "range": ref("clusterRange", "Several ports.")},
                )
            ),
        },
        "clusterRange": {
            "title": "A port range of a ClusterNetworkPolicy",
            **mapping(
                cluster.RANGE,
                {
                    "start": port_number("The first port."),
                    "end": port_number("The last port, a greater one."),
                },
                "start end",
            ),
        },
    }
