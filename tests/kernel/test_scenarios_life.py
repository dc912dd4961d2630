"""Scenarios of devices, pins and processes that come and go (S15 … S40)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from polc.pair.layout import MAP_FLOWS, MAP_SLOTS, Direction, slot
from polc.pair.object import ObjectPair
from polc.runtime import lock
from polc.runtime.bpf import Object
from polc.runtime.detach import detach
from polc.runtime.errors import CannotError, GoneError, NotInForce
from polc.runtime.kernel import Kernel
from polc.runtime.pins import Pins
from polc.runtime.policy import Policy
from polc.runtime.readback import read
from polc.runtime.standing import State
from polc.runtime.surroundings import Surroundings
from polc.tests.kernel.scene import Scene, allowing, denying, returning, sh

pytestmark = pytest.mark.kernel
_EMPTYING = 0.5  # seconds the kernel has to empty a slot map that lost its last user


def remade(scene: Scene) -> None:
    """The device is deleted, and made again under the same name with another index."""
    node, workload = scene.veth.namespace, scene.veth.workload
    sh("ip", "-n", node, "link", "del", scene.device)
    sh("ip", "-n", node, "link", "add", "polc-test-gap", "type", "veth", "peer", "name", "polc-test-gap2")
    peer = ("peer", "name", "polc-test-w", "netns", workload)
    sh("ip", "-n", node, "link", "add", scene.device, "type", "veth", *peer)


def directories(scene: Scene) -> list[str]:
    base = scene.root / "polc"
    return sorted(path.name for path in base.iterdir()) if base.exists() else []


def test_s15_after_a_device_was_made_again_the_stale_pins_go_and_the_new_device_has_its_own(
    scene: Scene,
) -> None:
    first = scene.attach(denying()).status
    remade(scene)
    status = scene.status()
    assert (status.state, status.ifindex == first.ifindex) == (State.ABSENT, False)
    assert directories(scene) == [f"{first.netns_cookie}-{first.ifindex}"], "stale, and nobody noticed yet"
    report = scene.attach(denying())
    assert report.status.state is State.ENFORCING
    assert report.notes == ()
    assert directories(scene) == [f"{first.netns_cookie}-{status.ifindex}"]
    assert not scene.attach(denying()).changed


def test_s16_clearing_up_after_a_gone_device_keeps_the_pins_of_the_live_one(scene: Scene) -> None:
    """The news that the first device went comes after the second is attached."""
    first = scene.attach(denying()).status
    remade(scene)
    scene.attach(denying())

    def late_news(kernel: Kernel) -> None:
        place = kernel.host.find_bpffs(scene.root)
        assert place is not None
        gone = Pins(kernel.bpf, place, place.directory(first.netns_cookie, first.ifindex))
        assert gone.clear() == []
        for orphan in Surroundings(kernel, place, first.netns_cookie).orphans:
            orphan.clear()

    scene.run(late_news)
    assert scene.verify().identity == denying().identity.hex()
    assert not scene.attach(denying()).changed


def test_s17_names_that_differ_by_a_dot_have_their_own_pins(scene: Scene) -> None:
    """Pins are named by namespace and index; a name is only how a person finds the device."""
    node = scene.veth.namespace
    for name, peer in (("eth0.1", "eth0.1-peer"), ("eth01", "eth01-peer")):
        sh("ip", "-n", node, "link", "add", name, "type", "veth", "peer", "name", peer)
    dotted = scene.attach(denying(), interface="eth0.1").status
    plain = scene.attach(allowing(), interface="eth01").status
    assert len(directories(scene)) == 2
    assert (dotted.identity, plain.identity) == (denying().identity.hex(), allowing().identity.hex())
    scene.run(lambda kernel: detach(kernel, "eth0.1", scene.root))
    assert directories(scene) == [f"{plain.netns_cookie}-{plain.ifindex}"]
    assert scene.attach(allowing(), interface="eth01").changed is False


def test_s25_a_device_that_disappears_while_it_is_attached_to_leaves_no_record(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = scene.door.map_update
    gone: list[str] = []

    def deleting(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        if not gone and scene.door.map_info(arguments[0]).name == MAP_SLOTS:  # type: ignore[arg-type]
            gone.append(scene.device)
            sh("ip", "-n", scene.veth.namespace, "link", "del", scene.device)

    before = scene.snapshot()
    monkeypatch.setattr(scene.door, "map_update", deleting)
    with pytest.raises(CannotError):
        scene.attach(denying())
    assert gone
    after = scene.snapshot()
    assert after.tree == before.tree
    for command in (scene.status, scene.verify, scene.detach, lambda: scene.attach(denying())):
        with pytest.raises((GoneError, OSError)):
            command()


def test_s26_a_device_that_goes_down_and_up_keeps_its_pair(scene: Scene) -> None:
    before = scene.attach(denying()).status
    for state in ("down", "up"):
        sh("ip", "-n", scene.veth.namespace, "link", "set", scene.device, state)
        assert scene.status() == before
        assert not scene.attach(denying()).changed
    assert scene.crossing() == (False, False)


def test_s27_two_attaches_at_once_leave_one_pure_pair(scene: Scene) -> None:
    pairs = allowing(), denying()
    failures: list[str] = []

    def attaching(pair: ObjectPair) -> None:
        try:
            for _ in range(5):
                scene.attach(pair)
        except NotInForce as error:  # attached, and the other one was faster than the look back
            failures.append(error.message)
        except CannotError as error:
            failures.append(error.message)

    both = [threading.Thread(target=attaching, args=(pair,)) for pair in pairs]
    for one in both:
        one.start()
    for one in both:
        one.join()
    status = scene.verify()
    assert status.identity in {pair.identity.hex() for pair in pairs}
    assert status.notes == ()
    assert [len(hook.programs) for hook in status.hooks] == [1, 1]
    assert all("after attaching" in failure for failure in failures), failures


def test_s27_the_lock_is_refused_while_another_holds_it_and_free_when_the_holder_is_gone(
    tmp_path: Path,
) -> None:
    with lock.locked("1-2.lock", tmp_path):
        with pytest.raises(CannotError, match="another polc"), lock.locked("1-2.lock", tmp_path, 0.05):
            raise AssertionError("held twice")
        with lock.locked("1-3.lock", tmp_path, 0.05):
            assert len(list(tmp_path.iterdir())) == 2
    with lock.locked("1-2.lock", tmp_path, 0.05):
        pass
    assert list(tmp_path.iterdir()) == []


def test_s28_a_pair_of_the_same_shape_takes_one_store_and_keeps_gates_and_flows(scene: Scene) -> None:
    """By design: new objects, no new gates, no tc; the flow table stays."""

    def maps(kernel: Kernel) -> set[int]:
        (core,) = read(kernel, scene.link(kernel)).cores.values()
        found = [one for one in core.contents if isinstance(one, Policy)]
        return {core.slots, core.word, *(one.maps[MAP_FLOWS] for one in found)}

    scene.attach(allowing())
    before = scene.run(maps)
    scene.door.writes.clear()
    scene.attach(denying())
    assert scene.door.writes["WORD_STORE"] == 1
    assert scene.door.writes["LINK_CREATE"] == scene.door.writes["PROG_ATTACH"] == 0
    assert scene.run(maps) == before


def test_s30_an_empty_slot_drops_and_a_restart_does_not_empty_live_slots(scene: Scene) -> None:
    scene.attach(allowing())
    assert scene.crossing() == (True, True), "no process holds the slots: their pin does"

    def empty(kernel: Kernel) -> None:
        (core,) = read(kernel, scene.link(kernel)).cores.values()
        slots = kernel.bpf.fd_by_id(Object.MAP, core.slots)
        assert slots is not None
        with slots:
            kernel.bpf.map_delete(slots, slot(core.value & 1, Direction.INGRESS).to_bytes(4, "little"))

    scene.run(empty)
    assert scene.crossing() == (False, True)
    status = scene.status()
    assert status.state is State.INCOMPLETE
    assert "ingress packets are dropped" in status.summary
    assert scene.attach(allowing()).status.state is State.ENFORCING
    assert scene.crossing() == (True, True)


ORDERS: list[Callable[[Scene], object]] = [
    lambda scene: scene.attach(denying()),
    lambda scene: scene.attach(allowing()),
    lambda scene: scene.detach(),
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (1, 0, 0), (2, 2, 1)])
def test_s40_whatever_came_before_the_end_is_the_same(scene: Scene, order: tuple[int, ...]) -> None:
    for step in order:
        ORDERS[step](scene)
    status = scene.attach(denying()).status
    assert (status.state, status.identity) == (State.ENFORCING, denying().identity.hex())
    assert (status.notes, status.bypass) == ((), ())
    assert len(directories(scene)) == 1
    names = scene.names(Direction.INGRESS), scene.names(Direction.EGRESS)
    assert [[role for role, _ in one] for one in names] == [["gate"], ["gate"]]
    assert scene.crossing() == (False, False)


def test_s18_a_read_only_bpffs_is_refused_and_nothing_is_left(scene: Scene) -> None:
    before = scene.snapshot()
    sh("mount", "-o", "remount,ro", str(scene.root))
    try:
        with pytest.raises(CannotError, match="Read-only file system"):
            scene.attach(denying())
        assert scene.left_over(before) == ()
        assert scene.status().state is State.ABSENT
    finally:
        sh("mount", "-o", "remount,rw", str(scene.root))
    assert scene.attach(denying()).status.in_force


def test_s31_programs_of_another_layout_behind_our_gates_are_replaced_in_place(scene: Scene) -> None:
    """What an older or newer polc left in the slots is a stranger here: not a pair, and no obstacle."""
    first = scene.attach(allowing()).status

    def put_strangers(kernel: Kernel) -> int:
        (core,) = read(kernel, scene.link(kernel)).cores.values()
        slots = kernel.bpf.fd_by_id(Object.MAP, core.slots)
        assert slots is not None
        with slots, returning(kernel.bpf, "polc_ingress", 2) as stranger:
            for direction in Direction:
                key = slot(core.value & 1, direction).to_bytes(4, "little")
                kernel.bpf.map_update(slots, key, stranger.number.to_bytes(4, "little"))
            return kernel.bpf.prog_info(stranger).id

    number = scene.run(put_strangers)
    status = scene.status()
    assert status.state is State.MIXED
    assert "no policy of this layout" in status.summary
    report = scene.attach(allowing())
    assert (report.status.state, report.status.notes) == (State.ENFORCING, ())
    assert report.status.hooks == first.hooks, "the gates stay"
    assert scene.crossing() == (True, True)
    end = time.monotonic() + 5
    while number in set(scene.door.ids(Object.PROG)):
        assert time.monotonic() < end, "the old program goes when nothing uses it"
        time.sleep(0.02)


def test_s30_slots_that_lost_their_pins_are_filled_for_good_by_the_next_attach(scene: Scene) -> None:
    """Looking at an unpinned slot map must not have the kernel empty it after it was filled again."""
    scene.attach(allowing())
    for _ in range(5):
        for pin in (scene.root / "polc").rglob("slots"):
            pin.unlink()
        time.sleep(_EMPTYING)
        assert scene.status().state is State.CLOSED
        assert scene.attach(allowing()).status.state is State.ENFORCING
        time.sleep(_EMPTYING)
        assert scene.status().state is State.ENFORCING
    assert scene.crossing() == (True, True)
