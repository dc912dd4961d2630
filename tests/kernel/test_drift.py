"""Each kind of drift on the real kernel: named, planned, mended, read back; then nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest
from polc.pair.layout import MAP_FLOWS, Config, Direction, bank_of, slot
from polc.pair.object import ObjectPair
from polc.runtime import hooks
from polc.runtime.assembler import Register, move
from polc.runtime.attach import AttachReport, attach
from polc.runtime.bpf import AttachFlag, Fd, Object
from polc.runtime.drift import Drift
from polc.runtime.gate import Gates
from polc.runtime.hooks import Mechanism
from polc.runtime.host import Host
from polc.runtime.kernel import Kernel
from polc.runtime.loader import load_pair
from polc.runtime.policy import Policy
from polc.runtime.readback import Core, read
from polc.runtime.standing import State
from polc.runtime.word import Word
from polc.tests.kernel.scene import Scene, Veth, allowing, denying, returning, sh

pytestmark = pytest.mark.kernel
NEXT = -1
_PATIENCE = 20.0  # seconds


def core(scene: Scene, kernel: Kernel, gates: Gates | None = None) -> Core:
    (only,) = read(kernel, scene.link(kernel), gates).cores.values()
    return only


def flows(of: Core) -> set[int]:
    """The flow table's id, as both programs in force have it."""
    return {one.maps[MAP_FLOWS] for one in of.active if isinstance(one, Policy)}


def opened(kernel: Kernel, number: int) -> Fd:
    fd = kernel.bpf.fd_by_id(Object.MAP, number)
    assert fd is not None
    return fd


def put(kernel: Kernel, of: Core, bank: int, direction: Direction, program: Fd) -> None:
    with opened(kernel, of.slots) as slots:
        key = slot(bank, direction).to_bytes(4, "little")
        kernel.bpf.map_update(slots, key, program.number.to_bytes(4, "little"))


def first_on_hook(
    scene: Scene, kernel: Kernel, direction: Direction, program: Fd, name: str = "polc"
) -> None:
    """At the head of its hook, in a way that outlives this process."""
    index, hook = scene.link(kernel).index, scene.hook(direction)
    if scene.mechanism is Mechanism.TCX:
        kernel.bpf.prog_attach(program, index, hook.attach_type, AttachFlag.BEFORE)
    else:
        (place,) = {one.preference for one in kernel.net.filters(index, hook.parent)}
        kernel.net.add_bpf_filter(index, hook.parent, place, program.number, name)


def without_gate(scene: Scene, kernel: Kernel, *directions: Direction) -> None:
    found = read(kernel, scene.link(kernel))
    for gate in found.gates:
        if gate.direction in directions:
            hooks.remove(kernel, found.link.index, gate.runner)


# --- what others do to one interface ------------------------------------------------------------------


def one_hook_missing(scene: Scene, kernel: Kernel) -> None:
    without_gate(scene, kernel, Direction.EGRESS)


def both_missing(scene: Scene, kernel: Kernel) -> None:
    without_gate(scene, kernel, *Direction)


def other_bank(scene: Scene, kernel: Kernel, idle: bool) -> None:
    """Another pair's ingress program, loaded for this generation, in one bank."""
    of = core(scene, kernel)
    with opened(kernel, of.slots) as slots:
        other = load_pair(kernel.bpf, allowing(), Config(generation=of.value), {"slots": slots})
        with other:
            bank = bank_of(of.value) ^ idle
            put(kernel, of, bank, Direction.INGRESS, other.ingress.program)


def mixed(scene: Scene, kernel: Kernel) -> None:
    other_bank(scene, kernel, idle=False)


def idle_bank(scene: Scene, kernel: Kernel) -> None:
    other_bank(scene, kernel, idle=True)


def duplicate(scene: Scene, kernel: Kernel) -> None:
    of = core(scene, kernel)
    with (
        opened(kernel, of.slots) as slots,
        opened(kernel, of.word) as word,
        Gates().load(kernel.bpf, Direction.INGRESS, slots, word) as gate,
    ):
        first_on_hook(scene, kernel, Direction.INGRESS, gate)


