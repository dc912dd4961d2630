"""Scenarios of the hooks themselves: failures on one hook, others at work on it, its numbers (S3 … S36)."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from polc.pair.layout import Direction
from polc.runtime import hooks, netns
from polc.runtime.attach import attach
from polc.runtime.bpf import BpfError, Command, Fd, Object
from polc.runtime.errors import CannotError, RuntimeFault
from polc.runtime.hooks import TcHook
from polc.runtime.kernel import Kernel
from polc.runtime.netlink import Filter, Netlink
from polc.runtime.standing import State
from polc.tests.kernel.scene import Scene, allowing, denying, returning
from polc.tests.kernel.test_scenarios import remove_gate, stale_gate

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("direction", list(Direction))
def test_s3_one_hook_with_an_older_pair_becomes_the_pair_in_one_run(
    scene: Scene, direction: Direction
) -> None:
    """One hook carries a gate over another pair's maps, in force; ours is missing there."""
    scene.attach(denying())

    def work(kernel: Kernel) -> None:
        remove_gate(scene, direction)
        with stale_gate(scene, kernel, allowing(), direction):
            assert not scene.status().in_force
            report = scene.attach(denying())
            assert report.status.state is State.ENFORCING
            assert report.status.identity == denying().identity.hex()
            for one in Direction:
                assert [role for role, _ in scene.names(one)] == ["gate"]
            assert not scene.attach(denying()).changed
            assert scene.crossing() == (False, False)

    scene.run(work)


