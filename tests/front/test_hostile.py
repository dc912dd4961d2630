"""Whatever the input is, parsing ends in resources or findings: no exception, no endless work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from polc.cli.diagnostics import render
from polc.compiler.parse import parse
from polc.compiler.reading import read_sources
from polc.compiler.source import Diagnostics, Source
from polc.grammar.documents import read_documents
from polc.grammar.nodes import FaultKind
from polc.tests.calls import calls
from polc.tests.front.reading import policy, read, rule

CORPUS = Path(os.environ.get("POLC_CORPUS", Path(__file__).resolve().parents[2] / ".." / "shared" / "corpus"))

EXAMPLE = (
    rule(
        """
        action: Allow
        protocol: TCP
        source: {nets: [10.0.0.0/8], notNets: [10.1.0.0/16], selector: 'has(a) && b in {"c", "d"}'}
        destination:
          ports: [80, "8000:8999"]
          namespaceSelector: >-
            env == "prod" ||
            !has(x)
        """
    )
    + "---\n"
    + policy(
        "order: 1\ntypes: [Egress]\negress: &e\n  - {action: Deny}\n  - action: Pass", "GlobalNetworkPolicy"
    )
    + "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: w\n  labels: {a: b}\n"
    "status: {podIPs: [{ip: 10.0.0.1}]}\n---\n"
    '{"apiVersion": "projectcalico.org/v3", "kind": "NetworkSet", "metadata": {"name": "s"},'
    ' "spec": {"nets": ["192.0.2.0/24", "fd00::1"]}}\n'
    + """---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicyList
items:
- metadata: {name: k, namespace: shop}
  spec:
    podSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}]}
    policyTypes: [Ingress, Egress]
    ingress:
    - {from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: x}]}
    egress: [{to: [{namespaceSelector: {}}], ports: [{protocol: UDP, port: 1, endPort: 9}]}]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: c}
spec:
  tier: Admin
  priority: 1
  subject: {pods: {namespaceSelector: {}, podSelector: {}}}
  egress:
  - {name: r, action: Deny, to: [{networks: [10.0.0.0/8]}, {namespaces: {}}],
     protocols: [{tcp: {destinationPort: {range: {start: 1, end: 9}}}}, {destinationNamedPort: x}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{ports: [{name: x, containerPort: 1}]}]}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: e, labels: {kubernetes.io/service-name: s}}
endpoints: [{addresses: [10.0.0.1]}]
ports: [{port: 1, protocol: TCP}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
"""
)


def codes(text: str) -> set[str]:
    return {item.code for item in read(text)[1]}


def test_the_unmutated_example_is_right() -> None:
    resources, found = read(EXAMPLE)
    assert len(resources) == 8
    assert [item.code for item in found] == ["POLC-N0001"]


def test_an_alias_bomb_is_refused_quickly() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
    )
    found, count = calls(lambda: codes(bomb))
    assert found == {"POLC-E0105"}
    assert count < 3000


@pytest.mark.parametrize("text", ["[" * 10_000, "- " * 10_000, "{a: " * 10_000, "? " * 10_000])
def test_deep_nesting_is_refused_and_the_next_document_read(text: str) -> None:
    resources, found = read(text + "\n---\n" + policy("{}"))
    assert [item.code for item in found] == ["POLC-E0103"]
    assert len(resources) == 1


def test_nesting_that_libyaml_itself_refuses_is_called_the_same() -> None:
    """Versions differ in whether they do."""

    class Refusing:
        def __init__(self, text: str) -> None:
            self.text = text

        def get_event(self) -> None:
            mark = yaml.Mark("", 3, 0, 3, None, 0)
            context, problem = "while increasing flow level", "exceeded maximum nesting depth"
            raise yaml.scanner.ScannerError(context, mark, problem, mark)

    (document,) = read_documents("[[[[", Refusing)
    (fault,) = document.faults
    assert (fault.kind, fault.line, fault.column) == (FaultKind.DEPTH, 1, 4)


def test_a_nul_byte_is_named_and_the_rest_still_checked() -> None:
    _, found = read(policy("selector: a\0b == 'c'\ntypes: [Bogus]"))
    assert [item.code for item in found] == ["POLC-E0004", "POLC-E0601", "POLC-E0208"]
    assert "NUL" in found[0].message


def test_a_file_of_nul_bytes_gives_few_findings() -> None:
    _, found = read("\0" * 100_000)
    assert 0 < len(found) < 15


def test_surrogates_and_marks_inside_a_text_are_named() -> None:
    assert "POLC-E0004" in codes("a: \ud800\n")
    assert "POLC-E0004" in codes("a: b\nc: \ufeff\n")


def test_endless_findings_are_cut() -> None:
    rules = "ingress:\n" + "  - {action: Allow, bogus: 1, source: {bogus: 2}}\n" * 1000
    _, found = read(policy(rules))
    assert len(found) == 1001
    assert found[0].code == "POLC-E0110"


def test_endless_duplicate_keys_are_cut() -> None:
    assert "POLC-E0110" in codes("a: 1\n" * 5000)


@pytest.mark.parametrize(
    "text",
    [
        policy("selector: '" + "!" * 1000 + "has(a)'"),
        policy("selector: '" + "(" * 500 + "has(a)" + ")" * 500 + "'"),
        policy("selector: '" + "!(" * 99 + "has(a)" + ")" * 99 + "'"),
        policy("selector: '" + "has(a)&&(" * 99 + "has(b)" + ")" * 99 + "'"),
    ],
)
def test_deep_selectors_read(text: str) -> None:
    resources, found = read(text)
    assert not found
    assert str(resources[0])


@pytest.mark.parametrize("opening", ["!(", "has(a)||("])
def test_endless_selectors_are_refused(opening: str) -> None:
    for depth in (100, 101):
        assert codes(policy(f"selector: '{opening * depth}has(a){')' * depth}'")) == {"POLC-E0601"}


def test_findings_in_a_long_line_are_rendered_in_a_window() -> None:
    text = policy("selector: '" + "has(a) && " * 90 + "&& has(b)'")
    source = Source("x.yaml", text)
    diagnostics = Diagnostics()
    parse([source], diagnostics)
    assert max(map(len, render(diagnostics, [source]).splitlines())) < 140


def _corpus() -> list[Path]:
    names = (".yaml", ".yml", ".json", ".htpl")
    return sorted(path for path in CORPUS.rglob("*") if path.suffix in names) if CORPUS.is_dir() else []


def test_every_corpus_file_yields_resources_or_findings() -> None:
    files = _corpus()
    if not files:
        pytest.skip("the corpus of real manifests is not here (POLC_CORPUS names its folder)")
    understood = 0
    for path in files:
        diagnostics = Diagnostics()
        sources = read_sources([os.path.relpath(path)], diagnostics)
        resources = parse(sources, diagnostics)
        assert resources or len(diagnostics), path
        understood += not diagnostics.failed
        if "not-yaml" in path.parts:
            assert diagnostics.failed or not resources, path
        assert render(diagnostics, sources) or not len(diagnostics)
    assert understood > 20