def no_pin(scene: Scene, kernel: Kernel) -> None:  # noqa: ARG001
    for pin in (scene.root / "polc").rglob("word"):
        pin.unlink()


def emptied(scene: Scene, kernel: Kernel) -> None:
    of = core(scene, kernel)
    with opened(kernel, of.slots) as slots:
        for index in range(4):
            kernel.bpf.map_delete(slots, index.to_bytes(4, "little"))


def disarmed(scene: Scene, kernel: Kernel) -> None:
    with opened(kernel, core(scene, kernel).word) as fd, Word(kernel.bpf, fd, writable=True) as word:
        word.store(0)


BREAKS: dict[Drift, Callable[[Scene, Kernel], None]] = {
    Drift.ONE_HOOK_MISSING: one_hook_missing,
    Drift.BOTH_MISSING: both_missing,
    Drift.MIXED_IDENTITY: mixed,
    Drift.IDLE_BANK: idle_bank,
    Drift.STALE_DUPLICATE: duplicate,
    Drift.PIN_LOST: no_pin,
    Drift.SLOTS_EMPTIED: emptied,
    Drift.NOT_ARMED: disarmed,
}


def names(report: AttachReport) -> list[Drift]:
    return [one.drift for one in report.drifts]


def mended(scene: Scene, pair: ObjectPair, *expected: Drift, **request: object) -> AttachReport:
    """Named and planned by a dry run that writes nothing; mended; the second attach writes nothing."""
    scene.door.writes.clear()
    dry = scene.attach(pair, dry_run=True, **request)
    assert (names(dry), dry.changed, scene.door.writes.total()) == (list(expected), False, 0)
    assert dry.plan
    assert all(one.repair for one in dry.drifts)
    report = scene.attach(pair, **request)
    assert (report.changed, report.plan, report.drifts) == (True, dry.plan, dry.drifts)
    assert (report.status.state, report.notes) == (State.ENFORCING, dry.notes)
    assert report.status.identity == pair.identity.hex()
    assert report.status == scene.status()

    def again(kernel: Kernel) -> tuple[AttachReport, int]:
        kernel.bpf.writes.clear()
        return attach(kernel, pair, scene.request(**request)), kernel.writes

    second, writes = scene.run(again)
    assert (names(second), second.plan, second.changed, writes) == ([], (), False, 0)
    return report


def test_each_drift_of_one_interface_is_named_planned_mended_and_gone(scene: Scene) -> None:
    mended(scene, denying(), Drift.BOTH_MISSING)
    for drift, harm in BREAKS.items():
        try:
            scene.run(lambda kernel, harm=harm: harm(scene, kernel))  # type: ignore[misc]
            mended(scene, denying(), drift)
        except Exception as error:
            error.add_note(f"after {drift}")
            raise
    mended(scene, allowing(), Drift.OTHER_POLICY)
    mended(scene, allowing(), Drift.SETTINGS, host_access=True)
    other = Mechanism.CLSACT if scene.mechanism is Mechanism.TCX else Mechanism.TCX
    mended(scene, allowing(), Drift.SETTINGS, Drift.SETTINGS, host_access=True, mechanism=other)
    assert scene.crossing() == (True, True)


def test_a_foreign_program_that_comes_first_is_named_and_left_alone(scene: Scene) -> None:
    scene.attach(denying())

    def foreign(kernel: Kernel) -> None:
        with returning(kernel.bpf, "cali_tc", NEXT) as program:
            first_on_hook(scene, kernel, Direction.INGRESS, program, "cali_tc")

    scene.run(foreign)
    for _ in range(2):
        report = scene.attach(denying())
        assert (names(report), report.plan, report.changed) == ([Drift.FOREIGN_FIRST], (), False)
        assert "cali_tc" in report.drifts[0].detail
        assert report.drifts[0].repair == ""
    assert report.status.state is State.BYPASSABLE


