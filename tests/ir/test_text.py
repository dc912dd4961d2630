"""The IR's text: readable, always the same, and read back equal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polc.compiler.ir.check import IrError, check
from polc.compiler.ir.nodes import (
    Action,
    AddressSet,
    End,
    Judge,
    MatchAddress,
    MatchIcmp,
    MatchPort,
    MatchProtocol,
    MatchVersion,
    Policy,
    Prefix,
    Program,
    Rule,
    Side,
    Tier,
)
from polc.compiler.ir.sets import merge, number_sets
from polc.compiler.ir.text import dump, load
from polc.pair.layout import Direction
from polc.tests.calls import calls

SAMPLE = """\
polc-ir 1
set $0
  10.0.0.0/8
  ::/128
  ::ffff:a00:1/128
  2001:db8::/32
  2001:db9:0:1:1:1:1:0/127
  ff00:0:0:1::/64
set $1
ingress
  tier default: deny #5
    policy NetworkPolicy/shop/web
      #0 log
      #1 allow: version 4, proto 6, src in $0, dst port 80|443-444
      #2 deny: proto not 17, src not in $1, icmp not 3/1
    policy GlobalNetworkPolicy/none
    policy GlobalNetworkPolicy/last
      #3 pass: proto 1, icmp 8
      #4 log: dst endpoint 6:443 6:80|8080@$0 17:53@$1, src endpoint not none
  end: allow #6
egress
  end: deny #0
