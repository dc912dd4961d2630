"""A rule that asks for ports of endpoints is the same as its alternatives, of which one holds at most."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from polc.compiler.ir.nodes import Action, EndpointPorts, MatchEndpointPort, MatchProtocol, Rule, Side
from polc.compiler.ir.rewrite import rules_of
from polc.compiler.ir.text import rule_text
from polc.compiler.model.walk import Walk
from polc.compiler.plan.alternatives import alternative_count, alternatives
from polc.compiler.plan.build import PlanLimitError, build
from polc.compiler.plan.plan import RULE_LIMIT
from polc.pair.layout import Direction
from polc.tests.passes.programs import random_packet, random_program
from polc.tests.plan.test_build import program

WEB = MatchEndpointPort(
    Side.DESTINATION,
    (
        EndpointPorts(6, ((443, 443),), None),
        EndpointPorts(6, ((80, 80),), "$0"),
        EndpointPorts(17, ((53, 53),), "$0"),
    ),
)
NOT_WEB = MatchEndpointPort(Side.DESTINATION, WEB.entries[1:], negated=True)


def texts(*criteria: MatchEndpointPort | MatchProtocol) -> list[str]:
    return [rule_text(item) for item in alternatives(Rule(7, Action.ALLOW, criteria))]


def test_alternatives_are_plain_rules_of_one_index() -> None:
    assert texts(WEB) == [
        "#7 allow: proto 6, dst port 443",
        "#7 allow: proto 6, dst in $0, dst port 80",
        "#7 allow: proto 17, dst in $0, dst port 53",
    ]


def test_what_is_excluded_leaves_other_protocols_other_addresses_and_other_ports() -> None:
    assert texts(NOT_WEB) == [
        "#7 allow: proto not 6, proto not 17",
        "#7 allow: proto 6, dst not in $0",
        "#7 allow: proto 6, dst in $0, dst port not 80",
        "#7 allow: proto 17, dst not in $0",
        "#7 allow: proto 17, dst in $0, dst port not 53",
    ]


def test_alternatives_of_another_protocol_than_the_rule_s_are_left_out() -> None:
    assert texts(MatchProtocol(17), WEB) == ["#7 allow: proto 17, dst in $0, dst port 53"]
    assert texts(MatchProtocol(132), WEB) == []


def test_a_rule_holds_where_exactly_one_of_its_alternatives_does() -> None:
    random = Random("alternatives")
    seen: Counter[tuple[int, bool]] = Counter()
    for _ in range(150):
        made = random_program(random)
        walk = Walk.of(made)
        packets = [random_packet(random) for _ in range(30)]
        for direction in Direction:
            for rule in rules_of(made.judge(direction)):
                plain = alternatives(rule)
                assert len(plain) <= alternative_count(rule)
                for packet in packets:
                    holding = sum(walk.matches(item, packet) for item in plain)
                    assert holding == walk.matches(rule, packet), rule_text(rule)
                    seen[min(len(plain), 2), bool(holding)] += 1
    assert min(seen[2, False], seen[2, True]) > 300


def test_every_bit_of_a_rule_has_its_index() -> None:
    plan = build(program((WEB,), (NOT_WEB,), (), actions=(Action.ALLOW, Action.LOG, Action.DENY))).ingress
    assert [index for index, _ in plan.tiers[0].rules] == [0, 0, 0, 2]
    assert plan.tiers[0].logs == (1, 1, 1, 1, 1)


def test_a_rule_of_too_many_groups_is_refused_before_it_is_written_out() -> None:
    entries = tuple(EndpointPorts(6, ((port, port),), "$0") for port in range(1, 100))
    criteria = tuple(MatchEndpointPort(side, entries) for side in Side)
    with pytest.raises(PlanLimitError, match=str(RULE_LIMIT)):
        build(program(criteria))
