"""Kubernetes NetworkPolicy becomes the Calico policy of the dossier's §7; nothing is ever widened."""

from __future__ import annotations

import textwrap

import pytest
from polc.compiler.ir.nodes import Action
from polc.compiler.resources import Entity, Policy, Rule
from polc.compiler.selector import canonical
from polc.compiler.source import Severity
from polc.pair.layout import Direction
from polc.tests.front.reading import marked, places, read

HEAD = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n"
BOTH = {Direction.INGRESS, Direction.EGRESS}


def text_of(spec: str) -> str:
    return HEAD + textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ") + "\n"


def only(spec: str) -> Policy:
    resources, found = read(text_of(spec))
    assert not found, found
    (policy,) = resources
    assert isinstance(policy, Policy)
    return policy


def shown(rule: Rule, far: Entity) -> str:
    """A rule in one line: protocol, ports, and what its far end asks for."""
    ports = [f"{p.first}-{p.last}" for p in rule.destination.ports]
    ports += [item.name for item in rule.destination.named_ports]
    parts = [rule.protocol.name or "?" if rule.protocol else "any", ",".join(ports) or "all"]
    for name in ("selector", "namespace_selector"):
        field = getattr(far, name)
        if field is not None:
            parts.append(f"{name} {canonical(field.selector)}")
    parts += [f"in {net.network}" for net in far.nets] + [f"not in {net.network}" for net in far.not_nets]
    return " ".join(parts)


def ingress(spec: str) -> list[str]:
    return [shown(rule, rule.source) for rule in only(spec).ingress]


def egress(spec: str) -> list[str]:
    return [shown(rule, rule.destination) for rule in only(spec).egress]


def test_the_policy_is_calico_s_of_order_1000_in_the_default_tier() -> None:
    policy = only("podSelector: {matchLabels: {app: web}}")
    assert (policy.kind, policy.tier, policy.order) == ("KubernetesNetworkPolicy", "default", 1000)
    assert (policy.metadata.name, policy.metadata.namespace) == ("p", "shop")


OF_PODS = 'projectcalico.org/orchestrator == "k8s"'


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("{}", OF_PODS),
        ("{matchLabels: {b: '2', a: '1'}}", f'({OF_PODS} && a == "1" && b == "2")'),
        (
            "{matchLabels: {z: x}, matchExpressions: [{key: a, operator: In, values: [c, b, c]}]}",
            f'({OF_PODS} && z == "x" && a in {{"b", "c"}})',
        ),
        ("{matchExpressions: [{key: a, operator: NotIn, values: [b]}]}", f'({OF_PODS} && a not in {{"b"}})'),
        ("{matchExpressions: [{key: a, operator: Exists}]}", f"({OF_PODS} && has(a))"),
        ("{matchExpressions: [{key: a, operator: DoesNotExist, values: []}]}", f"({OF_PODS} && !has(a))"),
        ("null", OF_PODS),
    ],
)
def test_a_pod_selector_is_its_terms_and_only_pods(selector: str, expected: str) -> None:
    field = only(f"podSelector: {selector}").selector
    assert field is not None
    assert canonical(field.selector) == expected


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ("podSelector: {}", {Direction.INGRESS}),
        ("podSelector: {}\npolicyTypes: []\negress: []", {Direction.INGRESS}),
        ("podSelector: {}\negress: [{}]", BOTH),
        ("podSelector: {}\npolicyTypes: [Egress]", {Direction.EGRESS}),
        ("podSelector: {}\npolicyTypes: [Egress, Ingress]", BOTH),
        ("policyTypes: [Ingress]", {Direction.INGRESS}),
    ],
)
def test_the_types_default_as_the_api_server_defaults_them(spec: str, types: set[Direction]) -> None:
    assert only(spec).types == types


