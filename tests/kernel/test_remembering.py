"""What a pass remembers of programs: the kernel is asked whether they are the same, and says all the rest
anew when they are not."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest
from polc.pair.layout import MAP_HITS_BEFORE, Config
from polc.pair.object import ObjectPair
from polc.runtime import reconcile as passes
from polc.runtime.bpf import Bpf, Command, Object
from polc.runtime.gate import FoundGate, Gates
from polc.runtime.grace import Grace
from polc.runtime.kernel import Kernel
from polc.runtime.loader import load_pair
from polc.runtime.policy import Policy, read_policy
from polc.runtime.reconcile import Done, Job, reconcile
from polc.runtime.section import Frozen, KnownMaps
from polc.tests.kernel.scene import Scene, allowing, denying

pytestmark = pytest.mark.kernel
_NOT_SO = "00" * 32


def passed(scene: Scene, pair: ObjectPair, last: Done | None = None) -> Done:
    def work(kernel: Kernel) -> Done:
        known = last.programs if last is not None else ()
        job = Job(scene.link(kernel), pair, scene.request(), programs=known)
        (done,) = reconcile(kernel, [job], Gates(), Grace())
        assert done.fault is None, done.fault
        return done

    return scene.run(work)


def remembered(done: Done) -> tuple[list[FoundGate], list[Policy]]:
    gates = [one for one in done.programs if isinstance(one, FoundGate)]
    return gates, [one for one in done.programs if isinstance(one, Policy)]


def again(scene: Scene, before: Policy) -> Policy:
    """Read by a look that remembers it so."""

    def work(kernel: Kernel) -> Policy:
        program = kernel.bpf.fd_by_id(Object.PROG, before.program)
        assert program is not None
        with program:
            found = read_policy(kernel.bpf, program, {}, before)
        assert isinstance(found, Policy)
        return found

    return scene.run(work)


def test_a_pass_hands_out_what_it_read_of_both_gates_and_both_programs(scene: Scene) -> None:
    gates, policies = remembered(passed(scene, allowing()))
    assert [one.genuine for one in gates] == [True, True]
    assert {one.identity for one in policies} == {allowing().identity.hex()}
    assert len(policies) == 2


def test_of_what_is_remembered_less_is_read_and_the_same_is_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = passed(scene, allowing())
    calls: list[Command] = []
    ask = Bpf._ask

    def counted(self: Bpf, command: Command, *rest: object) -> int:
        calls.append(command)
        return ask(self, command, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Bpf, "_ask", counted)

    def swap(pair: ObjectPair, last: Done | None) -> tuple[Done, int]:
        calls.clear()
        return passed(scene, pair, last), len(calls)

    second, anew = swap(denying(), None)
    third, fewer = swap(allowing(), second)
    assert fewer < anew - 20
    assert third.report is not None
    assert third.report.status.policies == scene.status().policies
    assert third.report.status.identity == allowing().identity.hex() == first.job.pair.identity.hex()
    assert [one.drift for one in second.drifts] == [one.drift for one in third.drifts]


def test_a_program_of_that_number_which_was_loaded_at_another_time_is_read_anew(scene: Scene) -> None:
    _, policies = remembered(passed(scene, allowing()))
    for policy in policies:
        same = replace(policy, identity=_NOT_SO)
        other = replace(same, loaded=policy.loaded + 1)
        assert again(scene, same).identity == _NOT_SO, "it is remembered"
        found = again(scene, other)
        assert (found.identity, found.loaded) == (policy.identity, policy.loaded)


def test_a_gate_of_that_number_which_was_loaded_at_another_time_is_read_anew(scene: Scene) -> None:
    gates, _ = remembered(passed(scene, allowing()))

    def recognised(before: FoundGate) -> FoundGate | None:
        def work(kernel: Kernel) -> FoundGate | None:
            program = kernel.bpf.fd_by_id(Object.PROG, before.program)
            assert program is not None
            with program, ExitStack() as held:
                return Gates().recognise(kernel.bpf, program, held, before)

        return scene.run(work)

    for gate in gates:
        wrong = replace(gate, word=gate.word + 1)
        older = replace(wrong, loaded=gate.loaded - 1)
        strange = replace(wrong, genuine=False)
        assert recognised(wrong) == wrong, "it is remembered"
        assert recognised(older) == gate
        assert recognised(strange) == gate


def test_a_map_that_was_bound_to_a_remembered_program_is_seen(scene: Scene) -> None:
    passed(scene, allowing())
    _, policies = remembered(passed(scene, denying()))  # told its counts after it was read back
    for policy in policies:
        assert MAP_HITS_BEFORE[:15] not in policy.maps
        found = again(scene, policy)
        assert set(found.maps) - set(policy.maps) == {MAP_HITS_BEFORE[:15]}
        assert replace(found, maps=policy.maps) == policy


def test_what_takes_much_memory_is_not_remembered(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_REMEMBERED", 8)
    gates, policies = remembered(passed(scene, allowing()))
    assert (len(gates), policies) == (2, [])


def test_a_section_that_was_frozen_here_is_not_read_and_is_as_the_kernel_has_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(kernel: Kernel) -> None:
        known: KnownMaps = {}
        with Frozen(known) as frozen, load_pair(kernel.bpf, denying(), Config(), None, frozen) as pair:
            for side in (pair.ingress, pair.egress):
                whole = read_policy(kernel.bpf, side.program)
                with monkeypatch.context() as patch:
                    patch.setattr(Bpf, "map_frozen", _unasked)
                    assert read_policy(kernel.bpf, side.program, known) == whole
                assert isinstance(whole, Policy)

    scene.run(work)


def _unasked(*_: object) -> bool:
    raise AssertionError("a section was read that this process had frozen")
