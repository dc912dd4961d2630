"""An explanation ends where the model decides, and names of each rule the criterion that failed first."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from random import Random

import pytest
from polc.compiler.model import Model, parse_packet
from polc.compiler.model.walk import Walk
from polc.judge.compiled import Policies, Whom
from polc.judge.deciders import resolved_deciders
from polc.judge.ends import End
from polc.judge.explaining import Explanation, Staged, explain
from polc.judge.packets import Wanted
from polc.judge.walking import WalkedRule, Walker, matching
from polc.pair.layout import Direction
from polc.tests.differential.subjects import DIRECTIONS, read_texts
from polc.tests.generators.frames import frame_of
from polc.tests.generators.styles import plain_text
from polc.tests.generators.worlds import build_world
from polc.tests.judge.worlds import CLIENT, CLIENT_ADDRESS, WEB, WEB_ADDRESS, read, shop, to_web

INGRESS = (End(WEB, Direction.INGRESS),)


def rules(explanation: Explanation) -> list[WalkedRule]:
    """Every rule of the first judgement's walk."""
    walk = explanation.judgements[0].walk
    return [rule for tier in walk for policy in tier.policies for rule in policy.rules]


@pytest.mark.parametrize(
    ("rule", "wanted", "because"),
    [
        ("{action: Allow, protocol: UDP}", to_web(), "protocol TCP is not UDP"),
        ("{action: Allow, notProtocol: TCP}", to_web(), "protocol TCP is excluded"),
        ("{action: Allow, ipVersion: 6}", to_web(), "the packet is IPv4, the rule is for IPv6"),
        (
            "{action: Allow, protocol: TCP, destination: {ports: [443, '8000:8099', 80]}}",
            to_web(dport=81),
            "destination port 81 is not in 80, 443, 8000:8099",
        ),
        (
            "{action: Allow, protocol: TCP, source: {notPorts: ['1:50000']}}",
            to_web(),
            "source port 40000 is in the excluded 1:50000",
        ),
        (
            "{action: Allow, source: {nets: [10.0.0.0/16, 192.0.2.0/24]}}",
            to_web(),
            "source 10.77.1.2 (front/client) is not in 10.0.0.0/16, 192.0.2.0/24",
        ),
        (
            "{action: Allow, source: {notNets: [10.0.0.0/8]}}",
            to_web(),
            "source 10.77.1.2 (front/client) is in the excluded 10.0.0.0/8",
        ),
        (
            "{action: Allow, source: {nets: [10.0.0.0/8], selector: app == 'client'}}",
            to_web(),
            "source 10.77.1.2 (front/client) is not selected by selector `app == 'client'` and in namespace"
            " shop (0 networks)",
        ),
        (
            "{action: Allow, source: {nets: [10.0.0.0/8], notNets: [10.77.1.0/24], selector: has(app)}}",
            to_web(),
            "source 10.77.1.2 (front/client) is in the excluded 10.77.1.0/24",
        ),
        (
            "{action: Allow, source: {selector: has(app), notSelector: app == 'client',"
            " namespaceSelector: all()}}",
            to_web(),
            "source 10.77.1.2 (front/client) is not selected by selector `has(app)`, notSelector"
            " `app == 'client'`, namespaceSelector `all()` (2 networks)",
        ),
        (
            "{action: Allow, protocol: TCP, destination: {ports: [db, 443]}}",
            to_web(),
            "destination 10.77.2.2 (shop/web), TCP port 80, is none of the ports `db`, 443",
        ),
        (
            "{action: Allow, destination: {notPorts: [http]}}",
            to_web(),
            "destination 10.77.2.2 (shop/web), TCP port 80, is one of the excluded ports `http`",
        ),
        (
            "{action: Allow, source: {services: {name: api}}}",
            to_web(),
            "source 10.77.1.2 (front/client) is no address of service shop/api",
        ),
        (
            "{action: Allow, source: {serviceAccounts: {names: [a, b], selector: has(x)}, selector: all()}}",
            to_web(),
            "source 10.77.1.2 (front/client) is not selected by serviceAccounts `has(x)`, serviceAccounts"
            " a, b, selector `all()`, in namespace shop (0 networks)",
        ),
        (
            "{action: Allow, protocol: ICMP, icmp: {type: 8, code: 0}}",
            replace(to_web(1), icmp_type=13),
            "ICMP type 13 code 0 is not type 8 code 0",
        ),
        (
            "{action: Allow, protocol: ICMP, notICMP: {type: 8}}",
            replace(to_web(1), icmp_type=8),
            "ICMP type 8 code 0 is excluded (type 8)",
        ),
    ],
)
def test_the_failed_criterion_is_said_with_its_values(rule: str, wanted: Wanted, because: str) -> None:
    explanation = explain(shop(f"[{rule}]"), wanted, INGRESS)
    assert explanation.verdict == "deny"
    assert [(one.result, one.because) for one in rules(explanation)] == [("no match", because)]


def test_a_service_is_named_in_its_own_words() -> None:
    policies = shop("[{action: Allow, destination: {services: {name: api, namespace: front}}}]", "egress")
    wanted = replace(to_web(), source=WEB_ADDRESS, destination=CLIENT_ADDRESS)
    explanation = explain(policies, wanted, (End(WEB, Direction.EGRESS),))
    assert [one.because for one in rules(explanation)] == [
        "destination 10.77.1.2 (front/client), TCP port 80, is no endpoint of service front/api"
    ]


