"""Random inventories of the whole language: a narrow one, with everything else that it may hold added."""

from __future__ import annotations

from random import Random
from typing import Any

from .inventories import meta, random_labels, random_net

Object = dict[str, Any]

ACCOUNTS = ("default", "robot", "batch")
_PORTS = (
    ("http", "TCP", 80),
    ("http", "TCP", 8080),
    ("http", "UDP", 80),
    ("dns", "UDP", 53),
    ("sip", "SCTP", 5060),
)
_SERVICES = ("front", "back")
_BATCH = "batch/v1"


def widen(
    rng: Random, objects: list[Object], subject: tuple[str, str]
) -> tuple[list[Object], tuple[str, str]]:
    """The objects with more beside them, and the endpoint that the policies are for: one in six times a host
    endpoint, as often a workload controller or a workload endpoint with profiles of its own."""
    spaces = [one["metadata"]["name"] for one in objects if one["kind"] == "Namespace"]
    for one in objects:
        _give_ports(rng, one)
        if one["kind"] == "Namespace" and rng.random() < 0.4:
            del one["metadata"]["labels"]["kubernetes.io/metadata.name"]
        if one["kind"] == "Pod" and rng.random() < 0.3:
            one["spec"]["serviceAccountName"] = rng.choice(ACCOUNTS)
        if one["kind"] == "HostEndpoint" and rng.random() < 0.5:
            one["spec"]["profiles"] = rng.sample(["shop", "open"], rng.choice([1, 2]))
    more = [account(rng, name, space) for space in spaces for name in ACCOUNTS if rng.random() < 0.5]
    more += [*_backends(rng, spaces), profile(rng, "shop"), profile(rng, "open"), *_tiers(rng)]
    more += [controller(rng, rng.choice(_CONTROLLERS), "made", rng.choice(spaces)), *_bystanders(rng, spaces)]
    more += _namesakes(more)
    found = _listed(rng, objects + more)
    subject = _subject(rng, objects, subject)
    return found + _second_interfaces(objects, subject), subject


def _namesakes(objects: list[Object]) -> list[Object]:
    """For a workload in two another of its name, of another kind: an endpoint is its kind, too."""
    # A stream of its own: what the worlds of all seeds held before stays as it was.
    made = next(one for one in objects if one["metadata"]["name"] == "made")
    apart = Random(f"namesake {made}")
    if apart.random() < 0.5:
        return []
    kind = apart.choice([kind for kind in _CONTROLLERS if kind != made["kind"]])
    return [controller(apart, kind, "made", made["metadata"]["namespace"])]


def _second_interfaces(objects: list[Object], subject: tuple[str, str]) -> list[Object]:
    """For a host in two another interface of its node, whose addresses are the host's as well."""
    host = next((one for one in objects if not subject[0] and one["metadata"]["name"] == subject[1]), None)
    apart = Random(f"interface {host}")
    if host is None or apart.random() < 0.5:
        return []
    spec = {"node": host["spec"]["node"], "interfaceName": "eth1", "expectedIPs": [_address(apart, 4)]}
    labels = random_labels(apart)
    api = {"apiVersion": "projectcalico.org/v3", "kind": "HostEndpoint"}
    return [{**api, "metadata": meta("second", labels=labels), "spec": spec}]


def _subject(rng: Random, objects: list[Object], subject: tuple[str, str]) -> tuple[str, str]:
    own = next(one for one in objects if one["metadata"]["name"] == subject[1])
    dice = rng.random()
    if dice < 0.17:
        host = next(one for one in objects if one["kind"] == "HostEndpoint")
        return "", host["metadata"]["name"]
    if dice < 0.30:
        made = controller(rng, rng.choice(_CONTROLLERS), subject[1], subject[0])
        own.clear()
        own.update(made)
    elif own["kind"] == "WorkloadEndpoint":
        home = f"kns.{subject[0]}"
        if rng.random() < 0.5:
            own["spec"]["serviceAccountName"] = rng.choice(ACCOUNTS)
        own["spec"]["profiles"] = rng.choice(
            [
                [home, f"ksa.{subject[0]}.robot"],
                ["shop", home],
                ["shop", "open"],
                [home, "shop"],
                ["lost", home],
            ]
        )
    return subject


def _give_ports(rng: Random, one: Object) -> None:
    named = rng.sample(_PORTS, rng.choice([1, 2, 3]))
    if one["kind"] == "Pod":
        one["spec"]["containers"] = [{"name": "c", "ports": _container_ports(rng, named[:1])}]
        one["spec"]["initContainers"] = [{"name": "i", "ports": _container_ports(rng, named[1:])}]
    elif one["kind"] in ("WorkloadEndpoint", "HostEndpoint"):
        one["spec"]["ports"] = [
            {"name": name, "protocol": protocol, "port": port} for name, protocol, port in named
        ]


def _container_ports(rng: Random, named: list[tuple[str, str, int]]) -> list[Object]:
    found: list[Object] = [{"containerPort": 9000 + rng.randrange(9)}]
    for name, protocol, port in named:
        given: Object = {"name": name, "containerPort": port}
        if protocol != "TCP" or rng.random() < 0.5:
            given["protocol"] = protocol
        found.append(given)
    return found


