"""Kubernetes NetworkPolicy and ClusterNetworkPolicy as the Calico policies they become (dossier §7, §8).

A converted policy is a plain dictionary with the kind that Calico orders it by, read on like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

Object = Mapping[str, Any]
Raw = dict[str, Any]

_PODS = "projectcalico.org/orchestrator == 'k8s'"
_TIERS = {"Admin": "kube-admin", "Baseline": "kube-baseline"}
_ACTIONS = {"Accept": "Allow", "Deny": "Deny", "Pass": "Pass"}


class Inconvertible(Exception):
    """Something that Calico's conversion drops or replaces; polc refuses it."""


def network_policy(policy: Object, kind: str, staged: bool = False) -> Raw:
    """§7. kind: the word that Calico orders it by. staged: the defaulting of §2.3 instead of the API's."""
    spec = policy.get("spec") or {}
    rules = {
        direction: [
            {"action": "Allow", **rule}
            for raw in spec.get(direction) or ()
            for rule in _rules(direction, _peers(raw.get(peers)), _port_groups(raw.get("ports")))
        ]
        for direction, peers in (("ingress", "from"), ("egress", "to"))
    }
    egress = "egress" in spec if staged else bool(spec.get("egress"))
    types = [str(word) for word in spec.get("policyTypes") or ()] or ["Ingress", *(["Egress"] * egress)]
    selector = _and(_PODS, _terms(spec.get("podSelector")))
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": kind,
        "metadata": {**policy["metadata"], "namespace": policy["metadata"].get("namespace") or "default"},
        "spec": {"order": 1000, "selector": selector, "types": types, **rules},
    }


def cluster_network_policy(policy: Object) -> Raw:
    """§8."""
    spec = policy["spec"]
    rules = {
        direction: [
            {"action": _ACTIONS[str(raw["action"])], **rule}
            for raw in spec.get(direction) or ()
            for rule in _rules(direction, _cluster_peers(raw[peers]), _protocol_groups(raw.get("protocols")))
        ]
        for direction, peers in (("ingress", "from"), ("egress", "to"))
    }
    subject = spec["subject"]
    pods = subject.get("pods")
    spaces = pods["namespaceSelector"] if pods is not None else subject["namespaces"]
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "KubernetesClusterNetworkPolicy",
        "metadata": dict(policy["metadata"]),
        "spec": {
            "tier": _TIERS[str(spec["tier"])],
            "order": spec["priority"],
            "selector": _and(_PODS, _terms(pods["podSelector"])) if pods is not None else _PODS,
            "namespaceSelector": _terms(spaces) or "all()",
            # No direction with rules: no direction at all.
            "types": [way.capitalize() for way in ("ingress", "egress") if rules[way]] or ["None"],
            **rules,
        },
    }


def _rules(direction: str, peers: list[Raw], groups: list[tuple[str, list[Any]]]) -> Iterator[Raw]:
    """One rule a protocol and peer, protocols outside."""
    near, far = ("destination", "source") if direction == "ingress" else ("source", "destination")
    for protocol, ports in groups:
        for peer in peers:
            rule: Raw = {near: {}, far: dict(peer)}
            if protocol:
                rule["protocol"] = protocol
            if ports:
                rule["destination"]["ports"] = ports
            yield rule


def _port_groups(raw: Any) -> list[tuple[str, list[Any]]]:
    """Ports by protocol, protocols in order; a port without number is every port of its protocol."""
    if not raw:
        return [("", [])]
    groups: dict[str, list[Any]] = {}
    for item in raw:
        port, last = item.get("port"), item.get("endPort")
        if last is not None and not str(port).isdigit():
            raise Inconvertible("endPort with a named port")
        groups.setdefault(str(item.get("protocol") or "TCP"), []).append(
            None if port is None else f"{port}:{last}" if last is not None else port
        )
    return _absorbed(groups)


def _protocol_groups(raw: Any) -> list[tuple[str, list[Any]]]:
    if not raw:
        return [("", [])]
    groups: dict[str, list[Any]] = {}
    for item in raw:
        if item.get("destinationNamedPort"):
            groups.setdefault("", []).append(item["destinationNamedPort"])
        for word in ("tcp", "udp", "sctp"):
            if word in item:
                port = (item[word] or {}).get("destinationPort") or {}
                span = port.get("range")
                value = port.get("number") if span is None else f"{span['start']}:{span['end']}"
                groups.setdefault(word.upper(), []).append(value)
    return _absorbed(groups)


def _absorbed(groups: dict[str, list[Any]]) -> list[tuple[str, list[Any]]]:
    return [(word, [] if None in ports else ports) for word, ports in sorted(groups.items())]


def _peers(raw: Any) -> list[Raw]:
    """Of a NetworkPolicy. None or empty: anybody."""
    return [_peer(one) for one in raw or ()] or [{}]


def _peer(raw: Object) -> Raw:
    block = raw.get("ipBlock")
    if block is not None:
        found: Raw = {"nets": [_masked(block["cidr"])]}
        if block.get("except"):
            found["notNets"] = [_masked(text) for text in block["except"]]
        return found
    found = {"selector": _and(_PODS, _terms(raw.get("podSelector")))}
    if raw.get("namespaceSelector") is not None:
        found["namespaceSelector"] = _terms(raw["namespaceSelector"]) or "all()"
    return found


def _cluster_peers(raw: Any) -> list[Raw]:
    found: list[Raw] = []
    for one in raw:
        if one.get("networks") is not None:
            found.append({"nets": [_masked(text) for text in one["networks"]]})
        elif one.get("pods") is not None:
            selector = _and(_PODS, _terms(one["pods"]["podSelector"]))
            spaces = _terms(one["pods"]["namespaceSelector"]) or "all()"
            found.append({"selector": selector, "namespaceSelector": spaces})
        elif one.get("namespaces") is not None:
            found.append({"namespaceSelector": _terms(one["namespaces"]) or "all()"})
        else:
            raise Inconvertible("none of supported fields in a peer is set")
    return found


def _masked(text: Any) -> str:
    return str(ip_network(str(text), strict=False))


def _and(first: str, second: str) -> str:
    return f"{first} && {second}" if second else first


def _terms(raw: Any) -> str:
    """A Kubernetes label selector as an expression; empty when it selects everything (§7)."""
    given = raw or {}
    labels = {str(key): str(text) for key, text in (given.get("matchLabels") or {}).items()}
    parts = [f"{key} == '{labels[key]}'" for key in sorted(labels)]
    for term in given.get("matchExpressions") or ():
        key, values = term["key"], ", ".join(f"'{text}'" for text in term.get("values") or ())
        parts.append(
            {
                "In": f"{key} in {{ {values} }}",
                "NotIn": f"{key} not in {{ {values} }}",
                "Exists": f"has({key})",
                "DoesNotExist": f"! has({key})",
            }[str(term["operator"])]
        )
    return " && ".join(parts)
