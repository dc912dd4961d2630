"""No name in a file of a policy gets into a path as anything but a plain part of a file's name, and none is a
command or a format: what `polc compile -o` calls its files, and what the agent takes for an interface."""

from __future__ import annotations

import json
from pathlib import PurePath

import pytest
from polc.agent.mapping import Calico, Pattern, place
from polc.agent.protocol import Endpoint
from polc.compiler.pipeline import endpoints, load_sources
from polc.compiler.resolve import resolve_endpoint, resolve_labels
from polc.compiler.source import CompileError, Diagnostics, Source

HOSTILE = (
    "../../etc/cron.d/x",
    "..",
    ".",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\x00b",
    "a\nb",
    "-rf",
    "$(touch x)",
    "`id`",
    "a;id",
    "%s%n",
    "{0.__class__}",
    "é",
    "a" * 254,
    "web@pod",
)
FINE = ("web", "web.v2", "0-1")


def manifest(kind: str, name: str, namespace: str) -> str:
    """JSON, so that the name is exactly what is meant."""
    bodies: dict[str, dict[str, object]] = {
        "Pod": {"apiVersion": "v1", "status": {"podIP": "10.0.0.1"}},
        "WorkloadEndpoint": {
            "apiVersion": "projectcalico.org/v3",
            "spec": {
                "orchestrator": "k8s",
                "node": "n",
                "pod": "web",
                "endpoint": "eth0",
                "interfaceName": "cali1",
                "ipNetworks": ["10.0.0.1/32"],
            },
        },
        "HostEndpoint": {
            "apiVersion": "projectcalico.org/v3",
            "spec": {"node": "n", "interfaceName": "eth0", "expectedIPs": ["10.0.0.1"]},
        },
        "NetworkPolicy": {"apiVersion": "projectcalico.org/v3", "spec": {"selector": "all()"}},
    }
    metadata = {"name": name} if kind == "HostEndpoint" else {"name": name, "namespace": namespace}
    return json.dumps({**bodies[kind], "kind": kind, "metadata": metadata})


def names(kind: str, name: str, namespace: str) -> list[str]:
    """What the objects for this manifest would be called; none when it is refused."""
    try:
        given = load_sources([Source.of("x.json", manifest(kind, name, namespace))])
        if kind == "NetworkPolicy":
            resolved = [resolve_labels(given.world, {}, None, Diagnostics())]
        else:
            resolved = [resolve_endpoint(given.world, ref, Diagnostics()) for ref in endpoints(given)]
    except CompileError:
        return []
    return [item.name for item in resolved if item is not None]


@pytest.mark.parametrize("kind", ["Pod", "WorkloadEndpoint", "HostEndpoint", "NetworkPolicy"])
def test_what_objects_are_called_is_one_part_of_a_path(kind: str) -> None:
    taken = 0
    for bad in HOSTILE:
        for name, namespace in ((bad, "shop"), ("web", bad)):
            for found in names(kind, name, namespace):
                taken += 1
                assert PurePath(f"{found}.ingress.o").name == f"{found}.ingress.o"
                assert found.replace("-", "").replace(".", "").replace("@", "").isalnum()
                assert found.isascii()
    if kind == "HostEndpoint":  # has no namespace to be wrong
        assert taken == len(HOSTILE)
    else:
        assert taken == 0
    if kind != "WorkloadEndpoint":  # its name is made of its node, pod and endpoint
        assert all(names(kind, name, "shop") for name in FINE)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("-rf", "é", "a" * 254, "web@pod")])
def test_no_pattern_makes_a_path_of_a_name(name: str) -> None:
    given = Endpoint(namespace="shop", name=name, kind="Pod")
    for interface in place([given], Pattern("{name}")).by_interface:
        assert "/" not in interface
        assert interface not in (".", "..")
        assert interface.isprintable()
    (hashed,) = place([given], Calico()).by_interface
    assert hashed.removeprefix("cali").isalnum()
