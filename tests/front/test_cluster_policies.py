"""ClusterNetworkPolicy becomes the Calico policy of the dossier's §8, or an error when it cannot."""

from __future__ import annotations

import textwrap

import pytest
from polc.compiler.ir.nodes import Action
from polc.compiler.resources import Policy
from polc.compiler.selector import canonical
from polc.pair.layout import Direction
from polc.tests.front.reading import marked, places, read
from polc.tests.front.test_kubernetes_policies import OF_PODS, shown

HEAD = (
    "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: p}\nspec:\n"
)
FRAME = "tier: Admin\npriority: 5\nsubject: {namespaces: {}}\n"
ALL = "from: [{namespaces: {}}]"


def text_of(spec: str) -> str:
    return HEAD + textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ") + "\n"


def only(spec: str) -> Policy:
    resources, found = read(text_of(spec))
    assert not found, found
    (policy,) = resources
    assert isinstance(policy, Policy)
    return policy


def test_tier_and_priority_place_the_policy() -> None:
    policy = only(FRAME)
    assert (policy.kind, policy.tier, policy.order) == ("KubernetesClusterNetworkPolicy", "kube-admin", 5)
    assert only(FRAME.replace("Admin", "Baseline")).tier == "kube-baseline"
    assert policy.metadata.namespace == ""


@pytest.mark.parametrize(
    ("subject", "pods", "namespaces"),
    [
        ("{namespaces: {}}", OF_PODS, "all()"),
        ("{namespaces: {matchLabels: {a: b}}}", OF_PODS, 'a == "b"'),
        (
            "{pods: {namespaceSelector: {matchLabels: {a: b}}, podSelector: {matchLabels: {c: d}}}}",
            f'({OF_PODS} && c == "d")',
            'a == "b"',
        ),
        ("{pods: {namespaceSelector: {}, podSelector: {}}}", OF_PODS, "all()"),
    ],
)
def test_the_subject_is_pods_of_namespaces(subject: str, pods: str, namespaces: str) -> None:
    policy = only(f"tier: Admin\npriority: 5\nsubject: {subject}")
    assert policy.selector is not None
    assert policy.namespace_selector is not None
    assert canonical(policy.selector.selector) == pods
    assert canonical(policy.namespace_selector.selector) == namespaces


def test_types_are_the_directions_that_have_rules() -> None:
    assert only(FRAME).types == frozenset()
    assert only(f"{FRAME}ingress: [{{action: Deny, {ALL}}}]").types == {Direction.INGRESS}
    both = (
        f"{FRAME}ingress: [{{action: Deny, {ALL}}}]\negress: [{{action: Deny, to: [{{namespaces: {{}}}}]}}]"
    )
    assert only(both).types == {Direction.INGRESS, Direction.EGRESS}


def test_actions_and_rule_names() -> None:
    rules = ", ".join(f"{{name: r-{word}, action: {word}, {ALL}}}" for word in ("Accept", "Deny", "Pass"))
    policy = only(f"{FRAME}ingress: [{rules}]")
    assert [rule.action for rule in policy.ingress] == [Action.ALLOW, Action.DENY, Action.PASS]
    assert [rule.annotations for rule in policy.ingress] == [
        {"name": "r-Accept"}, {"name": "r-Deny"}, {"name": "r-Pass"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("namespaces: {matchLabels: {a: b}}", 'namespace_selector a == "b"'),
        ("namespaces: {}", "namespace_selector all()"),
        (
            "pods: {namespaceSelector: {}, podSelector: {matchLabels: {c: d}}}",
            f'selector ({OF_PODS} && c == "d") namespace_selector all()',
        ),
        ("networks: [10.0.0.1/8, 'fd00::/8']", "in 10.0.0.0/8 in fd00::/8"),
    ],
)
def test_a_peer_becomes_selectors_or_networks(peer: str, expected: str) -> None:
    policy = only(f"{FRAME}egress: [{{action: Accept, to: [{{{peer}}}]}}]")
    assert [shown(rule, rule.destination) for rule in policy.egress] == [f"any all {expected}"]


