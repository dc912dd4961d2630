"""What a right policy reads as: defaults, typing from text, and the places that later stages point at."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from polc.compiler.ir.nodes import Action
from polc.compiler.resources import Metadata, Namespace, Policy
from polc.compiler.selector import All, Compare, Global
from polc.pair.layout import Direction
from polc.tests.front.reading import marked, only, policy, read, rule

IN, OUT = Direction.INGRESS, Direction.EGRESS
RULES = "[{action: Allow}]"


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ("{}", {IN}),
        ("selector: all()", {IN}),
        (f"ingress: {RULES}", {IN}),
        (f"egress: {RULES}", {OUT}),
        (f"ingress: {RULES}\negress: {RULES}", {IN, OUT}),
        (f"ingress: []\negress: {RULES}", {OUT}),
        ("ingress: []\negress: []", {IN}),
        ("egress: []", {IN}),
        ("types: [Egress]", {OUT}),
        ("types: [Egress, Ingress]", {IN, OUT}),
    ],
)
def test_types_default_by_the_number_of_rules(spec: str, types: set[Direction]) -> None:
    """QUIRK 1 of the dossier."""
    (resource,), found = read(policy(spec))
    assert isinstance(resource, Policy)
    assert resource.types == types
    empties = sum(f"{name}: []" in spec for name in ("ingress", "egress"))
    assert [item.code for item in found] == ["POLC-W0001"] * empties


def test_rules_outside_of_types_are_kept_and_warned_of() -> None:
    (resource,), found = read(policy(f"types: [Ingress]\negress: {RULES}"))
    assert isinstance(resource, Policy)
    assert len(resource.egress) == 1
    assert resource.types == {IN}
    assert [item.code for item in found] == ["POLC-W0002"]


@pytest.mark.parametrize(
    ("text", "order"),
    [("1", 1.0), ("-2.5", -2.5), ("1e3", 1000.0), (".5", 0.5), ("0", 0.0), ("null", None), ("0.5", 0.5)],
)
def test_an_order_is_any_finite_number(text: str, order: float | None) -> None:
    assert only(policy(f"order: {text}")).order == order


def test_texts_that_yaml_would_type_stay_texts() -> None:
    resources, found = read(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: 010\n"
        "  labels: {a: no, b: 010, c: 1e3, d: true, e: , f: 2020-01-01, g: '', on: off}\n"
    )
    assert not found
    (resource,) = resources
    assert isinstance(resource, Namespace)
    assert resource.metadata.name == "010"
    assert resource.metadata.labels == {
        "a": "no", "b": "010", "c": "1e3", "d": "true", "e": "", "f": "2020-01-01", "g": "", "on": "off",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("80", (80, 80)),
        ("'80'", (80, 80)),
        ("'010'", (10, 10)),
        ("8000:8999", (8000, 8999)),
        ("'1:65535'", (1, 65535)),
        ("7:7", (7, 7)),
    ],
)
def test_a_port_is_a_number_or_a_text(text: str, bounds: tuple[int, int]) -> None:
    (port,) = only(rule(f"action: Allow\nprotocol: TCP\nsource: {{ports: [{text}]}}")).ingress[0].source.ports
    assert (port.first, port.last) == bounds


@pytest.mark.parametrize(
    ("text", "number", "name"),
    [
        ("TCP", 6, "TCP"),
        ("UDP", 17, "UDP"),
        ("ICMP", 1, "ICMP"),
        ("ICMPv6", 58, "ICMPv6"),
        ("SCTP", 132, "SCTP"),
        ("UDPLite", 136, "UDPLite"),
        ("6", 6, None),
        ("'17'", 17, None),
        ("255", 255, None),
    ],
)
def test_a_protocol_is_an_exact_name_or_a_number(text: str, number: int, name: str | None) -> None:
    protocol = only(rule(f"action: Deny\nprotocol: {text}")).ingress[0].protocol
    assert protocol is not None
    assert (protocol.number, protocol.name) == (number, name)


def test_a_rule_with_every_field_reads() -> None:
    given = only(
        rule(
            """
            action: Log
            ipVersion: 4
            protocol: TCP
            notProtocol: UDP
            notICMP: {type: 8, code: 0}
            metadata: {annotations: {why: because}}
            source:
              nets: [10.0.0.0/8]
              notNets: [10.1.0.0/16]
              ports: [1, "2:3"]
              notPorts: ["2"]
              selector: a == "b"
              notSelector: global()
              namespaceSelector: " global() "
            destination: {}
            """
        )
    ).ingress[0]
    assert given.action is Action.LOG
    assert given.ip_version == 4
    assert given.not_protocol is not None
    assert given.not_protocol.number == 17
    assert given.not_icmp is not None
    assert (given.not_icmp.type, given.not_icmp.code) == (8, 0)
    assert given.annotations == {"why": "because"}
    assert [net.network for net in given.source.nets] == [IPv4Network("10.0.0.0/8")]
    assert [net.network for net in given.source.not_nets] == [IPv4Network("10.1.0.0/16")]
    assert [(port.first, port.last) for port in given.source.ports] == [(1, 1), (2, 3)]
    assert [(port.first, port.last) for port in given.source.not_ports] == [(2, 2)]
    assert given.source.selector is not None
    assert isinstance(given.source.selector.selector, Compare)
    assert given.source.not_selector is not None
    assert given.source.namespace_selector is not None
    assert given.source.namespace_selector.selector == Global()
    assert given.destination.nets == ()


@pytest.mark.parametrize("action", ["Allow", "Deny", "Log", "Pass"])
def test_each_action_reads(action: str) -> None:
    assert only(rule(f"action: {action}")).ingress[0].action is Action[action.upper()]


def test_an_empty_selector_is_none_and_a_blank_one_is_all() -> None:
    assert only(policy("selector: ''")).selector is None
    assert only(policy("selector:")).selector is None
    blank = only(policy("selector: ' '")).selector
    assert blank is not None
    assert blank.selector == All()


def test_an_empty_icmp_match_is_none() -> None:
    given = only(rule("action: Allow\nprotocol: ICMP\nicmp: {}\nnotICMP: {}")).ingress[0]
    assert given.icmp is None
    assert given.not_icmp is None


def test_namespaces_default_and_cluster_kinds_have_none() -> None:
    def metadata(kind: str, extra: str = "") -> Metadata:
        text = (
            f"apiVersion: crd.projectcalico.org/v1\nkind: {kind}\nmetadata: {{name: a{extra}}}\nspec: {{}}\n"
        )
        (resource,), found = read(text)
        assert not found
        return resource.metadata

    assert metadata("NetworkPolicy").namespace == "default"
    assert metadata("NetworkPolicy", ", namespace: b").namespace == "b"
    assert metadata("NetworkSet").namespace == "default"
    assert metadata("GlobalNetworkPolicy").namespace == ""
    assert metadata("GlobalNetworkSet").namespace == ""


@pytest.mark.parametrize("name", ["a", "default.a", "knp.default.a.b.c", "ossg.default.x.y", "0-9"])
def test_network_policies_take_calicos_names(name: str) -> None:
    (resource,), found = read(policy("{}").replace("name: p", f"name: {name}"))
    assert not found
    assert resource.metadata.name == name


def test_places_point_at_names_actions_and_values() -> None:
    text, line, column = marked(policy("ingress:\n  - action: ‸Allow\n    source: {nets: [10.0.0.0/8]}"))
    given = only(text)
    assert (given.at.line, given.at.column) == (3, 18)
    first = given.ingress[0]
    assert (first.at.line, first.at.column) == (line, column)
    assert (first.source.at.line, first.source.at.column) == (7, 15)
    assert (first.source.nets[0].at.line, first.source.nets[0].at.column) == (7, 23)


def test_one_familys_negation_alone_is_warned_of() -> None:
    """QUIRK 5 of the dossier."""
    _, found = read(rule("action: Deny\nsource: {notNets: [10.0.0.0/8]}"))
    assert [item.code for item in found] == ["POLC-W0003"]
    assert read(rule("action: Deny\nipVersion: 4\nsource: {notNets: [10.0.0.0/8]}"))[1] == []


def test_a_rewritten_all_is_warned_of() -> None:
    """QUIRK 4 of the dossier."""
    _, found = read(policy("selector: all() || has(a)\nnamespaceSelector: has(b)", "GlobalNetworkPolicy"))
    assert [item.code for item in found] == ["POLC-W0004"]
