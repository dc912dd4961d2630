"""Scenarios S1–S38 of the failure this project exists to make impossible, by their numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from polc.pair.layout import MAP_SLOTS, Config, Direction, slot
from polc.pair.object import ObjectPair, PairError, PairFault, read_object, read_pair
from polc.runtime import hooks
from polc.runtime.bpf import AttachFlag, Object
from polc.runtime.errors import NotInForce, VerifierError
from polc.runtime.gate import Gates, create_slots
from polc.runtime.hooks import Mechanism, TcHook
from polc.runtime.kernel import Kernel
from polc.runtime.loader import load_pair
from polc.runtime.readback import read
from polc.runtime.standing import State
from polc.runtime.word import Word, create_word
from polc.tests.kernel.rejected import rejected_pair
from polc.tests.kernel.scene import ALLOW, DENY, Scene, allowing, denying, returning
from polc.tests.pair.pairs import resealed, sealed

pytestmark = pytest.mark.kernel
_EMPTYING = 0.5  # seconds: the kernel empties a slot map that lost its last pin (see readback._hold_slots)


def test_s1_attach_puts_x_on_both_hooks_and_the_second_run_writes_nothing(scene: Scene) -> None:
    scene.attach(allowing())
    assert scene.verify().identity == allowing().identity.hex()
    scene.door.writes.clear()
    assert not scene.attach(allowing()).changed
    assert scene.door.writes == {}


def out_of_step(scene: Scene, direction: Direction) -> None:
    """Adds the gate of one direction again and deletes the first filter, as the old Calico did."""

    def work(kernel: Kernel) -> None:
        link, hook = scene.link(kernel), scene.hook(direction)
        (old,) = kernel.net.filters(link.index, hook.parent)
        gate = kernel.bpf.fd_by_id(Object.PROG, old.program)
        assert gate is not None
        with gate:
            kernel.net.add_bpf_filter(link.index, hook.parent, old.preference, gate.number, old.name)
        kernel.net.delete_filter(link.index, old)

    scene.run(work)


def handles(scene: Scene) -> list[int]:
    def work(kernel: Kernel) -> list[int]:
        index = scene.link(kernel).index
        return [one.handle for hook in TcHook for one in kernel.net.filters(index, hook.parent)]

    return scene.run(work)


@pytest.mark.parametrize("direction", list(Direction))
def test_s2_handles_out_of_step_are_in_force_and_left_alone(clsact: Scene, direction: Direction) -> None:
    clsact.attach(allowing())
    out_of_step(clsact, direction)
    assert sorted(handles(clsact)) == [1, 2]
    assert clsact.verify().state is State.ENFORCING
    clsact.door.writes.clear()
    assert not clsact.attach(allowing()).changed
    assert clsact.door.writes == {}
    assert sorted(handles(clsact)) == [1, 2]


def test_s4_handles_out_of_step_do_not_keep_another_pair_from_both_hooks(clsact: Scene) -> None:
    clsact.attach(allowing())
    out_of_step(clsact, Direction.INGRESS)
    report = clsact.attach(denying())
    assert report.status.identity == denying().identity.hex()
    assert sorted(handles(clsact)) == [1, 2]
    assert clsact.crossing() == (False, False)


@contextmanager
def stale_gate(scene: Scene, kernel: Kernel, pair: ObjectPair, direction: Direction) -> Iterator[None]:
    """A second gate of ours with a pair and a word of its own, in force, first on the hook of `direction`.

    Its slot map is held as long as the context is: somebody's pin, which keeps the gate working.
    """
    bpf, link, hook = kernel.bpf, scene.link(kernel), scene.hook(direction)
    with ExitStack() as held:
        slots, word = held.enter_context(create_slots(bpf)), held.enter_context(create_word(bpf))
        loaded = held.enter_context(load_pair(bpf, pair, Config(generation=1), {MAP_SLOTS: slots}))
        for one in Direction:
            fd = loaded.side(one).program.number.to_bytes(4, "little")
            bpf.map_update(slots, slot(1, one).to_bytes(4, "little"), fd)
        with Word(bpf, word, writable=True) as mapped:
            mapped.store(1)
        gate = held.enter_context(Gates().load(bpf, direction, slots, word))
        if scene.mechanism is Mechanism.TCX:
            held.enter_context(bpf.link_create(gate, link.index, hook.attach_type, AttachFlag.BEFORE))
        else:
            kernel.net.add_bpf_filter(link.index, hook.parent, 49151, gate.number, "polc")
        yield


def later_preference(scene: Scene, kernel: Kernel, direction: Direction) -> None:
    """Moves our filter to preference 49152, so that a stale one at 49151 runs first."""
    link, hook = scene.link(kernel), scene.hook(direction)
    (old,) = kernel.net.filters(link.index, hook.parent)
    gate = kernel.bpf.fd_by_id(Object.PROG, old.program)
    assert gate is not None
    with gate:
        kernel.net.add_bpf_filter(link.index, hook.parent, 49152, gate.number, old.name)
    kernel.net.delete_filter(link.index, old)


@pytest.mark.parametrize("direction", list(Direction))
def test_s8_a_stale_second_gate_that_runs_first_is_removed(scene: Scene, direction: Direction) -> None:
    scene.attach(allowing())

    def work(kernel: Kernel) -> None:
        if scene.mechanism is Mechanism.CLSACT:
            later_preference(scene, kernel, direction)
        with stale_gate(scene, kernel, denying(), direction):
            assert [role for role, _ in scene.names(direction)] == ["surplus", "gate"]
            assert not scene.passes(direction), "the stale gate vetoes"
            with pytest.raises(NotInForce, match="another polc gate"):
                scene.verify()
            report = scene.attach(allowing())
            assert report.status.state is State.ENFORCING
            assert report.status.generation == 1, "the pair in force was right already"
            assert [role for role, _ in scene.names(direction)] == ["gate"]
            assert scene.crossing() == (True, True)
            assert not scene.attach(allowing()).changed

    scene.run(work)


def test_s8b_a_stale_gate_that_allows_does_not_hide_what_is_in_force(scene: Scene) -> None:
    scene.attach(denying())

    def work(kernel: Kernel) -> None:
        if scene.mechanism is Mechanism.CLSACT:
            later_preference(scene, kernel, Direction.INGRESS)
        with stale_gate(scene, kernel, allowing(), Direction.INGRESS):
            assert scene.status().state is State.MIXED
            report = scene.attach(denying())
            assert report.status.identity == denying().identity.hex()
            assert scene.crossing() == (False, False)

    scene.run(work)


def test_s10_a_foreign_program_that_runs_first_is_left_alone_and_reported(scene: Scene) -> None:
    def work(kernel: Kernel) -> None:
        link, hook = scene.link(kernel), scene.hook(Direction.INGRESS)
        with ExitStack() as held:
            foreign = held.enter_context(returning(kernel.bpf, "bandwidth", 0))
            if scene.mechanism is Mechanism.CLSACT:
                kernel.net.add_clsact(link.index)
                kernel.net.add_bpf_filter(link.index, hook.parent, 1, foreign.number, "bandwidth")
            scene.attach(denying())
            if scene.mechanism is Mechanism.TCX:
                held.enter_context(
                    kernel.bpf.link_create(foreign, link.index, hook.attach_type, AttachFlag.BEFORE)
                )
            report = scene.attach(denying())
            assert not report.changed
            assert report.status.state is State.BYPASSABLE
            assert report.status.bypass == ("bandwidth",)
            assert "may be bypassed by bandwidth" in report.status.summary
            assert [name for role, name in scene.names(Direction.INGRESS) if role == "before"] == [
                "bandwidth"
            ]
            assert scene.crossing() == (True, False), "it accepts what the policy denies"
            with pytest.raises(NotInForce, match="may be bypassed by bandwidth"):
                scene.verify("another")
            assert scene.verify("bandwidth").identity == denying().identity.hex()
            scene.detach()
            names = [runner.name for runner in hooks.runners(kernel, link.index, hook)]
            assert names == ["bandwidth"]

    scene.run(work)


def test_a_foreign_tcx_program_bypasses_gates_on_clsact(clsact: Scene) -> None:
    def work(kernel: Kernel) -> None:
        link, hook = clsact.link(kernel), clsact.hook(Direction.EGRESS)
        clsact.attach(denying())
        with (
            returning(kernel.bpf, "accepter", 0) as foreign,
            kernel.bpf.link_create(foreign, link.index, hook.attach_type, AttachFlag.AFTER),
        ):
            assert clsact.status().bypass == ("accepter",)
            assert clsact.crossing() == (False, True)

    clsact.run(work)


def test_s11_a_foreign_filter_by_calicos_name_is_neither_removed_nor_replaced(scene: Scene) -> None:
    def work(kernel: Kernel) -> None:
        link = scene.link(kernel)
        with ExitStack() as held:
            foreign = held.enter_context(returning(kernel.bpf, "cali_tc_preamb", -1))
            if scene.mechanism is Mechanism.CLSACT:
                kernel.net.add_clsact(link.index)
                for hook in TcHook:
                    kernel.net.add_bpf_filter(
                        link.index, hook.parent, 49152, foreign.number, "cali_tc_preamble"
                    )
            else:
                for hook in TcHook:
                    held.enter_context(kernel.bpf.link_create(foreign, link.index, hook.attach_type))
            first = {hook: hooks.runners(kernel, link.index, hook) for hook in TcHook}
            scene.attach(allowing())
            scene.attach(denying())
            for direction in Direction:
                assert [role for role, _ in scene.names(direction)] == ["gate", "after"]
            scene.detach()
            assert {hook: hooks.runners(kernel, link.index, hook) for hook in TcHook} == first
            assert kernel.net.has_clsact(link.index) is (scene.mechanism is Mechanism.CLSACT)

    scene.run(work)


def test_s12_a_clsact_that_others_deleted_is_noticed_and_made_again(clsact: Scene) -> None:
    clsact.attach(denying())
    clsact.run(lambda kernel: kernel.net.delete_clsact(clsact.link(kernel).index))
    with pytest.raises(NotInForce, match="no polc gate"):
        clsact.verify()
    assert clsact.attach(denying()).status.state is State.ENFORCING
    assert clsact.crossing() == (False, False)


def test_one_lost_gate_is_put_back_over_the_same_maps(scene: Scene) -> None:
    scene.attach(denying())
    first = scene.run(lambda kernel: list(read(kernel, scene.link(kernel)).cores))
    remove_gate(scene, Direction.EGRESS)
    assert scene.status().state is State.INCOMPLETE
    assert "policy egress is not enforced" in scene.status().summary
    report = scene.attach(denying())
    assert report.status.state is State.ENFORCING
    assert report.status.generation == 1, "the pair in force stays"
    assert scene.run(lambda kernel: list(read(kernel, scene.link(kernel)).cores)) == first
    assert scene.crossing() == (False, False)


def remove_gate(scene: Scene, direction: Direction) -> None:
    def work(kernel: Kernel) -> None:
        link = scene.link(kernel)
        (runner,) = hooks.runners(kernel, link.index, scene.hook(direction))
        hooks.remove(kernel, link.index, runner)

    scene.run(work)


def refusal(scene: Scene, ingress: bytes, egress: bytes) -> PairError:
    """The refusal of two files, before and after which everything is equal."""
    scene.attach(allowing())
    before, status = scene.snapshot(), scene.status()
    with pytest.raises(PairError) as caught:
        scene.attach(read_pair(ingress, egress, "web.ingress.o", "web.egress.o"))
    assert scene.left_over(before) == ()
    assert scene.status() == status
    return caught.value


def test_s19_objects_of_two_compiles_are_refused(scene: Scene) -> None:
    error = refusal(scene, sealed(ALLOW)[0], sealed(DENY)[1])
    assert error.fault is PairFault.IDENTITY_DIFFERS


def test_s20_swapped_files_are_refused(scene: Scene) -> None:
    error = refusal(scene, sealed(DENY)[1], sealed(DENY)[0])
    assert error.fault is PairFault.SWAPPED


@pytest.mark.parametrize("section", ["tc", ".rodata.tables"])
def test_s21_a_flipped_byte_is_refused_even_when_the_digest_was_made_right(
    scene: Scene, section: str
) -> None:
    ingress, egress = sealed(DENY)
    plain, forged = (flipped(ingress, section, seal_again) for seal_again in (False, True))
    assert refusal(scene, plain, egress).fault is PairFault.ALTERED
    assert refusal(scene, forged, egress).fault is PairFault.IDENTITY_NOT_RECOMPUTED


def test_s21_a_flipped_byte_in_the_map_section_is_refused(scene: Scene) -> None:
    ingress, egress = sealed(DENY)
    assert refusal(scene, flipped(ingress, ".maps", False), egress).fault is PairFault.ALTERED


def flipped(data: bytes, section: str, seal_again: bool) -> bytes:
    """With the section's first bit turned; seal_again: and the file digest right, as a forger would."""
    at = read_object(data).elf.section(section).offset
    byte = bytes([data[at] ^ 1])
    return resealed(data, at, byte) if seal_again else data[:at] + byte + data[at + 1 :]


