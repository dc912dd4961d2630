"""Pods, namespaces, sets and endpoints: which fields count, what they default to, what is wrong with them."""

from __future__ import annotations

from typing import TypeVar

import pytest
from polc.compiler.resources import HostEndpoint, NetworkSet, Pod, WorkloadEndpoint
from polc.tests.front.reading import marked, places, read

_R = TypeVar("_R")


def one(text: str, kind: type[_R]) -> _R:
    resources, found = read(text)
    assert not found, found
    (resource,) = resources
    assert isinstance(resource, kind)
    return resource


def pod(rest: str, metadata: str = "name: a") -> str:
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\n{rest}\n"


def calico(kind: str, spec: str, metadata: str = "name: a") -> str:
    return f"apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {spec}\n"


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (
            pod("status: {podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}], podIP: 10.0.0.9}"),
            ["10.0.0.1", "fd00::1"],
        ),
        (pod("status: {podIP: 10.0.0.9}"), ["10.0.0.9"]),
        (pod("status: {podIPs: [], podIP: 10.0.0.9}"), ["10.0.0.9"]),
        (pod("status: {podIP: '::ffff:10.0.0.9'}"), ["10.0.0.9"]),
        (
            pod("", "name: a, annotations: {cni.projectcalico.org/podIPs: '10.0.0.1/32,fd00::1/128'}"),
            ["10.0.0.1", "fd00::1"],
        ),
        (pod("", "name: a, annotations: {cni.projectcalico.org/podIP: 10.0.0.1/32}"), ["10.0.0.1"]),
        (
            pod("", "name: a, annotations: {vpc.amazonaws.com/pod-ips: '10.0.0.1, 10.0.0.2'}"),
            ["10.0.0.1", "10.0.0.2"],
        ),
        (pod("status: {phase: Succeeded, podIP: 10.0.0.9}"), []),
        (pod("status: {phase: Failed, podIP: 10.0.0.9}"), []),
        (pod("status: {phase: Running, podIP: 10.0.0.9}"), ["10.0.0.9"]),
        (
            pod(
                "status: {podIP: 10.0.0.9}",
                "name: a, deletionTimestamp: x, annotations: {cni.projectcalico.org/podIP: ''}",
            ),
            [],
        ),
        (pod(""), []),
    ],
)
def test_a_pods_addresses_come_from_the_first_source_that_has_any(text: str, addresses: list[str]) -> None:
    assert [str(address) for address in one(text, Pod).addresses] == addresses


def test_a_pods_other_fields_are_taken_whatever_they_are() -> None:
    given = one(
        pod(
            "spec: {containers: [{name: x, ports: [{name: web, containerPort: 80}]}], nodeName: n1,\n"
            "       hostNetwork: true, serviceAccountName: sa, hostPID: maybe, tolerations: {a: [b]},\n"
            "       anything: [1, {2: 3}]}\n"
            "status: {conditions: [{type: Ready}], hostIP: x, qosClass: [y]}"
        ),
        Pod,
    )
    assert (given.node, given.host_network, given.service_account) == ("n1", True, "sa")


