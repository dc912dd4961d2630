"""Each rule field becomes the criteria that dossier §3 and §4 say, in one fixed order."""

from __future__ import annotations

import pytest
from polc.compiler.resolve import World
from polc.tests.resolve.inventory import document, ir, world_of

POD = document("Pod", "web", "10.0.0.1", labels="{app: web}", namespace="shop")


def one_rule(rule: str) -> list[str]:
    """The prefixes of the sets, then the criteria, of a NetworkPolicy's single ingress rule."""
    policy = document("NetworkPolicy", "p", f"{{types: [Ingress], ingress: [{rule}]}}", namespace="shop")
    lines = [line.strip() for line in ir(world_of(POD, policy), "web").splitlines()]
    sets = [line for line in lines[1 : lines.index("ingress")] if not line.startswith("set ")]
    (rule_line,) = [line for line in lines if line.startswith("#")]
    return [*sets, rule_line]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{action: Allow}", ["#0 allow"]),
        ("{action: Log, protocol: TCP}", ["#0 log: proto 6"]),
        ("{action: Pass, protocol: 47}", ["#0 pass: proto 47"]),
        ("{action: Deny, notProtocol: UDPLite}", ["#0 deny: proto not 136"]),
        ("{action: Deny, ipVersion: 6}", ["#0 deny: version 6"]),
        # §4.2: by name these imply the family, by number they do not; notProtocol never does.
        ("{action: Allow, protocol: ICMP}", ["#0 allow: version 4, proto 1"]),
        ("{action: Allow, protocol: ICMPv6}", ["#0 allow: version 6, proto 58"]),
        ("{action: Allow, protocol: 1}", ["#0 allow: proto 1"]),
        ("{action: Allow, protocol: 58}", ["#0 allow: proto 58"]),
        ("{action: Allow, notProtocol: ICMP}", ["#0 allow: proto not 1"]),
        (
            "{action: Allow, protocol: ICMP, icmp: {type: 8, code: 0}}",
            ["#0 allow: version 4, proto 1, icmp 8/0"],
        ),
        ("{action: Allow, notICMP: {type: 3}}", ["#0 allow: icmp not 3"]),
        ("{action: Allow, source: {nets: [10.0.0.0/8, 10.1.0.0/16]}}", ["10.0.0.0/8", "#0 allow: src in $0"]),
        ("{action: Allow, destination: {nets: ['fd00::/8']}}", ["fd00::/8", "#0 allow: dst in $0"]),
        # QUIRK 5: a rule with notNets of one family says nothing about the other.
        (
            "{action: Allow, source: {notNets: [10.0.0.0/8]}}",
            ["10.0.0.0/8", "#0 allow: version 4, src not in $0"],
        ),
        (
            "{action: Allow, destination: {notNets: ['fd00::/8']}}",
            ["fd00::/8", "#0 allow: version 6, dst not in $0"],
        ),
        (
            "{action: Allow, protocol: TCP, destination: {ports: [443, 80, '81:90', 85, '91:95']}}",
            ["#0 allow: proto 6, dst port 80-95|443"],
        ),
        (
            "{action: Allow, protocol: SCTP, source: {notPorts: [7]}}",
            ["#0 allow: proto 132, src port not 7"],
        ),
        # A selector that selects nothing is an empty set: it never holds, and its negation always does.
        ("{action: Allow, source: {selector: app == 'nobody'}}", ["#0 allow: src in $0"]),
    ],
)
def test_a_field_becomes_its_criterion(rule: str, expected: list[str]) -> None:
    assert one_rule(rule) == expected


def test_all_fields_together_keep_calico_s_order_and_share_equal_sets() -> None:
    rule = (
        "{action: Allow, ipVersion: 4, protocol: UDP, notProtocol: TCP, notICMP: {type: 8},"
        " source: {nets: [10.0.0.1/32], notNets: [10.9.0.0/16], selector: app == 'web',"
        " ports: [1], notPorts: [2]},"
        " destination: {nets: [10.9.0.0/16], notNets: [10.8.0.0/16], selector: app == 'x',"
        " ports: [3], notPorts: [4]}}"
    )
    assert one_rule(rule) == [
        "10.0.0.1/32",
        "10.9.0.0/16",
        "10.8.0.0/16",
        "#0 allow: version 4, proto 17, proto not 6, src in $0, src not in $1, dst in $1, dst not in $2,"
        " src in $0, dst in $3, src port 1, src port not 2, dst port 3, dst port not 4, icmp not 8",
    ]


@pytest.fixture
def world() -> World:
    return world_of(
        POD,
        document(
            "NetworkPolicy",
            "p",
            "{types: [Ingress, Egress], egress: [{action: Deny, protocol: UDP}],"
            " ingress: [{action: Allow, protocol: TCP}, {action: Log}]}",
            namespace="shop",
        ),
    )


def test_sides_and_directions_are_the_policy_s_words(world: World) -> None:
    assert ir(world, "web") == (
        "polc-ir 1\n"
        "ingress\n"
        "  tier default: deny #2\n"
        "    policy NetworkPolicy/shop/p\n"
        "      #0 allow: proto 6\n"
        "      #1 log\n"
        "  end: allow #3\n"
        "egress\n"
        "  tier default: deny #1\n"
        "    policy NetworkPolicy/shop/p\n"
        "      #0 deny: proto 17\n"
        "  end: allow #2\n"
    )