@pytest.mark.parametrize("number", [errno.EBUSY, errno.ENOMEM], ids=errno.errorcode.get)
def test_s5_a_refusal_at_the_second_hook_takes_the_first_back_and_names_the_hook(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = scene.snapshot()
    kind = f"attach_{scene.mechanism}"
    real = getattr(hooks, kind)
    seen: list[State] = []

    def second_fails(kernel: Kernel, ifindex: int, hook: TcHook, *rest: object) -> object:
        if seen:
            raise BpfError(number, Command.LINK_CREATE, "injected")
        made = real(kernel, ifindex, hook, *rest)
        seen.append(scene.status().state)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(hooks, kind, second_fails)
        with pytest.raises(CannotError, match="egress gate to") as caught:
            scene.attach(denying())
    assert f"{scene.mechanism} {scene.hook(Direction.EGRESS).word}" in caught.value.message
    assert seen == [State.INCOMPLETE], "the first hook had its gate, and nothing was enforced"
    assert scene.left_over(before) == ()
    assert scene.status().state is State.ABSENT
    assert scene.attach(denying()).status.in_force


@pytest.mark.parametrize("update", [1, 2])
def test_s6_a_refusal_between_the_two_slots_of_a_swap_leaves_the_old_pair(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, update: int
) -> None:
    old = scene.attach(denying()).status
    before = scene.snapshot()
    real = scene.door.map_update
    filled: list[bytes] = []

    def refusing(map_: Fd, key: bytes, value: bytes, *flags: object) -> None:
        if scene.door.map_info(map_).name == "polc_slots":
            filled.append(key)
            if len(filled) == update:
                raise BpfError(errno.ENOMEM, Command.MAP_UPDATE_ELEM, "injected")
        real(map_, key, value, *flags)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(scene.door, "map_update", refusing)
        with pytest.raises(CannotError):
            scene.attach(allowing())
    assert scene.status() == old
    assert scene.left_over(before) == ()
    assert scene.crossing() == (False, False)


def to_preference(scene: Scene, kernel: Kernel, preference: int, program: int) -> None:
    """Adds our gate again under another preference and deletes the first filter, as the old Calico did."""
    index, hook = scene.link(kernel).index, scene.hook(Direction.INGRESS)
    (old,) = (one for one in kernel.net.filters(index, hook.parent) if one.program == program)
    gate = kernel.bpf.fd_by_id(Object.PROG, program)
    assert gate is not None
    with gate:
        kernel.net.add_bpf_filter(index, hook.parent, preference, gate.number, old.name)
    kernel.net.delete_filter(index, old)


@pytest.mark.parametrize("ours_last", [True, False])
def test_s9_of_two_gates_in_one_preference_the_pair_is_left(clsact: Scene, ours_last: bool) -> None:
    clsact.attach(allowing())

    def work(kernel: Kernel) -> None:
        index, parent = clsact.link(kernel).index, clsact.hook(Direction.INGRESS).parent
        (ours,) = kernel.net.filters(index, parent)
        if not ours_last:
            to_preference(clsact, kernel, 49151, ours.program)
        with stale_gate(clsact, kernel, denying(), Direction.INGRESS):
            if ours_last:
                to_preference(clsact, kernel, 49151, ours.program)
            two = kernel.net.filters(index, parent)
            assert [one.preference for one in two] == [49151, 49151]
            assert (two[0].program == ours.program) is ours_last, "the last added runs first"
            assert not clsact.passes(Direction.INGRESS), "the stale one vetoes, wherever it runs"
            assert clsact.attach(allowing()).status.identity == allowing().identity.hex()
            assert [one.program for one in kernel.net.filters(index, parent)] == [ours.program]
            assert clsact.crossing() == (True, True)

    clsact.run(work)


def test_s13_a_clsact_replaced_again_and_again_while_attaching_converges_or_is_said(clsact: Scene) -> None:
    stop = threading.Event()

    def replace_for_ever() -> None:
        with Netlink() as net:
            index = net.link(clsact.device).index
            while not stop.is_set():
                for change in (net.delete_clsact, net.add_clsact):
                    with suppress(RuntimeFault, OSError):
                        change(index)

    other = threading.Thread(target=lambda: netns.run(clsact.veth.namespace, replace_for_ever))
    other.start()
    try:
        for turn in range(20):
            with suppress(RuntimeFault, OSError):
                clsact.attach((allowing(), denying())[turn % 2])
    finally:
        stop.set()
        other.join()
    assert clsact.attach(denying()).status.state is State.ENFORCING
    assert clsact.crossing() == (False, False)


def test_s34_the_last_free_preference_is_used_and_with_none_left_attach_is_refused(
    clsact: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but one of 65,535 preferences taken: by a list, since making them takes minutes."""
    real = Netlink.filters
    free = {65535}

    def crowded(self: Netlink, ifindex: int, parent: int) -> tuple[Filter, ...]:
        found = real(self, ifindex, parent)
        ghosts = (Filter(parent, at, 1, 3, 0, "u32") for at in range(1, 65536) if at not in free)
        return (*ghosts, *found) if found == () or parent != found[0].parent else found

    before = clsact.snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(Netlink, "filters", crowded)
        free.clear()
        with pytest.raises(CannotError, match="every filter preference"):
            clsact.attach(denying())
    clsact.run(lambda kernel: hooks.drop_empty_clsact(kernel, clsact.link(kernel).index))
    assert clsact.left_over(before) == ()

    def work(kernel: Kernel) -> list[tuple[int, int]]:
        """A foreign filter with the highest handle there can be, and ours at the last preference."""
        index = clsact.link(kernel).index
        kernel.net.add_clsact(index)
        with returning(kernel.bpf, "foreign", -1) as foreign:
            parent = clsact.hook(Direction.INGRESS).parent
            kernel.net._bpf_filter("add-filter", index, parent, 65535, 0x7FFFFFFF, foreign.number, "high")
        clsact.attach(denying())
        found = hooks.runners(kernel, index, clsact.hook(Direction.INGRESS))
        return [(one.filter.preference, one.filter.handle) for one in found if one.filter]

    assert clsact.run(work) == [(1, 1), (65535, 0x7FFFFFFF)]
    clsact.detach()
    assert [name for _, name in clsact.names(Direction.INGRESS)] == ["high"]


def refusing_lists(number: int) -> Callable[[Netlink, int, int], tuple[Filter, ...]]:
    def refuse(_: Netlink, __: int, ___: int) -> tuple[Filter, ...]:
        raise OSError(number, "injected")

    return refuse


def test_s36_when_the_filters_cannot_be_listed_nothing_is_called_absent_and_nothing_changes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.attach(denying())
    before = scene.snapshot()
    scene.door.writes.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Netlink, "filters", refusing_lists(errno.EPERM))
        for command in (scene.status, scene.verify, lambda: scene.attach(allowing()), scene.detach):
            with pytest.raises(CannotError, match="cannot read what is attached"):
                command()
    assert scene.door.writes == {}
    assert scene.left_over(before) == ()
    assert scene.status().identity == denying().identity.hex()


def test_s36_a_dry_run_says_unknown_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Netlink, "filters", refusing_lists(errno.EACCES))
    with pytest.raises(CannotError):
        scene.run(lambda kernel: attach(kernel, allowing(), scene.request(dry_run=True)))
