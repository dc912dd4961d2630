"""What is in force is judged by identity alone, and the change that follows is the smallest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from polc.pair.layout import Config, Direction, slot
from polc.runtime.change import Wish, decide, next_word
from polc.runtime.errors import CannotError
from polc.runtime.hooks import Mechanism, Mode, Runner, TcHook, hook_of
from polc.runtime.netlink import PARENT_EGRESS, PARENT_INGRESS, Filter, Link
from polc.runtime.policy import Policy, Stranger
from polc.runtime.readback import Core, Gate, Reading, Slot
from polc.runtime.standing import State, judge

X, Y = "aa" * 32, "bb" * 32
LINK = Link(7, "eth0.1", 1, "veth", True)
TEXT = b"{}\0"


def policy(direction: Direction, identity: str = X, generation: int = 1, program: int = 0) -> Policy:
    number = program or 100 + 10 * generation + int(direction)
    return Policy(number, 0, b"", identity, direction.word, "1", Config(generation=generation), TEXT, {})


def slots(*banks: tuple[Slot, Slot]) -> tuple[Slot, ...]:
    out: list[Slot] = [None] * 4
    for bank, pair in enumerate(banks):
        for direction in Direction:
            out[slot(bank, direction)] = pair[direction]
    return tuple(out)


def bank(identity: str = X, generation: int = 1) -> tuple[Slot, Slot]:
    return policy(Direction.INGRESS, identity, generation), policy(Direction.EGRESS, identity, generation)


def core(value: int, contents: tuple[Slot, ...], number: int = 40) -> Core:
    return Core(number, number + 1, value, contents)


def clsact(direction: Direction, of: Core, preference: int = 1, handle: int = 1) -> Gate:
    hook = hook_of(Mode.WORKLOAD, direction)
    parent = PARENT_INGRESS if hook is TcHook.INGRESS else PARENT_EGRESS
    found = Filter(parent, preference, handle, 3, 0, "bpf", "polc", True, 50 + int(direction))
    runner = Runner(hook, Mechanism.CLSACT, found.program, "polc", filter=found)
    return Gate(runner, direction, of.slots, of.word)


def reading(*gates: Gate, cores: tuple[Core, ...], before: tuple[Runner, ...] = ()) -> Reading:
    hooks = {
        hook: (
            *(one for one in before if one.hook is hook),
            *(gate.runner for gate in gates if gate.runner.hook is hook),
        )
        for hook in TcHook
    }
    return Reading(LINK, hooks, gates, {(one.slots, one.word): one for one in cores})


def both(of: Core) -> Reading:
    return reading(*(clsact(direction, of) for direction in Direction), cores=(of,))


WISH = Wish(X, (TEXT, TEXT), Config(), Mode.WORKLOAD)


def no_tcx() -> bool:
    return False


def test_nothing_attached_is_absent() -> None:
    assert judge(reading(cores=())).state is State.ABSENT


def test_one_identity_in_both_slots_is_in_force_whatever_the_numbers_are() -> None:
    of = core(1, slots(bank(), bank()))
    gates = clsact(Direction.INGRESS, of, 49152, 2), clsact(Direction.EGRESS, of, 7, 1)
    standing = judge(reading(*gates, cores=(of,)))
    assert (standing.state, standing.identity) == (State.ENFORCING, X)
    assert decide(standing, WISH, no_tcx).quiet


def test_two_identities_in_force_are_mixed_and_one_swap_mends_it() -> None:
    of = core(1, slots(bank(), (policy(Direction.INGRESS), policy(Direction.EGRESS, Y))))
    standing = judge(both(of))
    assert (standing.state, standing.identity) == (State.MIXED, None)
    assert X in standing.facts[0]
    assert Y in standing.facts[0]
    assert decide(standing, WISH, no_tcx).generation == 2


@pytest.mark.parametrize(
    ("ingress", "fact"),
    [
        (policy(Direction.EGRESS), "the ingress slot in force holds an egress program"),
        (policy(Direction.INGRESS, generation=3), "loaded for generation 3"),
        (Stranger(9, "other"), "no policy of this layout"),
    ],
)
def test_a_wrong_program_in_a_slot_is_mixed(ingress: Slot, fact: str) -> None:
    of = core(1, slots(bank(), (ingress, policy(Direction.EGRESS))))
    standing = judge(both(of))
    assert standing.state is State.MIXED
    assert fact in standing.facts[0]
    assert decide(standing, WISH, no_tcx).generation == 2


def test_an_empty_slot_in_force_is_incomplete_and_both_empty_are_closed() -> None:
    half = core(1, slots(bank(), (None, policy(Direction.EGRESS))))
    assert judge(both(half)).state is State.INCOMPLETE
    assert judge(both(core(1, slots()))).state is State.CLOSED


def test_word_zero_is_not_armed_whatever_the_slots_hold() -> None:
    standing = judge(both(core(0, slots(bank(), bank()))))
    assert standing.state is State.NOT_ARMED
    assert decide(standing, WISH, no_tcx).generation == 1


def test_an_unfinished_swap_is_in_force_noted_and_settled_without_a_load() -> None:
    standing = judge(both(core(2, slots(bank(X, 2), bank(Y, 1)))))
    assert (standing.state, standing.identity) == (State.ENFORCING, X)
    assert "unfinished swap" in standing.notes[0]
    change = decide(standing, WISH, no_tcx)
    assert (change.generation, change.settle, change.quiet) == (0, True, False)


def test_a_foreign_classifier_before_a_gate_may_bypass_it_and_one_in_another_chain_may_not() -> None:
    of = core(1, slots(bank(), bank()))
    gates = tuple(clsact(direction, of, preference=5) for direction in Direction)
    flower = Filter(PARENT_INGRESS, 1, 1, 0x800, 0, "flower")
    runner = Runner(TcHook.INGRESS, Mechanism.CLSACT, 0, "flower", filter=flower)
    standing = judge(reading(*gates, cores=(of,), before=(runner,)))
    assert (standing.state, standing.bypass) == (State.BYPASSABLE, (runner,))
    elsewhere = replace(runner, filter=replace(flower, chain=4))
    assert judge(reading(*gates, cores=(of,), before=(elsewhere,))).state is State.ENFORCING


def test_a_gate_of_another_attachment_in_force_is_surplus_and_only_removed() -> None:
    of, other = core(1, slots(bank(), bank())), core(1, slots(bank(Y), bank(Y)), number=60)
    stale = clsact(Direction.INGRESS, other, preference=49151)
    gates = (stale, *(clsact(direction, of, preference=49152) for direction in Direction))
    standing = judge(reading(*gates, cores=(other, of)))
    assert (standing.state, standing.surplus) == (State.MIXED, (stale,))
    change = decide(standing, WISH, no_tcx)
    assert (change.generation, change.missing, change.surplus) == (0, (), (stale,))


def test_a_missing_gate_is_attached_over_the_same_maps_by_the_same_mechanism() -> None:
    of = core(1, slots(bank(), bank()))
    standing = judge(reading(clsact(Direction.EGRESS, of), cores=(of,)))
    assert standing.state is State.INCOMPLETE
    change = decide(standing, WISH, lambda: True)
    assert (change.core, change.generation) == (of, 0)
    assert change.missing == ((Direction.INGRESS, TcHook.EGRESS),)
    assert change.mechanism is Mechanism.CLSACT


def test_another_mode_is_refused() -> None:
    standing = judge(both(core(1, slots(bank(), bank()))))
    with pytest.raises(CannotError, match="workload mode"):
        decide(standing, replace(WISH, mode=Mode.HOST), no_tcx)


def test_auto_takes_tcx_where_there_is_any() -> None:
    absent = judge(reading(cores=()))
    assert decide(absent, WISH, lambda: True).mechanism is Mechanism.TCX
    assert decide(absent, WISH, no_tcx).mechanism is Mechanism.CLSACT


def test_the_next_word_is_never_zero_and_always_of_the_other_bank() -> None:
    assert [next_word(word) for word in (0, 1, 7, 0xFFFFFFFE, 0xFFFFFFFF)] == [1, 2, 8, 0xFFFFFFFF, 2]
