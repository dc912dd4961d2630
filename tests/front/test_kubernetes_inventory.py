"""Kubernetes' inventory: ports, workloads, accounts, slices, Endpoints, and what is wrong with them."""

from __future__ import annotations

from typing import TypeVar

import pytest
from polc.compiler.resources import Bystander, Pod, ServiceAccount, ServiceBackends
from polc.tests.front.reading import marked, places, read

_R = TypeVar("_R")


def one(text: str, kind: type[_R]) -> _R:
    resources, found = read(text)
    assert not found, found
    (resource,) = resources
    assert isinstance(resource, kind)
    return resource


def pod(spec: str) -> str:
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {spec}\n"


def ports(spec: str) -> list[tuple[str, int, int]]:
    return [(item.name, item.protocol, item.port) for item in one(pod(spec), Pod).ports]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("[{name: web, containerPort: 80}]", [("web", 6, 80)]),
        ("[{name: dns, containerPort: 53, protocol: UDP, hostPort: 5}]", [("dns", 17, 53)]),
        ("[{name: sig, containerPort: 9, protocol: SCTP}]", [("sig", 132, 9)]),
        ("[{name: odd, containerPort: 9, protocol: HTTP}]", []),
        ("[{containerPort: 80}]", []),
        ("[{containerPort: 80, hostPort: 80}]", []),
        ("[{name: none, containerPort: 0}]", []),
        ("[{name: '', containerPort: 80}]", []),
        ("[]", []),
        ("null", []),
    ],
)
def test_the_named_ports_of_containers_are_read(given: str, expected: list[tuple[str, int, int]]) -> None:
    assert ports(f"{{containers: [{{name: c, ports: {given}}}]}}") == expected


def test_init_containers_come_after_containers() -> None:
    first = "{ports: [{name: a, containerPort: 1}]}"
    later = "{ports: [{name: b, containerPort: 2}, {name: a, containerPort: 3}]}"
    spec = (
        f"{{initContainers: [{first}], containers: [{later}, {{image: x}}], ephemeralContainers: [{first}]}}"
    )
    assert ports(spec) == [("b", 6, 2), ("a", 6, 3), ("a", 6, 1)]


TEMPLATE = (
    "{metadata: {labels: {app: x}, annotations: {a: b}}, spec: {serviceAccountName: sa, hostNetwork: false,"
    " containers: [{ports: [{name: web, containerPort: 80}]}]}}"
)


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("v1", "ReplicationController"),
        ("batch/v1", "Job"),
    ],
)
def test_a_workload_has_the_labels_and_ports_of_its_template(version: str, kind: str) -> None:
    head = (
        f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: w, namespace: shop, labels: {{own: y}}}}\n"
    )
    given = one(
        f"{head}spec: {{replicas: 3, selector: {{}}, template: {TEMPLATE}}}\nstatus: {{replicas: 3}}\n", Pod
    )
    assert (given.kind, given.metadata.name, given.metadata.namespace) == (kind, "w", "shop")
    assert given.metadata.labels == {"app": "x"}
    assert (given.service_account, given.addresses) == ("sa", ())
    assert [item.name for item in given.ports] == ["web"]


def test_a_cron_job_s_template_stands_deeper() -> None:
    for version in ("batch/v1", "batch/v1beta1"):
        head = f"apiVersion: {version}\nkind: CronJob\nmetadata: {{name: w}}\n"
        given = one(f"{head}spec: {{schedule: x, jobTemplate: {{spec: {{template: {TEMPLATE}}}}}}}\n", Pod)
        assert (given.kind, given.metadata.labels) == ("CronJob", {"app": "x"})


def test_what_decides_nothing_is_only_known_by_name() -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {a: b}, ports: [{port: 80}]}\n"
    )
    assert one(service, Bystander).kind == "Service"
    node = "apiVersion: v1\nkind: Node\nmetadata: {name: n.example}\nspec: {podCIDR: x}\nstatus: {a: [b]}\n"
    assert (one(node, Bystander).kind, one(node, Bystander).metadata.name) == ("Node", "n.example")


def test_a_service_account_reads() -> None:
    text = (
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s, namespace: a, labels: {x: y}}\n"
        "secrets: [{name: t}]\nimagePullSecrets: []\nautomountServiceAccountToken: true\n"
    )
    assert one(text, ServiceAccount).metadata.labels == {"x": "y"}