"""

RULE = Rule(
    1,
    Action.ALLOW,
    (
        MatchVersion(4),
        MatchProtocol(6),
        MatchAddress(Side.SOURCE, "$0"),
        MatchPort(Side.DESTINATION, ((80, 80), (443, 444))),
    ),
)


def test_the_text_says_what_the_program_is() -> None:
    program = load(SAMPLE)
    check(program)
    assert program.ingress.tiers[0].policies[0].rules[1] == RULE
    assert program.ingress.tiers[0].policies[0].rules[2].criteria == (
        MatchProtocol(17, True),
        MatchAddress(Side.SOURCE, "$1", True),
        MatchIcmp(3, 1, True),
    )
    assert program.sets[0].prefixes[0] == Prefix(4, 10 << 24, 8)
    assert program.sets[1] == AddressSet("$1", ())
    assert program.egress == Judge(Direction.EGRESS, (), End(Action.DENY, 0))
    assert dump(program) == SAMPLE


def _ranges(pairs: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    kept: list[tuple[int, int]] = []
    for first, last in sorted((min(pair), max(pair)) for pair in pairs):
        if not kept or first > kept[-1][1] + 1:
            kept.append((first, last))
    return tuple(kept)


def _prefix(version: int, address: int, length: int) -> Prefix:
    bits = 32 if version == 4 else 128
    length = min(length, bits)
    return Prefix(version, (address % (1 << bits)) >> (bits - length) << (bits - length), length)


PORT = st.integers(0, 65535)
SIDES = st.sampled_from(list(Side))
PREFIXES = st.builds(_prefix, st.sampled_from([4, 6]), st.integers(0, (1 << 128) - 1), st.integers(0, 128))
PORTS = st.builds(
    MatchPort, SIDES, st.lists(st.tuples(PORT, PORT), min_size=1, max_size=3).map(_ranges), st.booleans()
)
CRITERIA = st.one_of(
    st.builds(MatchVersion, st.sampled_from([4, 6])),
    st.builds(MatchProtocol, st.integers(0, 255), st.booleans()),
    st.builds(MatchAddress, SIDES, st.sampled_from(["$0", "$1", "$2"]), st.booleans()),
    st.builds(MatchIcmp, st.integers(0, 255), st.none() | st.integers(0, 255), st.booleans()),
)
PORTED = st.builds(lambda number, port: (MatchProtocol(number), port), st.sampled_from([6, 17, 132]), PORTS)
RULE_SHAPES = st.tuples(
    st.sampled_from(list(Action)),
    st.builds(lambda rest, ported: (*ported, *rest), st.lists(CRITERIA, max_size=3), st.just(()) | PORTED),
)
POLICIES = st.lists(st.lists(RULE_SHAPES, max_size=3), max_size=3)
TIERS = st.lists(st.tuples(st.sampled_from([Action.DENY, Action.PASS]), POLICIES), max_size=2)


def _judge(direction: Direction, shapes: list, end: Action) -> Judge:  # type: ignore[type-arg]
    count = 0
    tiers = []
    for number, (default, policies) in enumerate(shapes):
        built = []
        for place, rules in enumerate(policies):
            built.append(
                Policy(
                    f"NetworkPolicy/ns/p{place}",
                    tuple(Rule(count + at, action, criteria) for at, (action, criteria) in enumerate(rules)),
                )
            )
            count += len(rules)
        tiers.append(Tier(f"tier{number}", default, count, tuple(built)))
        count += 1
    return Judge(direction, tuple(tiers), End(end, count))


ENDS = st.sampled_from([Action.ALLOW, Action.DENY])
PROGRAMS = st.builds(
    lambda sets, ingress, egress: number_sets(
        Program(tuple(AddressSet(f"${n}", merge(item)) for n, item in enumerate(sets)), ingress, egress)
    ),
    st.lists(st.lists(PREFIXES, max_size=4), min_size=3, max_size=3),
    st.builds(_judge, st.just(Direction.INGRESS), TIERS, ENDS),
    st.builds(_judge, st.just(Direction.EGRESS), TIERS, ENDS),
)


@given(PROGRAMS)
@settings(max_examples=150, deadline=None)
def test_every_program_reads_back_equal(program: Program) -> None:
    check(program)
    text = dump(program)
    assert load(text) == program
    assert dump(load(text)) == text


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("polc-ir 1", "polc-ir 2", 1),
        ("  10.0.0.0/8", "  10.0.0.0.0/8", 3),
        ("  10.0.0.0/8", "  10.0.0.0/+8", 3),
        ("ingress", "inward", 10),
        ("default: deny #5", "default: refuse #5", 11),
        ("default: deny #5", "default: deny 5", 11),
        ("#0 log", "#x log", 13),
        ("version 4", "version four", 14),
        ("version 4", "version not 4", 14),
        ("proto 6", "proto", 14),
        ("80|443-444", "80||443", 14),
        ("endpoint 6:443", "endpoint 6", 19),
        ("@$1, src", "@$1 17, src", 19),
        ("  end: allow #6\n", "", 20),
        ("  end: deny #0\n", "  end: deny #0\nmore\n", 23),
    ],
)
def test_a_text_that_is_no_program_is_refused_with_its_line(old: str, new: str, line: int) -> None:
    assert old in SAMPLE
    with pytest.raises(IrError, match=f"^line {line}: "):
        load(SAMPLE.replace(old, new, 1))


def test_twenty_thousand_prefixes_are_written_and_read_in_a_few_calls_each() -> None:
    prefixes = tuple(Prefix(4, 0x0A000000 + number * 2, 32) for number in range(20_000))
    rule = Rule(0, Action.ALLOW, (MatchAddress(Side.SOURCE, "$0"),))
    ingress = Judge(
        Direction.INGRESS,
        (Tier("default", Action.DENY, 1, (Policy("NetworkPolicy/a/b", (rule,)),)),),
        End(Action.ALLOW, 2),
    )
    program = Program(
        (AddressSet("$0", prefixes),), ingress, Judge(Direction.EGRESS, (), End(Action.ALLOW, 0))
    )
    text, written = calls(lambda: dump(program))
    again, read = calls(lambda: load(text))
    _, checked = calls(lambda: check(again))
    assert again == program
    assert (written + read + checked) / len(prefixes) < 65
