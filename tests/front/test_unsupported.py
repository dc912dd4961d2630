"""What polc does not honour is an error that says so, and never passed over."""

from __future__ import annotations

import pytest
from polc.tests.front.reading import marked, places, policy, read, rule

REFUSED = [
    ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"),
    ("extensions/v1beta1", "NetworkPolicy"),
]


@pytest.mark.parametrize(("version", "kind"), REFUSED)
def test_another_kind_that_decides_about_traffic_is_refused(version: str, kind: str) -> None:
    text, line, column = marked(f"apiVersion: {version}\nkind: ‸{kind}\nmetadata: {{name: a}}\nspec: {{}}\n")
    resources, found = read(text)
    assert resources == ()
    assert places(found) == [("POLC-E0204", line, column)]
    assert "not supported" in found[0].message


@pytest.mark.parametrize(
    "spec",
    [
        "ingress: [{action: Allow, ‸http: {methods: [GET]}}]",
    ],
)
def test_another_field_of_a_policy_is_refused(spec: str) -> None:
    text, line, column = marked(policy(spec))
    _, found = read(text)
    assert places(found) == [("POLC-E0205", line, column)]
    assert "not supported yet" in found[0].message


@pytest.mark.parametrize(
    "spec",
    [
        "tier: default",
        "tier: ''",
        "serviceAccountSelector: ''",
        "performanceHints: [AssumeNeededOnEveryNode]",
        "ingress: [{action: Allow, http: null}]",
        "ingress: [{action: Allow, source: {serviceAccounts: {}, services: null}}]",
        "egress: [{action: Allow, destination: {domains: []}}]",
        "egress: [{action: Allow, destination: {domains: null}}]",
    ],
)
def test_a_field_that_changes_nothing_is_fine(spec: str) -> None:
    assert read(policy(spec))[1] == []


ENTERPRISE = [
    policy("egress: [{action: Allow, destination: {‸domains: ['*.example.com']}}]"),
    policy("ingress: [{action: Deny, source: {‸domains: [example.com]}}]", "GlobalNetworkPolicy"),
    policy("egress: [{action: Allow, destination: {‸domains: [a.example]}}]", "StagedNetworkPolicy"),
    policy("nets: []\n‸allowedEgressDomains: [example.com]", "NetworkSet"),
    policy("‸allowedEgressDomains: [example.com]", "GlobalNetworkSet"),
    policy("interfaceName: cali1\n‸applicationLayer: {logging: Enabled}", "WorkloadEndpoint"),
]


@pytest.mark.parametrize("given", ENTERPRISE)
def test_a_field_of_calico_enterprise_that_decides_has_a_refusal_of_its_own(given: str) -> None:
    text, line, column = marked(given)
    _, found = read(text)
    assert places(found) == [("POLC-E0212", line, column)]
    assert "is a field of Calico Enterprise: " in found[0].message


@pytest.mark.parametrize(
    "field", ["egressGateway: {policy: p}", "awsElasticIPs: [1.2.3.4]", "externalNetworkNames: [red]"]
)
def test_a_field_of_calico_enterprise_that_decides_nothing_is_passed_over_with_a_warning(field: str) -> None:
    text, line, column = marked(policy(f"interfaceName: cali1\n‸{field}", "WorkloadEndpoint"))
    resources, found = read(text)
    assert places(found) == [("POLC-W0005", line, column)]
    assert resources


def test_the_egress_gateway_of_a_profile_is_passed_over_with_a_warning() -> None:
    text, line, column = marked(policy("‸egressGateway: {policy: p}\negress: [{action: Allow}]", "Profile"))
    assert places(read(text)[1]) == [("POLC-W0005", line, column)]


@pytest.mark.parametrize("kind", ["NetworkPolicy", "GlobalNetworkPolicy"])
def test_a_staged_action_of_a_policy_that_is_enforced_is_told_where_it_belongs(kind: str) -> None:
    text, line, column = marked(policy("‸stagedAction: Set", kind))
    _, found = read(text)
    assert places(found) == [("POLC-E0206", line, column)]
    assert found[0].hint == f"`stagedAction` belongs to a Staged{kind}; this kind is enforced"


@pytest.mark.parametrize(
    "field",
    [
        "ipNATs: [{internalIP: 10.0.0.1, externalIP: 10.0.0.2}]",
        "allowSpoofedSourcePrefixes: [10.0.0.0/8]",
        "qosControls: {ingressBandwidth: 1}",
    ],
)
def test_another_field_of_a_workload_endpoint_is_refused(field: str) -> None:
    head = "apiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\nmetadata: {name: a}\n"
    _, found = read(f"{head}spec: {{interfaceName: cali1, {field}}}\n")
    assert [item.code for item in found] == ["POLC-E0205"]


def test_a_pod_that_may_spoof_addresses_is_refused() -> None:
    annotation = """{cni.projectcalico.org/allowedSourcePrefixes: '["10.0.0.0/8"]'}"""
    _, found = read(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a, annotations: {annotation}}}\n")
    assert [item.code for item in found] == ["POLC-E0205"]


def test_the_supported_part_of_a_rule_is_still_checked() -> None:
    _, found = read(rule("action: allow\nhttp: {methods: [GET]}\nsource: {nets: [10.0.0.1]}"))
    assert [item.code for item in found] == ["POLC-E0208", "POLC-E0205", "POLC-E0403"]
