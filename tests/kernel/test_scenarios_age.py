"""Upgrade: a pair that a polc of the layout before attached (S31)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from polc.compiler.seal.sealing import seal
from polc.pair.layout import LAYOUT_VERSION, MAP_FLOWS, MAP_SLOTS, Direction
from polc.pair.object import ObjectPair, read_pair
from polc.runtime.bpf import Object
from polc.runtime.kernel import Kernel
from polc.runtime.policy import Policy
from polc.runtime.readback import read
from polc.runtime.standing import State
from polc.tests.kernel.policies import BOTH, compiled
from polc.tests.kernel.scene import DENY, Scene, sh
from polc.tests.pair.pairs import raw_parts

pytestmark = pytest.mark.kernel
_OLDER = LAYOUT_VERSION - 1
_KNOWING = ("pair.layout", "pair.identity", "pair.object", "pair.note", "compiler.seal.sealing")
_PATIENCE = 20.0  # seconds


@contextmanager
def older_polc() -> Iterator[None]:
    """Within it this process is a polc of the layout before."""
    with pytest.MonkeyPatch.context() as patch:
        for module in _KNOWING:
            patch.setattr(f"polc.{module}.LAYOUT_VERSION", _OLDER)
        yield


def older_pair() -> ObjectPair:
    """A pair of the layout before that drops everything; its flow table has entries of another size."""
    parts = {direction: raw_parts(DENY, direction) for direction in Direction}
    aged = {
        direction: replace(one, note=replace(one.note, layout=_OLDER)) for direction, one in parts.items()
    }
    both = seal(aged)
    return read_pair(both[Direction.INGRESS], both[Direction.EGRESS])


def maps_in_force(scene: Scene, kernel: Kernel) -> dict[str, tuple[int, int]]:
    """Of the programs in force, by name of the map: its id and the size of its values."""
    (core,) = read(kernel, scene.link(kernel)).cores.values()
    found = {}
    for one in core.active:
        assert isinstance(one, Policy)
        for name, number in one.maps.items():
            fd = kernel.bpf.fd_by_id(Object.MAP, number)
            assert fd is not None
            with fd:
                found[name] = number, kernel.bpf.map_info(fd).value_size
    return found


def test_s31_a_pair_of_an_older_layout_is_replaced_and_its_maps_go_though_another_interface_is_stuck(
    scene: Scene,
) -> None:
    add = ("ip", "-n", scene.veth.namespace, "link", "add", "polc-test-2", "type", "veth")
    sh(*add, "peer", "name", "polc-test-p")
    stuck = replace(scene, veth=replace(scene.veth, device="polc-test-2"))
    with older_polc():
        old = older_pair()
        for one in (scene, stuck):
            assert one.attach(old).status.state is State.ENFORCING
        before, others = (one.run(partial(maps_in_force, one)) for one in (scene, stuck))
    assert scene.status().state is State.MIXED, "a layout that is not known here is no pair"
    assert scene.crossing() == (False, False), "but it goes on as it did"

    report = scene.attach(compiled(BOTH))
    assert (report.status.state, report.notes, report.status.notes) == (State.ENFORCING, (), ())
    after = scene.run(partial(maps_in_force, scene))
    assert after[MAP_FLOWS][1] != before[MAP_FLOWS][1], "another layout indeed"
    kept = {number for number, _ in after.values()}
    gone = {number for name, (number, _) in before.items() if name != MAP_SLOTS}
    assert not gone & kept
    end = time.monotonic() + _PATIENCE
    while left := gone & set(scene.door.ids(Object.MAP)):
        assert time.monotonic() < end, f"maps of the older layout are left: {left}"
        time.sleep(0.02)
    with older_polc():
        assert stuck.run(partial(maps_in_force, stuck)) == others, "the stuck one is untouched"
    assert not scene.attach(compiled(BOTH)).changed