def test_a_long_list_is_cut_and_counted() -> None:
    nets = ", ".join(f"192.0.2.{number}/32" for number in range(1, 20, 2))
    explanation = explain(shop(f"[{{action: Allow, source: {{nets: [{nets}]}}}}]"), to_web(), INGRESS)
    assert rules(explanation)[0].because.endswith("192.0.2.7/32 and 6 more")


def test_log_goes_on_and_pass_leaves_the_tier() -> None:
    explanation = explain(shop("[{action: Log}, {action: Pass}, {action: Deny}]"), to_web(), INGRESS)
    assert explanation.verdict == "allow"
    assert [one.result for one in rules(explanation)] == ["logged", "passed"]
    assert explanation.judgements[0].rule == "end"
    assert explanation.judgements[0].walk[0].result == "passed"


def test_a_packet_that_no_policy_is_asked_about_has_no_walk() -> None:
    reply = explain(shop("[{action: Allow}]"), replace(to_web(1), icmp_type=0), INGRESS).judgements[0]
    assert (reply.verdict, reply.rule, reply.walk) == ("deny", "", ())
    assert "belongs to a flow that was allowed" in reply.why
    near = Wanted(58, ip_address("fd77:1::9"), ip_address("fd77:2::2"), icmp_type=135)
    solicitation = explain(shop("[]"), near, INGRESS).judgements[0]
    assert (solicitation.verdict, solicitation.walk) == ("allow", ())


def test_both_ends_must_allow() -> None:
    ends = (End(CLIENT, Direction.EGRESS), *INGRESS)
    allowed = explain(shop("[{action: Allow, protocol: TCP}]"), to_web(), ends)
    denied = explain(shop("[{action: Allow, protocol: TCP}]"), to_web(17), ends)
    assert [one.verdict for one in allowed.judgements] == ["allow", "allow"]
    assert allowed.verdict == "allow"
    assert [one.verdict for one in denied.judgements] == ["allow", "deny"]
    assert denied.verdict == "deny"


HOST = """
{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: node-1, labels: {host: a}},
 spec: {node: node-1, interfaceName: eth0, expectedIPs: [10.0.0.5]}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: hosts},
 spec: {selector: has(host), ingress: [{action: Allow, protocol: TCP, destination: {ports: [9100]}}]}}
---
{apiVersion: projectcalico.org/v3, kind: StagedGlobalNetworkPolicy, metadata: {name: would},
 spec: {selector: has(host), order: 1, ingress: [{action: Deny, protocol: TCP}]}}
"""


@pytest.mark.parametrize(
    ("destination", "port", "verdict", "rule"),
    [
        ("10.0.0.5", 22, "allow", "failsafe"),
        ("10.0.0.5", 80, "deny", "tier-default"),
        ("10.0.0.5", 9100, "allow", "GlobalNetworkPolicy/hosts/ingress/0"),
        ("10.9.9.9", 80, "allow", "forwarded"),
    ],
)
def test_a_host_is_explained_with_what_holds_for_every_host(
    destination: str, port: int, verdict: str, rule: str
) -> None:
    wanted = Wanted(6, ip_address("192.0.2.1"), ip_address(destination), 1, port)
    explanation = explain(read(HOST), wanted, (End(Whom("", "node-1"), Direction.INGRESS),))
    found = explanation.judgements[0]
    assert (found.endpoint, found.verdict, found.rule) == ("node-1", verdict, rule)
    assert all(one.because for one in rules(explanation) if one.result == "no match")


def test_what_staged_policies_would_do_is_told_where_it_differs() -> None:
    def staged(port: int) -> Staged | None:
        wanted = Wanted(6, ip_address("192.0.2.1"), ip_address("10.0.0.5"), 1, port)
        return explain(read(HOST), wanted, (End(Whom("", "node-1"), Direction.INGRESS),)).judgements[0].staged

    told = staged(9100)
    assert told is not None
    assert (told.verdict, told.rule) == ("deny", "StagedGlobalNetworkPolicy/would/ingress/0")
    assert told.at == "policy.yaml:9:59"
    assert staged(80) is None


@pytest.mark.parametrize("seed", range(12))
def test_every_walk_ends_with_the_rule_that_the_model_decides_by(seed: int) -> None:
    world, rng = build_world(seed), Random(seed)
    policies = Policies(read_texts({"world.yaml": plain_text(world.objects)}))
    resolved = policies.judged(Whom(*world.subject)).resolved
    walker, asked = Walker(policies.world, resolved), Walk.of(resolved.program)
    judged = 0
    for word, direction in DIRECTIONS.items():
        deciders = resolved_deciders(resolved)[direction]
        for generated in world.packets(rng, word, 60):
            packet = parse_packet(frame_of(generated))
            outcome = Model(resolved.program).step_packet(direction, packet, 0.0)
            if not outcome.judged or outcome.rule is None:
                continue
            judged += 1
            tried = [
                rule
                for tier in walker.walk(direction, packet)
                for policy in tier.policies
                for rule in policy.rules
            ]
            decided = [one.rule for one in tried if one.result == "decided"]
            name = deciders[outcome.rule].rule
            assert decided == ([name] if "/" in name else [])
            assert [one.rule for one in tried if one.result == "logged"] == [
                deciders[index].rule for index in outcome.logs
            ]
            assert all(one.because for one in tried if one.result == "no match")
            matched = matching(asked, resolved.program.judge(direction), packet)
            assert [deciders[rule.index].rule for rule in matched] == [
                one.rule for one in tried if one.result != "no match"
            ]
    assert judged > 60
