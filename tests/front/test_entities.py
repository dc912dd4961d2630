"""The peers of a rule by port name, by service account and by service: what is read, and what is wrong."""

from __future__ import annotations

import pytest
from polc.compiler.resources import Entity, Policy
from polc.tests.front.reading import marked, places, policy, read


def peer(text: str, kind: str = "NetworkPolicy", direction: str = "ingress", side: str = "source") -> Entity:
    source = policy(f"{direction}: [{{action: Allow, {side}: {text}}}]", kind)
    resources, found = read(source)
    assert not found, found
    (given,) = resources
    assert isinstance(given, Policy)
    (rule,) = given.ingress + given.egress
    return rule.source if side == "source" else rule.destination


def test_names_of_ports_stand_apart_from_numbers() -> None:
    text = (
        "egress: [{action: Allow, protocol: TCP, destination: {ports: ['80', web, '1:2'], notPorts: [db]}}]"
    )
    resources, found = read(policy(text))
    assert not found
    (given,) = resources
    assert isinstance(given, Policy)
    entity = given.egress[0].destination
    assert [(item.first, item.last) for item in entity.ports] == [(80, 80), (1, 2)]
    assert [item.name for item in entity.named_ports] == ["web"]
    assert (entity.not_ports, [item.name for item in entity.not_named_ports]) == ((), ["db"])


def test_names_of_ports_need_no_protocol() -> None:
    assert [item.name for item in peer("{ports: [web, db]}").named_ports] == ["web", "db"]


def test_service_accounts_are_read_by_name_and_by_labels() -> None:
    found = peer("{serviceAccounts: {names: [a, b], selector: team == 'x'}}").service_accounts
    assert found is not None
    assert found.selector is not None
    assert (found.names, str(found.selector.selector)) == (("a", "b"), 'team == "x"')


@pytest.mark.parametrize("empty", ["{}", "{names: []}", "{names: [], selector: ''}", "null"])
def test_empty_service_accounts_ask_for_nothing(empty: str) -> None:
    assert peer(f"{{serviceAccounts: {empty}}}").service_accounts is None


def test_a_service_is_read_where_it_is_far_away() -> None:
    for direction, side in (("ingress", "source"), ("egress", "destination")):
        found = peer(
            "{services: {name: dns, namespace: sys}}", "GlobalNetworkPolicy", direction, side
        ).services
        assert found is not None
        assert (found.name, found.namespace) == ("dns", "sys")
    found = peer("{services: {name: dns}}").services
    assert found is not None
    assert found.namespace == ""


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("ingress: [{action: Allow, destination: {ports: [web, ‸80]}}]", "POLC-E0503"),
        ("ingress: [{action: Allow, protocol: ICMP, destination: {ports: [‸web]}}]", "POLC-E0503"),
        ("ingress: [{action: Allow, protocol: 136, source: {notPorts: [‸web]}}]", "POLC-E0503"),
        ("ingress: [{action: Allow, protocol: TCP, source: {ports: [‸Web]}}]", "POLC-E0501"),
        ("ingress: [{action: Allow, protocol: TCP, source: {ports: [‸name-of-16-chars]}}]", "POLC-E0501"),
        ("ingress: [{action: Allow, source: {services: ‸{namespace: a}}}]", "POLC-E0202"),
        ("ingress: [{action: Allow, source: {services: {name: ‸''}}}]", "POLC-E0202"),
        ("ingress: [{action: Allow, source: {services: {name: a, ‸port: 80}}}]", "POLC-E0206"),
        ("ingress: [{action: Allow, source: {services: {name: a}, selector: ‸all()}}]", "POLC-E0509"),
        ("ingress: [{action: Allow, source: {services: {name: a}, notSelector: ‸all()}}]", "POLC-E0509"),
        ("ingress: [{action: Allow, source: {services: {name: a}, namespaceSelector: ‸all()}}]",
         "POLC-E0509"),
        ("ingress: [{action: Allow, source: {services: {name: a}, nets: ‸[10.0.0.0/8]}}]", "POLC-E0509"),
        ("ingress: [{action: Allow, source: {services: {name: a}, notNets: ‸[10.0.0.0/8]}, ipVersion: 4}]",
         "POLC-E0509"),
        ("ingress: [{action: Allow, source: {services: {name: a}, serviceAccounts: ‸{names: [b]}}}]",
         "POLC-E0509"),
        ("egress: [{action: Allow, protocol: TCP, destination: {services: {name: a}, ports: ‸[80]}}]",
         "POLC-E0509"),
        ("egress: [{action: Allow, destination: {services: {name: a}, notPorts: ‸[web]}}]", "POLC-E0509"),
        ("ingress: [{action: Allow, destination: {services: {name: ‸a}}}]", "POLC-E0509"),
        ("egress: [{action: Allow, source: {services: {name: ‸a}}}]", "POLC-E0509"),
        ("ingress: [{action: Allow, source: {serviceAccounts: {names: [a, ‸a]}}}]", "POLC-E0210"),
        ("ingress: [{action: Allow, source: {serviceAccounts: {names: [‸'']}}}]", "POLC-E0207"),
        ("ingress: [{action: Allow, source: {serviceAccounts: {selector: 'a ‸= 1'}}}]", "POLC-E0601"),
    ],
)  # fmt: skip
def test_a_wrong_peer_is_reported_at_its_place(spec: str, code: str) -> None:
    text, line, column = marked(policy(spec))
    assert places(read(text)[1]) == [(code, line, column)]


def test_a_service_may_stand_beside_ports_of_its_own_side_when_it_is_the_source() -> None:
    text = "ingress: [{action: Allow, protocol: TCP, source: {services: {name: a}, ports: [80]}}]"
    assert read(policy(text))[1] == []


def test_a_global_policy_must_say_the_namespace_of_a_service() -> None:
    spec = "ingress: [{action: Allow, source: {services: {name: ‸a}}}]"
    text, line, column = marked(policy(spec, "GlobalNetworkPolicy"))
    assert places(read(text)[1]) == [("POLC-E0509", line, column)]