def slice_of(rest: str, label: str = "kubernetes.io/service-name: db") -> str:
    head = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n"
    return f"{head}metadata: {{name: db-x, namespace: a, labels: {{{label}}}}}\n{rest}\n"


@pytest.mark.parametrize(
    ("rest", "addresses", "expected"),
    [
        ("endpoints: [{addresses: [10.0.0.1, 10.0.0.2], conditions: {ready: false}}]\nports: [{port: 1}]",
         ["10.0.0.1", "10.0.0.2"], [(6, 1)]),
        ("endpoints: []\nports: [{port: 1, protocol: UDP, name: ''}, {name: b}]", [], [(17, 1)]),
        ("endpoints: null\nports: null", [], []),
        ("endpoints: [{addresses: [db.example.com, 'fd00::1']}]\nports: [{port: 1, protocol: SCTP}]",
         ["fd00::1"], [(132, 1)]),
    ],
)  # fmt: skip
def test_a_slice_reads(rest: str, addresses: list[str], expected: list[tuple[int, int]]) -> None:
    given = one(slice_of(rest), ServiceBackends)
    assert given.service == "db"
    (backends,) = given.backends
    assert [str(item) for item in backends.addresses] == addresses
    assert list(backends.ports) == expected


def test_a_slice_without_the_label_is_of_no_service() -> None:
    assert one(slice_of("endpoints: []", "a: b"), ServiceBackends).service == ""


def test_endpoints_read() -> None:
    text = (
        "apiVersion: v1\nkind: Endpoints\nmetadata: {name: db}\nsubsets:\n"
        "- {addresses: [{ip: 10.0.0.1, zone: n}], notReadyAddresses: [{ip: 10.0.0.2}], ports: [{port: 5}]}\n"
        "- {addresses: [{ip: 10.0.0.3}], ports: [{port: 6, protocol: UDP}]}\n"
    )
    given = one(text, ServiceBackends)
    assert (given.kind, given.service) == ("Endpoints", "db")
    assert [[str(item) for item in part.addresses] for part in given.backends] == [
        ["10.0.0.1", "10.0.0.2"], ["10.0.0.3"],
    ]  # fmt: skip
    assert [part.ports for part in given.backends] == [((6, 5),), ((17, 6),)]


def deployment(spec: str) -> str:
    return f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {spec}\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (pod("{containers: [{ports: [{name: web, containerPort: ‸'80'}]}]}"), "POLC-E0207"),
        (pod("{containers: [{ports: [{name: web, containerPort: ‸70000}]}]}"), "POLC-E0209"),
        (pod("{containers: [{ports: [{name: ‸Web, containerPort: 80}]}]}"), "POLC-E0301"),
        (pod("{containers: [{ports: [‸80]}]}"), "POLC-E0207"),
        (pod("{containers: ‸{a: b}}"), "POLC-E0207"),
        (deployment("{template: {metadata: {labels: {a: ‸b c}}}}"), "POLC-E0303"),
        (deployment("{template: {spec: {hostNetwork: ‸1}}}"), "POLC-E0207"),
        (deployment("{‸templte: {spec: {a: b}}}"), "POLC-E0206"),
        (slice_of("endpoints: [‸10.0.0.1]"), "POLC-E0207"),
        (slice_of("endpoints: []\nports: [{port: ‸x}]"), "POLC-E0207"),
        (slice_of("‸endpoint: []"), "POLC-E0206"),
        ("apiVersion: v1\nkind: Endpoints\nmetadata: {name: a}\nsubsets: [{addresses: [{ip: ‸x}]}]\n",
         "POLC-E0401"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: ‸A}\n", "POLC-E0301"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_reported_at_its_place(text: str, code: str) -> None:
    source, line, column = marked(text)
    assert places(read(source)[1])[:1] == [(code, line, column)]


def test_a_workload_without_a_template_is_an_error() -> None:
    assert [item.code for item in read(deployment("{replicas: 1}"))[1]] == ["POLC-E0202"]
    text = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {schedule: x}\n"
    assert [item.code for item in read(text)[1]] == ["POLC-E0202"]