def test_a_rule_becomes_one_for_each_protocol_and_peer() -> None:
    spec = """
    podSelector: {}
    ingress:
    - from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]
      ports: [{port: 80}, {port: 53, protocol: UDP}, {port: web}, {protocol: SCTP, port: 1, endPort: 9}]
    """
    assert ingress(spec) == [
        f"SCTP 1-9 selector {OF_PODS}",
        "SCTP 1-9 in 10.0.0.0/8",
        f"TCP 80-80,web selector {OF_PODS}",
        "TCP 80-80,web in 10.0.0.0/8",
        f"UDP 53-53 selector {OF_PODS}",
        "UDP 53-53 in 10.0.0.0/8",
    ]
    assert {rule.action for rule in only(spec).ingress} == {Action.ALLOW}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{}", ["any all"]),
        ("{from: [], ports: []}", ["any all"]),
        ("{ports: [{port: 80}, {}]}", ["TCP all"]),
        ("{ports: [{protocol: UDP}]}", ["UDP all"]),
        ("{ports: [{port: '80'}]}", ["TCP 80-80"]),
        ("{ports: [{port: 80, endPort: 80}]}", ["TCP 80-80"]),
    ],
)
def test_absent_peers_and_ports_are_any(rule: str, expected: list[str]) -> None:
    assert ingress(f"podSelector: {{}}\ningress: [{rule}]") == expected


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("podSelector: {matchLabels: {a: b}}", f'selector ({OF_PODS} && a == "b")'),
        ("namespaceSelector: {}", f"selector {OF_PODS} namespace_selector all()"),
        ("namespaceSelector: {matchLabels: {t: x}}", f'selector {OF_PODS} namespace_selector t == "x"'),
        (
            "namespaceSelector: {matchLabels: {t: x}, matchExpressions: [{key: u, operator: Exists}]},"
            " podSelector: {matchLabels: {a: b}}",
            f'selector ({OF_PODS} && a == "b") namespace_selector (t == "x" && has(u))',
        ),
        ("ipBlock: {cidr: 10.1.2.3/8, except: [10.9.9.9/16]}", "in 10.0.0.0/8 not in 10.9.0.0/16"),
        ("ipBlock: {cidr: 'fd00::/8', except: []}", "in fd00::/8"),
    ],
)
def test_a_peer_becomes_selectors_or_networks(peer: str, expected: str) -> None:
    assert egress(f"podSelector: {{}}\negress: [{{to: [{{{peer}}}]}}]") == [f"any all {expected}"]


