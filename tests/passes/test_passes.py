"""Every pass keeps verdicts, indices and logs, and does what its docstring shows."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from polc.compiler.ir.check import check
from polc.compiler.ir.nodes import Program
from polc.compiler.ir.rewrite import rules_of
from polc.compiler.ir.text import dump, load
from polc.compiler.model import Model
from polc.compiler.passes import PASSES, run_passes
from polc.compiler.passes.always import drop_always
from polc.compiler.passes.never import drop_never
from polc.compiler.passes.shadowed import drop_shadowed
from polc.compiler.passes.unreachable import drop_unreachable
from polc.pair.layout import Direction
from polc.tests.calls import calls
from polc.tests.passes.programs import random_packet, random_program

Pass = Callable[[Program], Program]


def _size(program: Program) -> int:
    """Everything a pass can take away: tiers, rules, criteria."""
    rules = [rule for direction in Direction for rule in rules_of(program.judge(direction))]
    tiers = len(program.ingress.tiers) + len(program.egress.tiers)
    return tiers + len(rules) + sum(len(rule.criteria) for rule in rules)


@pytest.mark.parametrize("step", [*PASSES, run_passes], ids=lambda step: step.__name__)
def test_a_pass_keeps_verdict_index_and_logs_of_every_packet(step: Pass) -> None:
    random = Random(f"passes {step.__name__}")
    packets = [random_packet(random) for _ in range(60)]
    smaller = 0
    for _ in range(250):
        before = random_program(random, staged=True)
        check(before)
        after = step(before)
        check(after, dense=False)
        assert after.ingress.index_count == before.ingress.index_count
        smaller += _size(after) < _size(before)
        assert _size(after) <= _size(before)
        plain, changed = Model(before), Model(after)
        for direction in Direction:
            for packet in packets:
                assert changed.judge(direction, packet) == plain.judge(direction, packet), dump(before)
    assert smaller > 60, "the programs gave the pass nothing to do"


def test_a_second_run_of_a_pass_changes_nothing() -> None:
    random = Random("twice")
    for _ in range(100):
        program = random_program(random, staged=True)
        for step in PASSES:
            once = step(program)
            assert step(once) == once


def _program(rules: str, sets: str = "") -> Program:
    return load(f"polc-ir 1\n{sets}ingress\n{rules}  end: allow #9\negress\n  end: deny #0\n")


def _in_tier(*rules: str) -> str:
    return "\n".join(["  tier default: deny #8", "    policy P/a", *(f"      {rule}" for rule in rules), ""])


def _left(program: Program) -> list[str]:
    lines = dump(program).splitlines()
    return [line.strip() for line in lines if line.startswith("      #")]


NEVER = [
    "src in $0",
    "version 4, version 6",
    "proto 6, proto 17",
    "proto 6, proto not 6",
    "version 4, src in $1",
    "src in $1, dst in $2",
    "src in $1, src not in $1",
    "src not in $3, version 4",
    "proto 6, dst port 80, dst port not 80-81",
    "proto 6, dst port 80, dst port 81",
    "proto 6, dst port not 0-65535",
    "proto 6, icmp 8",
    "proto 58, version 4, icmp 128",
    "icmp 8, icmp 0",
    "icmp 8/0, icmp 8/1",
    "icmp 8/0, icmp not 8/0",
]
SOMETIMES = [
    "src not in $0",
    "version 6, src in $1",
    "src in $2, dst not in $1",
    "src not in $3",
    "proto 6, src port 80, dst port 81",
    "proto 6, dst port 80-81, dst port not 80",
    "proto 1, icmp 8",
    "proto 58, icmp 128",
    "icmp 8, icmp 8/0",
    "icmp 8, icmp not 8/0",
]
SETS = "set $0\nset $1\n  fd00::/8\nset $2\n  10.0.0.0/8\nset $3\n  0.0.0.0/0\n"


@pytest.mark.parametrize("criteria", NEVER)
def test_a_rule_that_nothing_matches_goes(criteria: str) -> None:
    assert _left(drop_never(_program(_in_tier(f"#0 deny: {criteria}", "#1 allow"), SETS))) == ["#1 allow"]


@pytest.mark.parametrize("criteria", SOMETIMES)
def test_a_rule_that_something_matches_stays(criteria: str) -> None:
    assert len(_left(drop_never(_program(_in_tier(f"#0 deny: {criteria}", "#1 allow"), SETS)))) == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("proto 6, proto not 17, src not in $0, dst port 0-65535", "proto 6"),
        ("proto 6, icmp not 8", "proto 6"),
        ("proto 6, proto 6", "proto 6"),
        ("version 6, src not in $2", "version 6"),
        ("version 4, src in $3", "version 4"),
        ("proto 6, proto not 6", "proto 6, proto not 6"),
        ("proto 1, icmp not 8", "proto 1, icmp not 8"),
        ("proto 6, dst port not 0-65535", "proto 6, dst port not 0-65535"),
        ("proto 6, dst port 1-65535", "proto 6, dst port 1-65535"),
    ],
)
def test_criteria_that_follow_from_the_others_go(before: str, after: str) -> None:
    assert _left(drop_always(_program(_in_tier(f"#0 deny: {before}"), SETS))) == [f"#0 deny: {after}"]


def test_an_address_criterion_that_confines_the_family_stays() -> None:
    assert _left(drop_always(_program(_in_tier("#0 deny: src in $3"), SETS))) == ["#0 deny: src in $0"]


def test_rules_behind_one_that_takes_every_packet_go_and_so_do_tiers_nobody_reaches() -> None:
    second = "  tier late: deny #8\n    policy P/b\n      #6 allow\n"
    first = "  tier early: {} #5\n    policy P/a\n      #0 {}\n      #1 {}\n      #2 allow: proto 17\n"
    assert _left(drop_unreachable(_program(first.format("pass", "log", "deny") + second))) == [
        "#0 log",
        "#1 deny",
    ]
    passing = drop_unreachable(_program(first.format("deny", "pass: proto 6", "deny") + second))
    assert _left(passing) == ["#0 pass: proto 6", "#1 deny", "#6 allow"]
    undecided = drop_unreachable(_program(first.format("pass", "log", "log") + second))
    assert _left(undecided) == ["#0 log", "#1 log", "#2 allow: proto 17", "#6 allow"]
    closed = drop_unreachable(_program(first.format("deny", "log", "log") + second))
    assert _left(closed) == ["#0 log", "#1 log", "#2 allow: proto 17"]
    assert [tier.default_index for tier in closed.ingress.tiers] == [5]
    assert closed.ingress.end.index == 9


def test_a_rule_that_asks_for_more_than_an_earlier_one_goes() -> None:
    rules = _in_tier(
        "#0 log: proto 6",
        "#1 allow: proto 6, dst port 80",
        "#2 deny: dst port 80, proto 6, src in $0",
        "#3 deny: proto 6, dst port 81",
        "#4 log: proto 6, dst port 80",
        "#5 allow: proto 6",
    )
    assert _left(drop_shadowed(_program(rules, "set $0\n  10.0.0.0/8\n"))) == [
        "#0 log: proto 6",
        "#1 allow: proto 6, dst port 80",
        "#3 deny: proto 6, dst port 81",
        "#5 allow: proto 6",
    ]


def test_pass_does_not_shadow_into_the_tier_it_leads_to() -> None:
    tiers = (
        "  tier early: deny #3\n    policy P/a\n      #0 deny: proto 17\n      #1 pass: proto 6\n"
        "      #2 deny: proto 6\n"
        "  tier late: deny #8\n    policy P/b\n      #4 allow: proto 6\n      #5 allow: proto 17\n"
    )
    assert _left(drop_shadowed(_program(tiers))) == [
        "#0 deny: proto 17",
        "#1 pass: proto 6",
        "#4 allow: proto 6",
    ]


def test_a_decision_behind_a_pass_does_not_shadow_into_later_tiers() -> None:
    tiers = (
        "  tier early: deny #2\n    policy P/a\n      #0 pass: version 4\n      #1 deny: proto 6\n"
        "  tier late: deny #8\n    policy P/b\n      #3 allow: proto 6\n"
    )
    assert _left(drop_shadowed(_program(tiers)))[-1] == "#3 allow: proto 6"


def test_rules_that_do_not_touch_each_other_are_left_alone_after_a_few_calls_each() -> None:
    rules = _in_tier(*(f"#{number} allow: proto 6, dst port {number + 1}" for number in range(1000)))
    text = f"{rules.replace('#8', '#1000', 1)}  end: allow #1001\negress\n  end: deny #0\n"
    program = load(f"polc-ir 1\ningress\n{text}")
    check(program)
    left, count = calls(lambda: run_passes(program))
    assert left == program
    assert count / 1000 < 175