@pytest.mark.parametrize("direction", list(Direction))
def test_s22_a_pair_the_verifier_rejects_leaves_the_pair_in_force(scene: Scene, direction: Direction) -> None:
    scene.attach(denying())
    before, status = scene.snapshot(), scene.status()
    with pytest.raises(VerifierError) as caught:
        scene.attach(rejected_pair(direction))
    assert caught.value.direction == direction.word
    assert scene.left_over(before) == ()
    assert scene.status() == status
    assert scene.crossing() == (False, False)


@pytest.mark.parametrize("direction", list(Direction))
def test_s23_when_one_direction_is_rejected_nothing_is_attached(scene: Scene, direction: Direction) -> None:
    before = scene.snapshot()
    with pytest.raises(VerifierError):
        scene.attach(rejected_pair(direction))
    assert scene.left_over(before) == ()
    assert scene.status().state is State.ABSENT


@pytest.mark.parametrize("direction", list(Direction))
def test_s38_detach_succeeds_when_one_hook_is_gone(scene: Scene, direction: Direction) -> None:
    before = scene.snapshot()
    scene.attach(denying())
    remove_gate(scene, direction)
    assert scene.detach().changed
    assert scene.left_over(before) == ()
    assert scene.crossing() == (True, True)
    assert not scene.detach().changed


def test_s38_detach_succeeds_when_every_pin_is_gone(scene: Scene) -> None:
    before = scene.snapshot()
    scene.attach(allowing())
    for pin in sorted((scene.root / "polc").rglob("*"), reverse=True):
        pin.rmdir() if pin.is_dir() else pin.unlink()
    (scene.root / "polc").rmdir()
    time.sleep(_EMPTYING)
    scene.detach()
    assert scene.left_over(before) == ()
