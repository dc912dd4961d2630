"""A plan's rows say of every field value exactly which rules it leaves possible."""

from __future__ import annotations

import struct

import pytest
from polc.compiler.ir.nodes import (
    Action,
    AddressSet,
    Criterion,
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
from polc.compiler.plan.build import PlanLimitError, build
from polc.compiler.plan.plan import LOG_LIMIT, RULE_LIMIT, FieldKind, JudgePlan, dump
from polc.compiler.plan.tables import DE_BRUIJN, first_bit_table, transition_table
from polc.pair import flow
from polc.pair.layout import Direction

TEN = AddressSet("$0", (Prefix(4, 10 << 24, 8), Prefix(6, 0xFD << 120, 8)))


def program(*criteria: tuple[Criterion, ...], actions: tuple[Action, ...] = ()) -> Program:
    chosen = actions or (Action.ALLOW,) * len(criteria)
    rules = tuple(Rule(i, action, c) for i, (action, c) in enumerate(zip(chosen, criteria, strict=True)))
    count = len(rules)
    tier = Tier("default", Action.DENY, count, (Policy("NetworkPolicy/default/a", rules),))
    judge = Judge(Direction.INGRESS, (tier,), End(Action.ALLOW, count + 1))
    empty = Judge(Direction.EGRESS, (), End(Action.ALLOW, 0))
    return Program((TEN,), judge, empty)


def row(plan: JudgePlan, kind: FieldKind, value: int) -> int:
    """The row of a value, read as the generated code reads it."""
    field = plan.field(kind)
    assert field is not None
    index = value
    if kind is not FieldKind.PROTOCOL:
        size = 16 if kind in (FieldKind.SOURCE6, FieldKind.DESTINATION6) else 4
        index = 0
        for step in reversed(range(field.steps)):
            candidate = index | 1 << step
            at = field.keys + candidate * size
            if int.from_bytes(plan.tables[at : at + size], "little") <= value:
                index = candidate
    (offset,) = struct.unpack_from("<I", plan.tables, field.rows + 4 * index)
    assert offset <= plan.row_limit
    return int.from_bytes(plan.tables[offset : offset + plan.row_words * 8], "little")


@pytest.mark.parametrize(
    ("value", "bits"),
    [((10 << 24) - 1, 0b10), (10 << 24, 0b01), ((11 << 24) - 1, 0b01), (11 << 24, 0b10), (0, 0b10)],
)
def test_addresses_at_the_ends_of_a_prefix(value: int, bits: int) -> None:
    plan = build(
        program((MatchAddress(Side.SOURCE, "$0"),), (MatchAddress(Side.SOURCE, "$0", negated=True),))
    ).ingress
    assert row(plan, FieldKind.SOURCE4, value) == bits


@pytest.mark.parametrize(
    ("value", "bits"),
    [((0xFD << 120) - 1, 0), (0xFD << 120, 1), ((0xFE << 120) - 1, 1), (0xFE << 120, 0), ((1 << 128) - 1, 0)],
)
def test_ipv6_addresses_at_the_ends_of_a_prefix(value: int, bits: int) -> None:
    plan = build(program((MatchAddress(Side.DESTINATION, "$0"),))).ingress
    assert row(plan, FieldKind.DESTINATION6, value) == bits


def test_version_and_protocol_share_one_row() -> None:
    plan = build(
        program((MatchVersion(6), MatchProtocol(6)), (MatchProtocol(6, negated=True),), (MatchVersion(4),))
    ).ingress
    assert row(plan, FieldKind.PROTOCOL, 6) == 0b100
    assert row(plan, FieldKind.PROTOCOL, 256 | 6) == 0b001
    assert row(plan, FieldKind.PROTOCOL, 256 | 17) == 0b010


def test_icmp_criteria_hold_for_icmp_packets_only_and_their_negation_for_all_others() -> None:
    plan = build(program((MatchIcmp(8, 0),), (MatchIcmp(8, 0, negated=True),), (MatchIcmp(8),))).ingress
    assert row(plan, FieldKind.ICMP, 8 << 8) == 0b101
    assert row(plan, FieldKind.ICMP, 8 << 8 | 1) == 0b110
    assert row(plan, FieldKind.ICMP, 9 << 8) == 0b010
    assert row(plan, FieldKind.DPORT, 8 << 8) == 0b010


def test_an_icmp_packet_has_port_zero() -> None:
    zero = MatchPort(Side.DESTINATION, ((0, 5),))
    plan = build(program((zero,), (MatchPort(Side.DESTINATION, ((1, 5),)),), (MatchIcmp(8),))).ingress
    assert row(plan, FieldKind.ICMP, 8 << 8) & 0b11 == 0b01


def test_a_field_no_rule_asks_has_no_table() -> None:
    plan = build(program((MatchProtocol(6),))).ingress
    assert [field.kind for field in plan.fields] == [FieldKind.PROTOCOL]


def test_more_rules_than_supported_are_refused_with_the_limit() -> None:
    rules = tuple((MatchProtocol(6),) for _ in range(RULE_LIMIT + 1))
    with pytest.raises(PlanLimitError, match=f"{RULE_LIMIT + 1} rules .* at most {RULE_LIMIT}"):
        build(program(*rules))
    logs = tuple((MatchProtocol(6),) for _ in range(LOG_LIMIT + 1))
    with pytest.raises(PlanLimitError, match=f"at most {LOG_LIMIT}"):
        build(program(*logs, actions=(Action.LOG,) * len(logs)))


def test_a_changed_member_changes_bytes_and_nothing_else_of_the_plan() -> None:
    given = program((MatchAddress(Side.SOURCE, "$0"),))
    moved = AddressSet("$0", (Prefix(4, 11 << 24, 8), Prefix(6, 0xFC << 120, 8)))
    one, other = build(given).ingress, build(Program((moved,), given.ingress, given.egress)).ingress
    assert dump(one) == dump(other)
    assert one.tables != other.tables


def test_the_printed_plan_names_fields_tiers_and_rules() -> None:
    text = dump(build(program((MatchProtocol(6),), (), actions=(Action.DENY, Action.LOG))).ingress)
    assert "field protocol" in text
    assert "tier default: words 0..0, default deny #2" in text
    assert "bit 0: deny #0" in text
    assert "log bit 0: #1" in text
    assert text.endswith("end allow #3\n")


def test_the_lowest_bit_table_is_a_de_bruijn_table() -> None:
    table = first_bit_table()
    for bit in range(64):
        product = (1 << bit) * DE_BRUIJN % (1 << 64)
        assert table[product >> 58] == bit


def test_every_transition_is_lowered() -> None:
    table = transition_table()
    for (cls, state, who, event), want in flow.TRANSITIONS.items():
        byte = table[((cls * 8 + state) * 2 + who) * 8 + event]
        assert (byte & 7, byte >> 3 & 3, bool(byte >> 5)) == (want.state, want.step, want.adopt)
