"""A process that dies at any write leaves nothing or one whole pair in force; the next mends it (S7)."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import pytest
from polc.pair.object import ObjectPair
from polc.runtime.standing import State
from polc.tests.kernel.scene import Recorder, Scene, allowing, denying

pytestmark = pytest.mark.kernel
_KILLED = 9


class Mortal(Recorder):
    """A door whose process ends right before its write number `life`, without any clean-up."""

    def __init__(self, life: int) -> None:
        super().__init__()
        self._life = life

    def note_write(self, what: str) -> None:
        self._life -= 1
        if self._life == 0:
            os._exit(_KILLED)
        super().note_write(what)


def dies_attaching(scene: Scene, pair: ObjectPair, life: int, closed: bool = False) -> bool:
    """Attaches in a child process; whether it died before it was done."""
    child = os.fork()
    if child == 0:
        try:
            replace(scene, door=Mortal(life)).attach(pair, closed=closed)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _KILLED


def mended(scene: Scene, pair: ObjectPair) -> None:
    report = scene.attach(pair)
    assert (report.status.state, report.status.notes) == (State.ENFORCING, ())
    assert report.status.identity == pair.identity.hex()
    assert not scene.attach(pair).changed


def test_a_crash_in_a_first_attach_enforces_nothing_or_the_whole_pair(scene: Scene) -> None:
    before = scene.snapshot()
    seen: set[State] = set()
    for life in itertools.count(1):
        if not dies_attaching(scene, denying(), life):
            break
        status = scene.status()
        if status.state not in seen:
            assert scene.crossing() == ((False, False) if status.in_force else (True, True))
        seen.add(status.state)
        if life % 4 == 0:
            mended(scene, denying())
        scene.detach()
        left = scene.left_over(before, patience=0.5)
        # Died between making the clsact and the filter that says it is ours: empty, it harms nobody.
        assert left in ((), (f"+ clsact {status.ifindex}",)), f"died at {life}"
        if left:
            scene.run(lambda kernel: kernel.net.delete_clsact(scene.link(kernel).index))
    assert seen == {State.ABSENT, State.INCOMPLETE, State.NOT_ARMED}


def test_a_crash_in_a_swap_leaves_the_old_pair_or_the_new_one_in_force(scene: Scene) -> None:
    seen: set[str | None] = set()
    for life in itertools.count(1):
        mended(scene, allowing())
        if not dies_attaching(scene, denying(), life):
            break
        status = scene.status()
        assert status.state is State.ENFORCING
        if status.identity not in seen:
            new = status.identity == denying().identity.hex()
            assert scene.crossing() == ((False, False) if new else (True, True))
        seen.add(status.identity)
        mended(scene, denying())
    assert seen == {allowing().identity.hex(), denying().identity.hex()}


def test_a_crash_in_a_closed_attach_is_closed_from_the_first_pair_of_gates_on(scene: Scene) -> None:
    seen: set[State] = set()
    for life in itertools.count(1):
        if not dies_attaching(scene, allowing(), life, closed=True):
            break
        status = scene.status()
        if status.state is State.CLOSED and status.state not in seen:
            assert scene.crossing() == (False, False)
            mended(scene, allowing())
            assert scene.crossing() == (True, True)
        seen.add(status.state)
        scene.detach()
    assert seen >= {State.ABSENT, State.CLOSED}