@pytest.mark.parametrize(
    ("protocols", "expected"),
    [
        ("[]", ["any all"]),
        ("[{tcp: {}}]", ["TCP all"]),
        ("[{tcp: {destinationPort: {number: 80}}}]", ["TCP 80-80"]),
        (
            "[{udp: {destinationPort: {range: {start: 1, end: 9}}}}, {sctp: {destinationPort: {number: 7}}}]",
            ["SCTP 7-7", "UDP 1-9"],
        ),
        ("[{tcp: {destinationPort: {number: 80}}}, {tcp: null}]", ["TCP all"]),
        ("[{destinationNamedPort: web}, {tcp: {destinationPort: {number: 80}}}]", ["any web", "TCP 80-80"]),
    ],
)
def test_protocols_are_grouped(protocols: str, expected: list[str]) -> None:
    rule = f"{{action: Accept, from: [{{namespaces: {{}}}}], protocols: {protocols}}}"
    if "null" in protocols:
        rule = rule.replace("tcp: null", "tcp: {}")
    policy = only(f"{FRAME}ingress: [{rule}]")
    assert [
        shown(rule, rule.source).removesuffix(" namespace_selector all()") for rule in policy.ingress
    ] == (expected)


def protocol(text: str) -> str:
    return f"{FRAME}ingress: [{{action: Deny, {ALL}, protocols: [{text}]}}]"


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("‸tier: Adm\npriority: 1\nsubject: {namespaces: {}}".replace("‸tier: ", "tier: ‸"), "POLC-E0208"),
        ("tier: Admin\npriority: ‸1001\nsubject: {namespaces: {}}", "POLC-E0209"),
        ("tier: Admin\npriority: 1\nsubject: ‸{}", "POLC-E0202"),
        ("tier: Admin\npriority: 1\nsubject: {pods: ‸{namespaceSelector: {}}}", "POLC-E0202"),
        (f"{FRAME}ingress: [‸{{{ALL}}}]", "POLC-E0202"),
        (f"{FRAME}ingress: [{{action: ‸Allow, {ALL}}}]", "POLC-E0208"),
        (f"{FRAME}ingress: [‸{{action: Deny}}]", "POLC-E0202"),
        (f"{FRAME}ingress: [{{action: Deny, from: ‸[]}}]", "POLC-E0202"),
        (f"{FRAME}ingress: [{{action: Deny, from: [‸{{}}]}}]", "POLC-E0202"),
        (f"{FRAME}ingress: [{{action: Deny, from: [{{‸networks: [10.0.0.0/8]}}]}}]", "POLC-E0206"),
        (f"{FRAME}egress: [{{action: Deny, to: [{{‸nodes: {{}}}}]}}]", "POLC-E0205"),
        (f"{FRAME}egress: [{{action: Accept, to: [{{‸domainNames: [a.example]}}]}}]", "POLC-E0205"),
        (f"{FRAME}egress: [{{action: Pass, to: [{{networks: [‸10.0.0.1]}}]}}]", "POLC-E0403"),
        (f"{FRAME}egress: [{{action: Pass, to: [‸{{networks: [10.0.0.0/8], namespaces: {{}}}}]}}]",
         "POLC-E0202"),
        (protocol("‸{}"), "POLC-E0202"),
        (protocol("{‸icmp: {}}"), "POLC-E0206"),
        (protocol("‸{tcp: {}, udp: {}}"), "POLC-E0202"),
        (protocol("{tcp: {destinationPort: ‸{}}}"), "POLC-E0202"),
        (protocol("{tcp: {destinationPort: {number: ‸0}}}"), "POLC-E0209"),
        (protocol("{tcp: {destinationPort: {range: {start: 5, end: ‸5}}}}"), "POLC-E0502"),
        (protocol("{destinationNamedPort: ‸Web}"), "POLC-E0301"),
        (f"{FRAME}ingress: [{{name: ‸{'n' * 101}, action: Deny, {ALL}}}]", "POLC-E0301"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_an_error(spec: str, code: str) -> None:
    source, line, column = marked(text_of(spec))
    found = places(read(source)[1])
    assert found[:1] == [(code, line, column)]


def test_the_bounds_of_the_api_hold() -> None:
    rules = ", ".join([f"{{action: Deny, {ALL}}}"] * 26)
    _, found = read(text_of(f"{FRAME}ingress: [{rules}]"))
    assert [item.code for item in found] == ["POLC-E0211"]


@pytest.mark.parametrize("field", ["tier", "priority", "subject"])
def test_what_places_the_policy_is_required(field: str) -> None:
    spec = "\n".join(line for line in FRAME.splitlines() if not line.startswith(field))
    resources, found = read(text_of(spec))
    assert resources == ()
    assert [item.code for item in found] == ["POLC-E0202"]
    assert field in found[0].message
