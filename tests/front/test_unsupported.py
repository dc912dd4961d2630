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
    ],
)
def test_a_field_that_changes_nothing_is_fine(spec: str) -> None:
    assert read(policy(spec))[1] == []


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
