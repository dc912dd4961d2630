"""Attach, attach again, swap, detach: each on tcx and on clsact, against the real kernel."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest
from polc.pair.layout import Direction
from polc.runtime import hooks
from polc.runtime.attach import AttachReport, attach
from polc.runtime.bpf import AttachType, BpfError, Command, HookState
from polc.runtime.errors import CannotError
from polc.runtime.hooks import Mechanism, Mode, TcHook
from polc.runtime.kernel import Kernel
from polc.runtime.policy import Policy
from polc.runtime.readback import read
from polc.runtime.standing import State
from polc.tests.kernel.scene import Recorder, Scene, allowing, denying, moved_text

pytestmark = pytest.mark.kernel


def test_attach_puts_both_directions_in_force_and_detach_leaves_nothing(scene: Scene) -> None:
    before = scene.snapshot()
    report = scene.attach(allowing())
    assert report.changed
    assert report.status.state is State.ENFORCING
    assert report.status.identity == allowing().identity.hex()
    assert report.status.generation == 1
    assert report.status.notes == ()
    assert scene.verify() == report.status
    assert scene.detach().changed
    assert scene.left_over(before) == ()
    assert scene.status().state is State.ABSENT
    assert not scene.detach().changed


def test_packets_in_both_directions_follow_the_pair_in_force(scene: Scene) -> None:
    assert scene.crossing() == (True, True)
    scene.attach(allowing())
    assert scene.crossing() == (True, True)
    scene.attach(denying())
    assert scene.crossing() == (False, False)
    scene.detach()
    assert scene.crossing() == (True, True)


def test_attaching_the_same_pair_again_writes_nothing(scene: Scene) -> None:
    first = scene.attach(allowing())
    scene.door.writes.clear()

    def again(kernel: Kernel) -> tuple[AttachReport, list[str]]:
        return attach(kernel, allowing(), scene.request()), kernel.net.writes

    report, netlink_writes = scene.run(again)
    assert (scene.door.writes, netlink_writes) == ({}, [])
    assert not report.changed
    assert report.plan == ()
    assert report.status == first.status


def test_a_swap_touches_neither_tc_nor_the_gates(scene: Scene) -> None:
    first = scene.attach(allowing())
    hooks_before = scene.snapshot()

    def swap(kernel: Kernel) -> tuple[AttachReport, list[str]]:
        return attach(kernel, denying(), scene.request()), kernel.net.writes

    report, netlink_writes = scene.run(swap)
    after = scene.snapshot()
    assert netlink_writes == []
    assert (hooks_before.filters, hooks_before.tcx, hooks_before.tree) == (
        after.filters,
        after.tcx,
        after.tree,
    )
    assert report.status.hooks == first.status.hooks
    assert report.status.identity == denying().identity.hex()
    assert report.status.generation == 2
    assert report.status.notes == (), "in rest both banks hold the pair in force"


def test_swapping_to_and_fro_leaves_one_pair_and_no_earlier_program(scene: Scene) -> None:
    before = scene.snapshot()
    for turn in range(6):
        report = scene.attach((allowing(), denying())[turn % 2])
        assert report.status.generation == turn + 1
        assert scene.crossing() == ((True, True), (False, False))[turn % 2]
    scene.detach()
    assert scene.left_over(before) == ()


def test_flows_and_events_outlive_a_swap(scene: Scene) -> None:
    def shared(kernel: Kernel) -> set[tuple[str, int]]:
        (core,) = read(kernel, scene.link(kernel)).cores.values()
        contents = [one for one in core.contents if isinstance(one, Policy)]
        return {(name, one.maps[name]) for one in contents for name in ("polc_flows", "polc_events")}

    scene.attach(allowing())
    before = scene.run(shared)
    scene.attach(denying())
    assert scene.run(shared) == before
    assert len(before) == 2


@pytest.mark.parametrize("mode", list(Mode))
def test_the_mode_maps_directions_to_hooks(scene: Scene, mode: Mode) -> None:
    report = scene.attach(allowing(), mode=mode)
    crossed = mode is Mode.WORKLOAD
    policies = {hook.hook: hook.policy for hook in report.status.hooks}
    assert policies == (
        {"ingress": "egress", "egress": "ingress"} if crossed else {"ingress": "ingress", "egress": "egress"}
    )
    assert report.status.mode is mode


def test_another_mode_than_the_attached_one_is_refused(scene: Scene) -> None:
    scene.attach(allowing())
    before = scene.snapshot()
    with pytest.raises(CannotError, match="workload mode"):
        scene.attach(denying(), mode=Mode.HOST)
    assert scene.left_over(before) == ()
    assert scene.verify().identity == allowing().identity.hex()


def test_equal_identity_from_other_text_is_said_and_swapped_only_on_refresh(scene: Scene) -> None:
    assert moved_text().identity == allowing().identity
    scene.attach(allowing())
    scene.door.writes.clear()
    report = scene.attach(moved_text())
    assert not report.changed
    assert scene.door.writes == {}
    assert "other text" in report.notes[0]
    refreshed = scene.attach(moved_text(), refresh=True)
    assert refreshed.changed
    assert refreshed.status.generation == 2
    assert refreshed.status.policies[0].sources != report.status.policies[0].sources


def test_other_settings_are_a_swap(scene: Scene) -> None:
    scene.attach(allowing())
    report = scene.attach(allowing(), keep_established=True)
    assert report.status.generation == 2
    assert not scene.attach(allowing(), keep_established=True).changed


def test_a_dry_run_tells_the_plan_and_changes_nothing(scene: Scene) -> None:
    before = scene.snapshot()
    scene.door.writes.clear()
    report = scene.attach(allowing(), dry_run=True)
    assert scene.door.writes == {}
    assert scene.left_over(before) == ()
    assert not report.changed
    assert report.status.state is State.ABSENT
    assert any("one store: 1" in line for line in report.plan)


def test_closed_starts_in_force_with_empty_slots(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[State] = []
    kind = f"attach_{scene.mechanism}"
    real = getattr(hooks, kind)

    def watched(kernel: Kernel, ifindex: int, hook: TcHook, *rest: object) -> object:
        made = real(kernel, ifindex, hook, *rest)
        seen.append(scene.status().state)
        return made

    monkeypatch.setattr(hooks, kind, watched)
    report = scene.attach(allowing(), closed=True)
    assert seen == [State.INCOMPLETE, State.CLOSED]
    assert report.status.state is State.ENFORCING
    assert report.status.generation == 2
    assert report.status.notes == ()
    assert scene.crossing() == (True, True)


def test_the_other_mechanism_takes_over_with_the_same_policy_and_state(scene: Scene) -> None:
    """S14: never zero gates, and one pair while both mechanisms run."""
    before = scene.snapshot()
    scene.attach(allowing())
    other = next(one for one in Mechanism if one is not scene.mechanism)
    report = scene.attach(allowing(), mechanism=other)
    assert report.status.state is State.ENFORCING
    assert report.status.generation == 1
    for direction in Direction:
        found = report.status.hooks[scene.hook(direction)].programs
        assert [(one.role, one.mechanism) for one in found] == [("gate", other)]
    assert not scene.attach(allowing(), mechanism=other).changed
    scene.detach()
    assert scene.left_over(before) == ()


class WithoutTcx(Recorder):
    """A kernel before 6.6: every call that names a tcx hook answers EINVAL."""

    def prog_query(self, ifindex: int, hook: AttachType) -> HookState:
        raise BpfError(errno.EINVAL, Command.PROG_QUERY, f"{hook.name} of ifindex {ifindex}")


def test_without_tcx_auto_takes_clsact_and_asking_for_tcx_is_refused(clsact: Scene) -> None:
    scene = replace(clsact, door=WithoutTcx())
    before = scene.snapshot()
    with pytest.raises(CannotError, match="no tcx hooks") as caught:
        scene.attach(allowing(), mechanism=Mechanism.TCX)
    assert "--hook clsact" in caught.value.hint
    assert scene.left_over(before) == ()
    report = scene.attach(allowing(), mechanism=None)
    programs = [one for hook in report.status.hooks for one in hook.programs]
    assert [one.mechanism for one in programs] == [Mechanism.CLSACT] * 2
    scene.detach()
    assert scene.left_over(before) == ()