def test_a_pods_service_account_is_default_when_not_given() -> None:
    assert one(pod("spec: {}"), Pod).service_account == "default"
    assert one(pod("spec: {serviceAccount: old}"), Pod).service_account == "old"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (pod("status: {podIP: ‸10.0.0.1/32}"), "POLC-E0401"),
        (pod("status: {podIPs: [{ip: ‸x}]}"), "POLC-E0401"),
        (pod("status: {podIPs: [‸10.0.0.1]}"), "POLC-E0207"),
        (pod("spec: {hostNetwork: ‸yes}"), "POLC-E0207"),
        (pod("spec: {‸hostNetwrok: true}"), "POLC-E0206"),
        (pod("spec: ‸[a]"), "POLC-E0207"),
        (pod("", "name: ‸a, annotations: {cni.projectcalico.org/podIP: 10.0.0.0/24}"), "POLC-E0401"),
        (calico("NetworkSet", "{nets: [‸10.0.0.0/40]}"), "POLC-E0401"),
        (calico("NetworkSet", "{nets: [10.0.0.0/8, ‸10.0.0.0/8]}"), "POLC-E0210"),
        (calico("NetworkSet", "{‸net: [10.0.0.0/8]}"), "POLC-E0206"),
        (
            calico("GlobalNetworkSet", "{nets: []}", "name: ‸a, labels: {projectcalico.org/namespace: b}"),
            "POLC-E0305",
        ),
        (calico("GlobalNetworkSet", "{nets: []}", "name: a, namespace: ‸b"), "POLC-E0302"),
        (calico("HostEndpoint", "{interfaceName: eth0}").replace("spec", "‸spec"), "POLC-E0202"),
        (calico("HostEndpoint", "{node: n}").replace("spec", "‸spec"), "POLC-E0508"),
        (calico("HostEndpoint", "{node: n, interfaceName: ‸a-name-too-long-x}"), "POLC-E0301"),
        (calico("HostEndpoint", "{node: n, expectedIPs: [‸10.0.0.0/24]}"), "POLC-E0401"),
        (calico("HostEndpoint", "{node: n, expectedIPs: [10.0.0.1, ‸10.0.0.1]}"), "POLC-E0210"),
        (
            calico(
                "HostEndpoint", "{node: n, interfaceName: e, ports: [{name: a, port: 1, protocol: ‸ICMP}]}"
            ),
            "POLC-E0503",
        ),
        (
            calico(
                "HostEndpoint", "{node: n, interfaceName: e, ports: [{name: a, port: ‸0, protocol: TCP}]}"
            ),
            "POLC-E0209",
        ),
        (calico("WorkloadEndpoint", "{ipNetworks: [10.0.0.1/32]}").replace("spec", "‸spec"), "POLC-E0202"),
        (calico("WorkloadEndpoint", "{interfaceName: c, ipNetworks: [‸10.0.0.0/24]}"), "POLC-E0407"),
        (calico("WorkloadEndpoint", "{interfaceName: c, ipNetworks: [‸10.0.0.1/24]}"), "POLC-E0402"),
        (calico("WorkloadEndpoint", "{interfaceName: c, node: ‸A}"), "POLC-E0301"),
        (calico("WorkloadEndpoint", "{interfaceName: c, containerID: ‸a-}"), "POLC-E0301"),
        (calico("WorkloadEndpoint", "{interfaceName: c, mac: ‸ee-ee}"), "POLC-E0301"),
        (calico("WorkloadEndpoint", "{interfaceName: c, ipv4Gateway: ‸fd00::1}"), "POLC-E0405"),
        (calico("WorkloadEndpoint", "{interfaceName: c, profiles: [‸A_B]}"), "POLC-E0301"),
        (calico("WorkloadEndpoint", "{interfaceName: c, ports: [‸{port: 80, protocol: TCP}]}"), "POLC-E0202"),
    ],
)
def test_a_wrong_field_is_reported_at_its_place(text: str, code: str) -> None:
    source, line, column = marked(text)
    _, found = read(source)
    assert places(found) == [(code, line, column)]


def test_a_set_takes_addresses_and_networks_and_masks_host_bits() -> None:
    given = one(
        calico(
            "GlobalNetworkSet",
            "{nets: [10.1.2.3/8, 192.0.2.1, '2001:db8::1/32', 'fd00::1', '::ffff:10.0.0.1']}",
        ),
        NetworkSet,
    )
    assert [str(net.network) for net in given.nets] == [
        "10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "fd00::1/128", "10.0.0.1/32",
    ]  # fmt: skip
    assert one(calico("NetworkSet", "{}"), NetworkSet).nets == ()


def test_a_host_endpoint_reads() -> None:
    given = one(
        calico(
            "HostEndpoint",
            "{node: n, interfaceName: '*', expectedIPs: [10.0.0.1, 'fd00::1'],"
            " ports: [{name: a, port: 80, protocol: TCP}]}",
            "name: h, labels: {a: b}",
        ),
        HostEndpoint,
    )
    assert (given.node, given.interface_name) == ("n", "*")
    assert [str(address) for address in given.expected_ips] == ["10.0.0.1", "fd00::1"]
    assert given.metadata.labels == {"a": "b"}


def test_a_workload_endpoint_reads() -> None:
    given = one(
        calico(
            "WorkloadEndpoint",
            "{orchestrator: k8s, workload: w, node: n, pod: p, endpoint: eth0, serviceAccountName: sa,"
            " containerID: 1a-b, interfaceName: cali1, ipNetworks: [10.0.0.1/32, 'fd00::1/128'],"
            " profiles: [kns.default, ksa.default.sa], mac: 'ee:ee:ee:ee:ee:ee', "
            " ipv4Gateway: 169.254.1.1, ipv6Gateway: 'fe80::1',"
            " ports: [{protocol: TCP, port: 80, hostPort: 8080, hostIP: 10.0.0.1/32}]}",
            "name: w, namespace: prod",
        ),
        WorkloadEndpoint,
    )
    assert (given.orchestrator, given.workload, given.node) == ("k8s", "w", "n")
    assert (given.pod, given.endpoint, given.service_account) == ("p", "eth0", "sa")
    assert given.interface_name == "cali1"
    assert [str(address) for address in given.addresses] == ["10.0.0.1", "fd00::1"]
    assert given.profiles == ("kns.default", "ksa.default.sa")
    assert given.profiles_at is not None
    assert given.profiles_at.line == 4