def account(rng: Random, name: str, space: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta(name, space, labels=random_labels(rng)),
    }


def profile(rng: Random, name: str) -> Object:
    """One that hands labels down, some of which endpoints have themselves; `open` allows the rest."""
    rules: list[Object] = [{"action": "Allow", "protocol": "TCP"}, {"action": "Deny", "protocol": "UDP"}]
    last: list[Object] = [{"action": "Allow"}] if name == "open" else [{"action": "Log"}]
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "Profile",
        "metadata": meta(name),
        "spec": {
            "labelsToApply": random_labels(rng) | {"given-by": name},
            "ingress": [*rng.sample(rules, rng.randrange(3)), *last],
            "egress": [*rng.sample(rules, rng.randrange(3)), *last],
        },
    }


def _tiers(rng: Random) -> list[Object]:
    """Two tiers around the built-in ones; those that deny by default come late, not to shadow the rest."""
    found = []
    for name, orders in (("early", (None, 5, 900, 999999.5)), ("late", (5000000, 1000001, 20000000))):
        spec: Object = {"defaultAction": "Pass"} if name == "early" or rng.random() < 0.4 else {}
        order = rng.choice(orders)
        if order is not None:
            spec["order"] = order
        elif name == "early":
            # Its order is that of `default` (QUIRK 2), and its name comes after it.
            spec["defaultAction"] = "Deny"
        found.append(
            {"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": meta(name), "spec": spec}
        )
    return found


_CONTROLLERS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob")


def controller(rng: Random, kind: str, name: str, space: str) -> Object:
    """A workload; its pods' labels stand in the template."""
    metadata = meta("", labels=random_labels(rng) | {"subject": "yes"})
    template: Object = {"metadata": metadata, "spec": {"serviceAccountName": rng.choice(ACCOUNTS)}}
    spec: Object = {"template": template}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    group = _BATCH if kind in ("Job", "CronJob") else "apps/v1"
    return {"apiVersion": group, "kind": kind, "metadata": meta(name, space), "spec": spec}


def _backends(rng: Random, spaces: list[str]) -> list[Object]:
    """Two services in each namespace, of one to three slices or Endpoints; not all have both ports."""
    found = []
    for space in spaces:
        for service in _SERVICES:
            found += [
                _slice(rng, f"{service}-{number}", space, service, rng.choice([4, 4, 6]))
                for number in range(rng.randrange(1, 3))
            ]
        found.append(_endpoints(rng, "old", space))
    return found


def _address(rng: Random, version: int) -> str:
    third, last = rng.randrange(4), rng.choice([1, 2, 127, 128, 254])
    return f"10.65.{third}.{last}" if version == 4 else f"fd00:65:0:{third}::{last:x}"


def _service_ports(rng: Random) -> list[Object]:
    pool: list[Object] = [
        {"name": "a", "port": 80},
        {"name": "b", "port": 8080, "protocol": "TCP"},
        {"name": "c", "port": 53, "protocol": "UDP"},
        {"name": "d", "port": 5060, "protocol": "SCTP"},
    ]
    return rng.sample(pool, rng.choice([1, 2]))


def _slice(rng: Random, name: str, space: str, service: str, version: int) -> Object:
    addresses = sorted({_address(rng, version) for _ in range(rng.choice([1, 2, 3]))})
    ready = rng.random() < 0.7
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta(name, space, labels={"kubernetes.io/service-name": service}),
        "addressType": f"IPv{version}",
        "endpoints": [{"addresses": [text], "conditions": {"ready": ready}} for text in addresses],
        "ports": [*_service_ports(rng), *([{"name": "none"}] if rng.random() < 0.2 else [])],
    }


def _endpoints(rng: Random, name: str, space: str) -> Object:
    subset = {
        "addresses": [{"ip": _address(rng, 4)}],
        "notReadyAddresses": [{"ip": _address(rng, 4)}],
        "ports": _service_ports(rng),
    }
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta(name, space), "subsets": [subset]}


def _bystanders(rng: Random, spaces: list[str]) -> list[Object]:
    """What decides nothing."""
    service = {"selector": {"app": "web"}, "ports": [{"port": 80}], "clusterIP": "10.96.0.1"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": meta("node-1"),
        "spec": {"podCIDR": random_net(rng, 4)},
    }
    space = rng.choice(spaces)
    return [{"apiVersion": "v1", "kind": "Service", "metadata": meta("front", space), "spec": service}, node]


def _listed(rng: Random, objects: list[Object]) -> list[Object]:
    """Some of the Kubernetes objects, never the subject, in a List."""
    core = [one for one in objects if one["kind"] in ("ServiceAccount", "EndpointSlice", "Node")]
    if not core or rng.random() < 0.5:
        return objects
    inside = rng.sample(core, rng.randrange(1, len(core) + 1))
    rest = [one for one in objects if one not in inside]
    return [*rest, {"apiVersion": "v1", "kind": "List", "items": inside}]
