"""Named ports, services, service accounts and workloads in the IR, and what is told about them."""

from __future__ import annotations

import pytest
from polc.compiler.parse import parse
from polc.compiler.resolve import EndpointRef, endpoints, inventory, resolve_endpoint, resolve_labels, review
from polc.compiler.source import Diagnostics, Source
from polc.tests.resolve.inventory import document, ir, read, world_of

WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n, serviceAccountName: robot, containers: [{ports: [{name: http, containerPort: 8080}]}]}
status: {podIP: 10.0.0.1}
"""
API = WEB.replace("web", "api").replace("8080", "9090").replace("10.0.0.1", "10.0.0.2")
TWIN = WEB.replace("web", "twin").replace("10.0.0.1", "10.0.0.3")


def deployment(name: str, kind: str = "Deployment", version: str = "apps/v1", spec: str = "") -> str:
    template = f"{{metadata: {{labels: {{app: {name}}}}}, spec: {{{spec or 'nodeName: n'}}}}}"
    inner = f"{{template: {template}}}"
    if kind == "CronJob":
        inner = f"{{schedule: x, jobTemplate: {{spec: {inner}}}}}"
    return (
        f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec: {inner}\n"
    )


def slices(name: str, service: str, address: str, ports: str) -> str:
    return (
        f"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\nmetadata: {{name: {name}, "
        f"namespace: shop, labels: {{kubernetes.io/service-name: {service}}}}}\n"
        f"endpoints: [{{addresses: [{address}]}}]\nports: {ports}\n"
    )


def policy(rule: str, direction: str = "egress") -> str:
    return document("NetworkPolicy", "p", f"{{{direction}: [{rule}]}}", namespace="shop")


def rules(*documents: str, name: str = "web") -> list[str]:
    return [
        line.strip() for line in ir(world_of(*documents), name).splitlines() if line.startswith("      #")
    ]


def test_endpoints_with_equal_ports_share_an_entry() -> None:
    rule = "{action: Allow, protocol: TCP, destination: {ports: [http]}}"
    assert rules(WEB, API, TWIN, policy(rule)) == [
        "#0 allow: proto 6, dst endpoint 6:8080@$0 6:9090@$1",
    ]


def test_a_number_takes_in_what_a_name_says_too() -> None:
    rule = "{action: Allow, protocol: TCP, destination: {ports: [http, '9000:9100']}}"
    assert rules(WEB, API, policy(rule)) == ["#0 allow: proto 6, dst endpoint 6:9000-9100 6:8080@$0"]


def test_excluded_names_and_numbers_stand_apart() -> None:
    rule = "{action: Allow, protocol: TCP, destination: {notPorts: [http, 22]}}"
    assert rules(WEB, policy(rule)) == ["#0 allow: proto 6, dst port not 22, dst endpoint not 6:8080@$0"]


def test_a_service_is_addresses_with_ports_at_the_destination_and_addresses_at_the_source() -> None:
    db = slices("db-1", "db", "10.0.0.9", "[{port: 5432}]")
    assert rules(WEB, db, policy("{action: Allow, destination: {services: {name: db}}}")) == [
        "#0 allow: dst endpoint 6:5432@$0"
    ]
    assert rules(WEB, db, policy("{action: Allow, source: {services: {name: db}}}", "ingress")) == [
        "#0 allow: src in $0"
    ]


def test_endpoints_stand_for_the_slices_of_a_service_that_has_none() -> None:
    old = (
        "apiVersion: v1\nkind: Endpoints\nmetadata: {name: db, namespace: shop}\nsubsets:\n"
        "- {addresses: [{ip: 10.0.0.9}], notReadyAddresses: [{ip: 10.0.0.8}], ports: [{port: 1}]}\n"
    )
    rule = policy("{action: Allow, destination: {services: {name: db}}}")
    text = ir(world_of(WEB, old, rule), "web")
    assert "10.0.0.8/31" in text
    text = ir(world_of(WEB, old, slices("s", "db", "10.0.0.5", "[{port: 1}]"), rule), "web")
    assert "10.0.0.5/32" in text
    assert "10.0.0.8/31" not in text


def test_the_key_of_a_rule_says_what_was_asked_and_not_who_is_there() -> None:
    rule = policy("{action: Allow, protocol: TCP, destination: {ports: [http]}}")
    keys = []
    for world in (world_of(WEB, rule), world_of(WEB, API, TWIN, rule)):
        found = resolve_endpoint(world, EndpointRef("shop", "web"), Diagnostics())
        assert found is not None
        keys.append([[item.key for item in items] for items in found.provenance.values()])
    assert keys[0] == keys[1]


WORKLOADS = [
    ("Deployment", "apps/v1"),
    ("StatefulSet", "apps/v1"),
    ("DaemonSet", "apps/v1"),
    ("ReplicaSet", "apps/v1"),
    ("ReplicationController", "v1"),
    ("Job", "batch/v1"),
    ("CronJob", "batch/v1"),
]


@pytest.mark.parametrize(("kind", "version"), WORKLOADS)
def test_a_workload_is_its_pods_without_address_under_its_own_name(kind: str, version: str) -> None:
    given = document("NetworkPolicy", "p", "{selector: app == 'cache'}", namespace="shop")
    world = world_of(deployment("cache", kind, version), given)
    assert endpoints(world) == (EndpointRef("shop", "cache", kind),)
    found = resolve_endpoint(world, EndpointRef("shop", "cache"), Diagnostics())
    assert found is not None
    assert (found.name, found.endpoint, found.addresses) == ("shop.cache", "shop/cache", ())
    assert found.program.ingress.tiers


def test_a_workload_on_the_host_s_network_has_no_interface() -> None:
    world = world_of(deployment("proxy", "DaemonSet", spec="hostNetwork: true"), WEB)
    assert endpoints(world) == (EndpointRef("shop", "web", "Pod"),)
    found = Diagnostics()
    assert resolve_endpoint(world, EndpointRef("shop", "proxy"), found) is None
    assert [item.code for item in found] == ["POLC-E0709"]
    assert "DaemonSet shop/proxy" in next(iter(found)).message


def test_labels_take_the_account_s_labels_from_the_inventory() -> None:
    account = (
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot, namespace: shop, labels: {a: b}}\n"
    )
    given = document("GlobalNetworkPolicy", "p", "{selector: pcsa.a == 'b'}")
    labels = {"projectcalico.org/serviceaccount": "robot"}
    assert resolve_labels(world_of(account, given), labels, "shop", Diagnostics()) is not None
    assert resolve_labels(world_of(account, given), {}, "shop", Diagnostics()) is None


def warnings(*documents: str) -> list[tuple[str, str]]:
    found = Diagnostics()
    resources = parse([Source.of(f"{n}.yaml", text) for n, text in enumerate(documents)], found)
    world = inventory(resources, found)
    assert not found.failed, list(found)
    review(world, resources, found)
    return [(item.code, item.message) for item in found]


def test_a_name_that_nobody_uses_is_told() -> None:
    rule = "{action: Allow, protocol: UDP, destination: {ports: [http]}}"
    assert warnings(WEB, policy(rule)) == [
        ("POLC-W0704", "no endpoint with an address that the rule selects has a UDP port named `http`")
    ]
    assert warnings(WEB, policy(rule.replace("UDP", "TCP"))) == []


def test_a_service_without_addresses_is_told() -> None:
    rule = policy("{action: Allow, destination: {services: {name: db}}}")
    assert [code for code, _ in warnings(WEB, rule)] == ["POLC-W0705"]
    assert warnings(WEB, slices("s", "db", "10.0.0.5", "[{port: 1}]"), rule) == []


def test_a_peer_that_is_there_without_an_address_is_named() -> None:
    rule = policy("{action: Allow, destination: {selector: app == 'cache'}}")
    assert warnings(WEB, deployment("cache"), rule) == [
        ("POLC-W0701", "the destination selects Deployment/shop/cache, of which the files hold no address")
    ]
    rule = policy("{action: Allow, destination: {serviceAccounts: {names: [ghost]}}}")
    assert [code for code, _ in warnings(WEB, rule)] == ["POLC-W0701"]


SAME = document("NetworkPolicy", "p", "{order: 10, selector: app == 'web'}", namespace="shop")


@pytest.mark.parametrize(
    "again",
    [
        SAME,
        SAME.replace("order: 10", "order: 10.0").replace("app == 'web'", 'app=="web"'),
        "apiVersion: v1\nkind: List\nitems:\n- " + SAME.replace("\n", "\n  ").rstrip() + "\n",
    ],
)
def test_the_same_object_twice_is_one(again: str) -> None:
    world, found = read(WEB, SAME, again)
    assert list(found) == []
    assert len(world.policies) == 1


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        (SAME, SAME.replace("10", "11"), "NetworkPolicy/shop/p"),
        (WEB, WEB.replace("8080", "8081"), "Pod/shop/web"),
        (deployment("a"), deployment("a", spec="serviceAccountName: x"), "Deployment/shop/a"),
        (slices("s", "a", "10.0.0.1", "[]"), slices("s", "a", "10.0.0.2", "[]"), "EndpointSlice/shop/s"),
    ],
)
def test_an_object_defined_twice_and_differently_names_both_places(
    first: str, second: str, name: str
) -> None:
    _, found = read(first, second)
    assert [item.code for item in found] == ["POLC-E0702"]
    (item,) = found
    assert name in item.message
    assert item.span is not None
    assert item.span.file == "1.yaml"
    assert "0.yaml:" in item.message


def test_kinds_of_one_name_are_different_objects() -> None:
    native = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n"
    world, found = read(WEB, SAME, f"{native}spec: {{podSelector: {{}}}}\n")
    assert list(found) == []
    assert len(world.policies) == 2
