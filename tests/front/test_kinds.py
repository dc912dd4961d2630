"""Which objects are read, which are passed over and named, and which are taken for a misspelling."""

from __future__ import annotations

import pytest
from polc.compiler.parse import parse
from polc.compiler.source import Diagnostics, Severity, Source
from polc.tests.front.reading import marked, places, policy, read


def document(version: str, kind: str, rest: str = "") -> str:
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n{rest}"


FOREIGN = [
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "PodTemplate"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "IngressClass"),
    ("serving.knative.dev/v1", "Service"),
    ("projectcalico.org/v3", "IPPool"),
    ("projectcalico.org/v3", "BGPPeer"),
    ("projectcalico.org/v3", "KubeControllersConfiguration"),
    ("apps.openshift.io/v1", "DeploymentConfig"),
    ("argoproj.io/v1alpha1", "Rollout"),
    ("example.com/v1", "ThingList"),
]


@pytest.mark.parametrize(("version", "kind"), FOREIGN)
def test_an_object_of_another_kind_is_passed_over_and_named(version: str, kind: str) -> None:
    text = document(version, kind, "data: {a: [1, {b: c}]}\nrules: []\n")
    resources, found = read(text)
    assert resources == ()
    assert [(item.code, item.severity) for item in found] == [("POLC-N0001", Severity.NOTE)]
    assert kind in found[0].message


def test_what_is_passed_over_is_one_line_a_file() -> None:
    many = "---\n".join(document("v1", kind) for kind in ("ConfigMap", "Secret", "ConfigMap", "Event"))
    text = policy("selector: all()") + "---\n" + many
    resources, found = read(text)
    assert len(resources) == 1
    assert [item.message for item in found] == [
        "skipped, since they decide nothing here: 2 ConfigMap, Secret, Event"
    ]
    assert found[0].span is not None
    assert found[0].span.line == 8


def test_the_line_stays_short_however_many_kinds_there_are() -> None:
    text = "---\n".join(document("example.com/v1", f"Kind{chr(65 + n)}") for n in range(12))
    (found,) = read(text)[1]
    assert found.message.endswith("KindH and 4 more kinds")


def test_strict_takes_none_of_them() -> None:
    found = Diagnostics()
    text, line, column = marked("apiVersion: v1\nkind: ‸ConfigMap\nmetadata: {name: a}\n")
    assert parse([Source.of("x.yaml", text)], found, strict=True) == ()
    assert places(list(found)) == [("POLC-E0204", line, column)]


MISSPELT = [
    ("projectcalico.org/v3", "‸NetworkPolice"),
    ("projectcalico.org/v3", "‸GlobalNetworkPolicies"),
    ("projectcalico.org/v3", "‸Pod"),
    ("apps/v1", "‸Deploymnet"),
    ("networking.k8s.io/v1", "‸NetworkPolciy"),
    ("v1", "‸NetworkPolicy"),
    ("v1", "‸Deployment"),
    ("networking.k8s.io/v1", "‸GlobalNetworkPolicy"),
    ("‸projectcalico.org/v1", "GlobalNetworkPolicy"),
    ("‸projectcalico.org/v3beta", "HostEndpoint"),
    ("‸networking.k8s.io/v1beta1", "NetworkPolicy"),
    ("‸network.k8s.io/v1", "NetworkPolicy"),
    ("‸policy.networking.k8s.io/v1alpha3", "ClusterNetworkPolicy"),
]


@pytest.mark.parametrize(("version", "kind"), MISSPELT)
def test_a_misspelling_of_a_kind_that_is_read_is_no_foreign_kind(version: str, kind: str) -> None:
    text, line, column = marked(document(version, kind, "spec: {}\n"))
    resources, found = read(text)
    assert resources == ()
    assert places(found) == [("POLC-E0203", line, column)]
    assert found[0].hint


def test_a_kustomization_and_its_json_patches_are_passed_over() -> None:
    found = Diagnostics()
    sources = [
        Source.of("base/kustomization.yaml", "resources: [a.yaml]\n"),
        Source.of("base/patch.yaml", "- {op: replace, path: /spec/replicas, value: 1}\n"),
    ]
    assert parse(sources, found) == ()
    assert [item.code for item in found] == ["POLC-N0001", "POLC-N0001"]
    assert "Kustomization" in next(iter(found)).message
    assert read("resources: [a.yaml]\n")[1][0].severity is Severity.ERROR


LISTS = [
    "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Namespace, metadata: {name: a}}]",
    "apiVersion: v1\nkind: NamespaceList\nmetadata: {resourceVersion: '7'}\nitems: [{metadata: {name: a}}]",
    "apiVersion: v1\nkind: NamespaceList\nitems: [{apiVersion: v1, kind: Namespace, metadata: {name: a}}]",
    '{"kind": "List", "apiVersion": "v1", "metadata": {"selfLink": ""}, "items":'
    ' [{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "a"}}]}',
    '[{"kind": "NamespaceList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}}]}]',
]


@pytest.mark.parametrize("text", LISTS)
def test_the_items_of_a_list_are_read_as_documents(text: str) -> None:
    resources, found = read(text)
    assert not found
    assert [item.metadata.name for item in resources] == ["a"]


@pytest.mark.parametrize(
    ("version", "kind", "spec"),
    [
        ("networking.k8s.io/v1", "NetworkPolicy", "{podSelector: {}}"),
        ("projectcalico.org/v3", "NetworkPolicy", "{selector: all()}"),
        ("projectcalico.org/v3", "GlobalNetworkPolicy", "{selector: all()}"),
        ("apps/v1", "Deployment", "{template: {metadata: {labels: {a: b}}}}"),
    ],
)
def test_a_list_of_any_kind_that_is_read_is_read(version: str, kind: str, spec: str) -> None:
    text = f"apiVersion: {version}\nkind: {kind}List\nitems:\n- {{metadata: {{name: a}}, spec: {spec}}}\n"
    resources, found = read(text)
    assert not found
    assert [item.metadata.name for item in resources] == ["a"]


def test_a_wrong_item_of_a_list_is_reported_at_its_place() -> None:
    items = "- {metadata: {name: a}, spec: {hostNetwork: ‸1}}\n- {metadata: {name: b}}\n"
    text, line, column = marked(f"apiVersion: v1\nkind: PodList\nitems:\n{items}")
    resources, found = read(text)
    assert places(found) == [("POLC-E0207", line, column)]
    assert [item.metadata.name for item in resources] == ["a", "b"]
