"""A thousand rules and twenty thousand set members compile, load, and judge rightly at every edge."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from polc.compiler.backend import CompiledPair
from polc.compiler.pipeline import compile_endpoint, load_sources
from polc.compiler.plan.plan import RULE_LIMIT
from polc.compiler.source import CompileError, Source
from polc.judge.kernel import KernelEngine
from polc.pair.layout import Direction
from polc.pair.object import read_pair
from polc.runtime.bpf import Bpf
from polc.tests.calls import calls
from polc.tests.scale.worlds import many_rules, net, port, set_of, syn

RULES = 1000
MEMBERS = 20_000


def compiled(text: str) -> CompiledPair:
    return compile_endpoint(load_sources([Source.of("p.yaml", text)]), "prod", "web")


def engine(pair: CompiledPair) -> KernelEngine:
    return KernelEngine(Bpf(), read_pair(pair.ingress, pair.egress))


def members(count: int) -> list[str]:
    """Every second /32 of a range, and an IPv6 /127 in four for every tenth of them."""
    four = [f"{IPv4Address((172 << 24) + (16 << 16) + 2 * i)}/32" for i in range(count * 9 // 10)]
    six = [f"{IPv6Address((0xFD << 120) + 4 * i)}/127" for i in range(count - len(four))]
    return four + six


@pytest.mark.kernel
def test_each_of_a_thousand_rules_decides_its_packet_and_no_neighbour() -> None:
    with engine(compiled(many_rules(RULES))) as kernel:
        for number in range(RULES):
            first, last = net(number), net(number) + 15
            for address in (first, last):
                run = kernel.run(Direction.INGRESS, syn(address, port(number)))
                allows = number % 2 == 0
                assert (run.allowed, run.rule) == (allows, None if allows else number)
            near = [(first - 1, port(number)), (last + 1, port(number))]
            near += [(first, port(number) + step) for step in (-1, 1)]
            for address, dport in near:
                run = kernel.run(Direction.INGRESS, syn(address, dport))
                assert (run.allowed, run.rule) == (False, RULES), f"rule {number}, {address}:{dport}"
            kernel.forget()


@pytest.mark.kernel
def test_the_largest_policy_loads() -> None:
    with engine(compiled(many_rules(RULE_LIMIT))) as kernel:
        last = RULE_LIMIT - 1
        run = kernel.run(Direction.INGRESS, syn(net(last), port(last)))
        assert (run.allowed, run.rule) == (False, last)


def test_one_rule_too_many_is_refused_with_the_limit() -> None:
    with pytest.raises(CompileError) as caught:
        compiled(many_rules(RULE_LIMIT + 1))
    (finding,) = caught.value.diagnostics
    assert finding.code == "POLC-E0801"
    assert f"at most {RULE_LIMIT}" in finding.message


@pytest.mark.kernel
def test_a_set_of_twenty_thousand_is_judged_rightly_at_its_edges() -> None:
    names = members(MEMBERS)
    pair = compiled(set_of(names))
    with engine(pair) as kernel:
        for position in [*range(0, MEMBERS, 97), MEMBERS * 9 // 10 - 1, MEMBERS - 1]:
            address, _, length = names[position].partition("/")
            first = IPv6Address(address) if ":" in address else IPv4Address(address)
            size = 2 if length == "127" else 1
            for probe, wanted in (
                (first, True),
                (first + size - 1, True),
                (first - 1, False),
                (first + size, False),
            ):
                run = kernel.run(Direction.INGRESS, syn(probe, 80))
                assert run.allowed is wanted, f"{probe} next to {names[position]}"
            kernel.forget()


def test_a_set_of_twenty_thousand_compiles_in_few_calls_for_each_member() -> None:
    text = set_of(members(MEMBERS))
    compiled(set_of(members(10)))  # LLVM's child is running
    pair, count = calls(lambda: compiled(text))
    assert count / MEMBERS < 140, "of this process; LLVM's share is constant"
    assert pair.report[Direction.INGRESS].rules == 1


def test_instructions_do_not_grow_with_members() -> None:
    counts = {
        size: compiled(set_of(members(size))).report[Direction.INGRESS] for size in (100, 2_000, 20_000)
    }
    assert len({report.instructions for report in counts.values()}) == 1
    assert counts[100].table_bytes < counts[2_000].table_bytes < counts[20_000].table_bytes