def test_gates_of_another_version_are_replaced_while_they_go_on_and_flows_stay(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version is another text in `.rodata` and another listing."""
    other = Gates(between=[move(Register.R8, 7)])
    request = scene.request()
    with monkeypatch.context() as patch:
        patch.setattr("polc.runtime.gate.GATE_VERSION", 7)
        scene.run(lambda kernel: attach(kernel, denying(), request, other))
        before = scene.run(lambda kernel: core(scene, kernel, other))
    status = scene.status()
    assert (status.state, status.in_force) == (State.OTHER_VERSION, False)
    assert status.summary.startswith("unknown: a gate of another version of polc runs on")
    report = mended(scene, denying(), Drift.GATE_VERSION, Drift.GATE_VERSION)
    assert report.status.generation == before.value + 1, "flows stamped by the old gates are judged again"
    after = scene.run(lambda kernel: core(scene, kernel))
    assert len(flows(before)) == 1
    assert flows(after) == flows(before)
    assert scene.crossing() == (False, False)


def test_detach_removes_gates_of_another_version(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before = scene.snapshot()
    with monkeypatch.context() as patch:
        patch.setattr("polc.runtime.gate.GATE_VERSION", 7)
        scene.attach(denying())
    scene.detach()
    assert scene.left_over(before) == ()


# --- two interfaces --------------------------------------------------------------------------------------


def second_device(scene: Scene) -> Scene:
    add_device(scene.veth.namespace, "polc-test-2")
    return replace(scene, veth=replace(scene.veth, device="polc-test-2"))


def add_device(namespace: str, name: str) -> None:
    sh("ip", "-n", namespace, "link", "add", name, "type", "veth", "peer", "name", "polc-test-p")


@pytest.mark.parametrize("directions", [[Direction.EGRESS], list(Direction)], ids=["one", "both"])
def test_a_gate_over_another_interfaces_maps_is_named_and_replaced_and_that_interface_untouched(
    scene: Scene, directions: list[Direction]
) -> None:
    other = second_device(scene)
    theirs = other.attach(allowing()).status
    scene.attach(denying())

    def over_their_maps(kernel: Kernel) -> None:
        of = core(other, kernel)
        without_gate(scene, kernel, *directions)
        for direction in directions:
            with ExitStack() as held:
                maps = [held.enter_context(opened(kernel, number)) for number in (of.slots, of.word)]
                gate = held.enter_context(Gates().load(kernel.bpf, direction, *maps))
                if scene.mechanism is Mechanism.TCX:
                    first_on_hook(scene, kernel, direction, gate)
                else:
                    hooks.attach_clsact(
                        kernel, scene.link(kernel).index, scene.hook(direction), gate, "polc+clsact"
                    )

    scene.run(over_their_maps)
    assert scene.crossing() == (False, True) if len(directions) == 1 else (True, True)
    mended(scene, denying(), *[Drift.FOREIGN_MAP] * len(directions))
    assert scene.crossing() == (False, False)
    assert other.status() == theirs
    scene.detach()
    assert other.status() == theirs


def take_off(scene: Scene, holder: ExitStack, pin: str) -> None:
    """The egress gate by others, whose program `holder` has open, as if the kernel had not let go of it yet;
    and a pin."""

    def others(kernel: Kernel) -> None:
        (gate,) = (one for one in read(kernel, scene.link(kernel)).gates if one.direction is Direction.EGRESS)
        program = kernel.bpf.fd_by_id(Object.PROG, gate.runner.program)
        assert program is not None
        holder.enter_context(program)
        without_gate(scene, kernel, Direction.EGRESS)
        for path in (scene.root / "polc").rglob(pin):
            path.unlink()

    scene.run(others)


def pauses(patch: pytest.MonkeyPatch, then: Callable[[], None] = lambda: None) -> list[float]:
    """What polc waits from now on; `then` is done before."""
    waited: list[float] = []

    def pause(_: Host, seconds: float) -> None:
        waited.append(seconds)
        then()
        time.sleep(seconds)

    patch.setattr(Host, "pause", pause)
    return waited


def test_a_gate_that_was_taken_off_a_moment_ago_is_waited_for(
    clsact: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no gate of another interface, and what is right stays: the other gate, the maps, the flows."""
    before = clsact.attach(denying()).status
    with ExitStack() as holder:
        take_off(clsact, holder, "word")
        waited = pauses(monkeypatch, holder.close)
        report = mended(clsact, denying(), Drift.ONE_HOOK_MISSING, Drift.PIN_LOST)
    assert waited
    assert report.status.generation == before.generation
    assert clsact.crossing() == (False, False)


def test_a_gate_on_no_hook_that_stays_is_taken_for_another_interfaces_after_a_bounded_wait(
    clsact: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    clsact.attach(denying())
    with ExitStack() as holder:
        take_off(clsact, holder, "word")
        waited = pauses(monkeypatch)
        report = mended(clsact, denying(), Drift.FOREIGN_MAP)
        assert 1 <= sum(waited) / 2 <= 2.5, "by the look of a dry run, and by that of the attach"
    assert report.status.state is State.ENFORCING
    assert clsact.crossing() == (False, False)


def test_detach_disarms_first_also_when_a_gate_was_taken_off_a_moment_ago(
    clsact: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or one direction would go on alone until its own gate is removed."""
    clsact.attach(denying())
    with ExitStack() as holder:
        take_off(clsact, holder, "slots")
        assert pauses(monkeypatch, holder.close) == []
        assert clsact.detach().removed[0] == "commit word: 0, nothing is enforced any more"


# --- devices that go, come and move -----------------------------------------------------------------------


def pin_directories(scene: Scene) -> list[str]:
    return sorted(path.name for path in (scene.root / "polc").iterdir())


def test_a_device_that_was_made_again_is_named_and_its_old_pins_go(scene: Scene) -> None:
    device = second_device(scene)
    device.attach(denying())
    sh("ip", "-n", scene.veth.namespace, "link", "del", device.device)
    second_device(scene)
    status = mended(device, denying(), Drift.DEVICE_RECREATED).status
    assert pin_directories(scene) == [f"{status.netns_cookie}-{status.ifindex}"]


def test_a_device_that_was_moved_is_named_and_its_old_pins_go(
    scene: Scene, namespace: Callable[[], str]
) -> None:
    """tcx gates live on and are adopted; clsact gates die in the move and are attached anew."""
    scene.attach(denying())
    target = namespace()
    sh("ip", "-n", scene.veth.namespace, "link", "set", scene.device, "netns", target)
    there = replace(scene, veth=Veth(target, scene.veth.workload))
    report = mended(there, denying(), Drift.DEVICE_MOVED)
    assert report.status.generation == 1
    assert pin_directories(scene) == [f"{report.status.netns_cookie}-{report.status.ifindex}"]


def test_pins_that_serve_nobody_in_another_namespace_are_swept_and_those_of_a_live_device_never(
    scene: Scene, namespace: Callable[[], str]
) -> None:
    live = scene.attach(denying()).status
    gone = second_device(scene)
    gone.attach(denying())
    assert len(pin_directories(scene)) == 2
    sh("ip", "-n", scene.veth.namespace, "link", "del", gone.device)
    target = namespace()
    add_device(target, scene.device)
    elsewhere = replace(scene, veth=Veth(target, scene.veth.workload))
    end = time.monotonic() + _PATIENCE
    while not any("remove the pins" in line for line in elsewhere.attach(allowing(), dry_run=True).plan):
        assert time.monotonic() < end, "the kernel lets go of filters a moment later"
    there = elsewhere.attach(allowing())
    of_both = [f"{one.netns_cookie}-{one.ifindex}" for one in (live, there.status)]
    assert pin_directories(scene) == sorted(of_both)
    assert scene.verify() == live