def test_the_place_of_a_rule_is_its_peer() -> None:
    policy = only("podSelector: {}\ningress:\n- from:\n  - podSelector: {}\n  - namespaceSelector: {}\n- {}")
    assert [rule.at.line for rule in policy.ingress] == [8, 9, 10]


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("podSelector: {}\ningress: [{from: [{ipBlock: {cidr: ‸10.0.0.0/33}}]}]", "POLC-E0401"),
        ("podSelector: {}\ningress: [{from: [{ipBlock: {cidr: ‸10.0.0.1}}]}]", "POLC-E0403"),
        ("podSelector: {}\ningress: [{from: [{ipBlock: ‸{except: []}}]}]", "POLC-E0202"),
        ("podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [‸11.0.0.0/16]}}]}]",
         "POLC-E0408"),
        ("podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [‸10.0.0.0/8]}}]}]",
         "POLC-E0408"),
        ("podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [‸'fd00::/16']}}]}]",
         "POLC-E0408"),
        ("podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: ‸{}}]}]",
         "POLC-E0408"),
        ("podSelector: {}\ningress: [{from: [‸{}]}]", "POLC-E0202"),
        ("podSelector: {}\ningress: [{from: [{‸podSelctor: {}}]}]", "POLC-E0206"),
        ("podSelector: {}\ningress: [{‸to: []}]", "POLC-E0206"),
        ("podSelector: {}\ningress: [‸null]", "POLC-E0207"),
        ("podSelector: {}\ningress: [{ports: [{port: web, endPort: ‸9}]}]", "POLC-E0502"),
        ("podSelector: {}\ningress: [{ports: [{endPort: ‸9}]}]", "POLC-E0502"),
        ("podSelector: {}\ningress: [{ports: [{port: 9, endPort: ‸8}]}]", "POLC-E0502"),
        ("podSelector: {}\ningress: [{ports: [{port: ‸'8:9'}]}]", "POLC-E0501"),
        ("podSelector: {}\ningress: [{ports: [{port: ‸0}]}]", "POLC-E0501"),
        ("podSelector: {}\ningress: [{ports: [{protocol: ‸ICMP}]}]", "POLC-E0208"),
        ("podSelector: {}\ningress: [{ports: [{protocol: ‸tcp}]}]", "POLC-E0208"),
        ("podSelector: {}\npolicyTypes: [‸ingress]", "POLC-E0208"),
        ("podSelector: {matchExpressions: [{key: a, operator: ‸Equals, values: [b]}]}", "POLC-E0208"),
        ("podSelector: {matchExpressions: [‸{operator: Exists}]}", "POLC-E0202"),
        ("podSelector: {matchExpressions: [‸{key: a}]}", "POLC-E0202"),
        ("podSelector: {matchExpressions: [‸{key: a, operator: In}]}", "POLC-E0202"),
        ("podSelector: {matchExpressions: [{key: a, operator: NotIn, values: ‸[]}]}", "POLC-E0202"),
        ("podSelector: {matchExpressions: [{key: a, operator: Exists, values: ‸[b]}]}", "POLC-E0207"),
        ("podSelector: {matchExpressions: [{key: ‸a b, operator: Exists}]}", "POLC-E0303"),
        ("podSelector: {matchExpressions: [{key: a, operator: In, values: [‸a b]}]}", "POLC-E0303"),
        ("podSelector: {matchLabels: {a: ‸'b c'}}", "POLC-E0303"),
        ("podSelector: {‸app: web}", "POLC-E0206"),
        ("‸selector: all()", "POLC-E0206"),
    ],
)  # fmt: skip
def test_what_the_api_refuses_or_calico_would_widen_is_an_error(spec: str, code: str) -> None:
    source, line, column = marked(text_of(spec))
    assert places(read(source)[1]) == [(code, line, column)]


@pytest.mark.parametrize(
    "cidr", ["10.0.0.0/33", "10.0.0.1", "all", "''", "10.0.0.0/8/8", "::ffff:10.0.0.0/104"]
)
def test_quirk_14_a_block_that_cannot_be_read_never_means_everybody(cidr: str) -> None:
    resources, found = read(
        text_of(f"podSelector: {{}}\ningress: [{{from: [{{ipBlock: {{cidr: {cidr}}}}}]}}]")
    )
    assert [item.severity for item in found] == [Severity.ERROR]
    for policy in resources:
        assert isinstance(policy, Policy)
        assert policy.ingress == ()


def test_rules_of_a_direction_that_is_not_a_type_are_told() -> None:
    _, found = read(text_of("podSelector: {}\npolicyTypes: [Ingress]\negress: [{}]"))
    assert [item.code for item in found] == ["POLC-W0002"]


def test_what_kubectl_adds_is_ignored() -> None:
    text = """
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata:
      annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"a": 1}'}
      creationTimestamp: "2024-01-01T00:00:00Z"
      generation: 1
      managedFields: [{manager: kubectl, fieldsV1: {f:spec: {}}}]
      name: p
      namespace: shop
      resourceVersion: "1"
      uid: 0-0
      ownerReferences: [{kind: X}]
    spec: {podSelector: {}, policyTypes: [Ingress]}
    status: {}
    """
    resources, found = read(text)
    assert not found
    assert len(resources) == 1


def test_a_staged_kubernetes_policy_is_the_same_policy_staged() -> None:
    text = text_of("podSelector: {}\negress: [{}]").replace("networking.k8s.io/v1", "projectcalico.org/v3")
    (given,), found = read(text.replace("kind: NetworkPolicy", "kind: StagedKubernetesNetworkPolicy"))
    assert not found
    assert isinstance(given, Policy)
    assert (given.staged, given.kind, given.order) == (True, "StagedKubernetesNetworkPolicy", 1000)
    assert given.types == BOTH
