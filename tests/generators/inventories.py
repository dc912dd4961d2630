"""Random inventories: namespaces, pods, workload and host endpoints, sets; addresses overlap on purpose."""

from __future__ import annotations

from random import Random
from typing import Any

Object = dict[str, Any]

_APPS = ("web", "db", "cache", "queue")
_ROLES = ("front", "back", "edge-1")
_ENVS = ("prod", "dev", "test.x")


def meta(name: str, namespace: str = "", **more: Any) -> Object:
    """`metadata`, without the fields that are empty."""
    given = {"name": name, "namespace": namespace, **more}
    return {key: value for key, value in given.items() if value not in ("", None, {})}


def random_labels(rng: Random) -> dict[str, str]:
    pools = {"app": _APPS, "role": _ROLES, "app.kubernetes.io/part-of": ("shop", "bank"), "v": ("1", "2")}
    return {key: rng.choice(pool) for key, pool in pools.items() if rng.random() < 0.7}


class Addresses:
    """Hands out addresses of both families; one in eight was handed out before."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._given: dict[int, list[str]] = {4: [], 6: []}

    def one(self, version: int) -> str:
        given, rng = self._given[version], self._rng
        if given and rng.random() < 0.125:
            return rng.choice(given)
        host = rng.choice([1, 2, 127, 128, 254, rng.randrange(1, 255)])
        if version == 4:
            address = f"10.65.{rng.randrange(4)}.{host}"
        else:
            address = f"fd00:65:0:{rng.randrange(4)}::{host:x}"
        given.append(address)
        return address

    def pair(self) -> list[str]:
        return [self.one(4), self.one(6)]


def random_net(rng: Random, version: int) -> str:
    """A CIDR, host bits zero, near the addresses that the inventory uses."""
    if version == 4:
        third = rng.randrange(4)
        return rng.choice(
            [
                f"10.65.{third}.0/{rng.choice([24, 25, 26])}",
                f"10.65.{third}.128/25",
                f"10.65.{third}.{rng.choice([1, 2, 127, 254])}/32",
                f"10.65.{third & 2}.0/23",
                "10.64.0.0/15",
                f"192.168.{rng.randrange(256)}.0/24",
                f"172.{rng.choice([16, 20, 28])}.0.0/14",
                f"{rng.choice(['203.0.113', '198.51.100'])}.{rng.randrange(0, 256, 4)}/30",
                f"{rng.choice(['0', '128'])}.0.0.0/1",
            ]
        )
    third = rng.randrange(4)
    return rng.choice(
        [
            f"fd00:65:0:{third}::/64",
            f"fd00:65:0:{third}::{rng.choice([1, 2, 127, 254]):x}/128",
            f"fd00:65:0:{third & 2}::/63",
            f"fd00:65:0:{third}::80/121",
            f"2001:db8:{rng.randrange(65536):x}::/48",
            f"2001:db8::{rng.randrange(0, 65536, 8):x}/125",
            "fd00::/8",
            "2000::/3",
        ]
    )


def namespace(name: str, rng: Random) -> Object:
    labels = {"env": rng.choice(_ENVS), "kubernetes.io/metadata.name": name}
    if rng.random() < 0.6:
        labels["team"] = rng.choice(["blue", "red"])
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta(name, labels=labels)}


def pod(name: str, space: str, rng: Random, addresses: list[str], labels: dict[str, str]) -> Object:
    """A scheduled pod; its addresses stand in one of the places that §2.7 names."""
    spec: Object = {"nodeName": "node-1"}
    if rng.random() < 0.3:
        spec["serviceAccountName"] = "robot"
    status: Object = {"phase": "Running"}
    annotations: dict[str, str] = {}
    place = rng.random()
    if place < 0.7:
        status |= {"podIP": addresses[0], "podIPs": [{"ip": text} for text in addresses]}
    elif place < 0.85 or len(addresses) > 1:
        lengths = {False: 32, True: 128}
        annotations["cni.projectcalico.org/podIPs"] = ",".join(
            f"{ip}/{lengths[':' in ip]}" for ip in addresses
        )
    else:
        status["podIP"] = addresses[0]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, space, labels=labels, annotations=annotations),
        "spec": spec,
        "status": status,
    }


def workload(name: str, space: str, addresses: list[str], labels: dict[str, str]) -> Object:
    spec = {
        "orchestrator": "k8s",
        "workload": name,
        "node": "node-2",
        "pod": name,
        "endpoint": "eth0",
        "interfaceName": "cali0123456789a",
        "ipNetworks": [f"{text}/{128 if ':' in text else 32}" for text in addresses],
        "profiles": [f"kns.{space}"],
    }
    metadata = meta(name, space, labels=labels)
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "WorkloadEndpoint",
        "metadata": metadata,
        "spec": spec,
    }


def random_set(rng: Random, name: str, space: str, spare: Addresses) -> Object:
    nets = [random_net(rng, rng.choice([4, 4, 6])) for _ in range(rng.randrange(1, 6))]
    nets += [spare.one(4), spare.one(6)]
    return {
        "apiVersion": rng.choice(["projectcalico.org/v3", "crd.projectcalico.org/v1"]),
        "kind": "NetworkSet" if space else "GlobalNetworkSet",
        "metadata": meta(name, space, labels=random_labels(rng) | {"kind": "set"}),
        "spec": {"nets": sorted(set(nets))},
    }


def host_endpoint(rng: Random, name: str, spare: Addresses) -> Object:
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "HostEndpoint",
        "metadata": meta(name, labels=random_labels(rng) | {"host": "yes"}),
        "spec": {"node": name, "interfaceName": "eth0", "expectedIPs": sorted(set(spare.pair()))},
    }


def random_inventory(rng: Random) -> tuple[list[Object], tuple[str, str]]:
    """Objects without policies, and the (namespace, name) of the endpoint that the policies are for."""
    spare = Addresses(rng)
    spaces = rng.sample(["a", "b", "default", "shop-1"], 3)
    objects = [namespace(name, rng) for name in spaces]
    for space in spaces:
        for number in range(rng.randrange(1, 4)):
            ips = spare.pair() if rng.random() < 0.7 else [spare.one(rng.choice([4, 6]))]
            objects.append(pod(f"pod-{number}", space, rng, ips, random_labels(rng)))
        objects.append(random_set(rng, "set", space, spare))
    labels = random_labels(rng) | {"subject": "yes"}
    own = spare.pair()
    if rng.random() < 0.25:
        objects.append(workload("subject", spaces[0], own, labels))
    else:
        objects.append(pod("subject", spaces[0], rng, own, labels))
    objects.append(workload("wep-0", spaces[1], spare.pair(), random_labels(rng)))
    objects += [random_set(rng, f"gset-{number}", "", spare) for number in range(2)]
    objects += [host_endpoint(rng, f"node-{number}", spare) for number in range(2)]
    gone = pod("gone", spaces[0], rng, spare.pair(), random_labels(rng))
    gone["status"]["phase"] = "Succeeded"
    hosty = pod("hosty", spaces[1], rng, spare.pair(), random_labels(rng))
    hosty["spec"]["hostNetwork"] = True
    return [*objects, gone, hosty], (spaces[0], "subject")
