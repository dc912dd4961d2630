"""A process killed at each door call in turn: what it leaves is one whole pair in force, or nothing (S7).

Real processes, real SIGKILL, no call left out: of a first attach, a swap and a detach, by tcx and by clsact.
After each death the kernel alone is asked. A death that left other than the one before is mended: one command
reaches what was wanted, a second writes nothing. In the end not one map, program, link or pin is left,
whoever made it.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from polc.pair.object import ObjectPair
from polc.runtime.attach import attach
from polc.runtime.detach import detach
from polc.runtime.gate import Gates
from polc.runtime.kernel import Kernel
from polc.runtime.policy import Policy
from polc.runtime.readback import Reading, read
from polc.runtime.standing import State, judge
from polc.tests.kernel.mortal import dying
from polc.tests.kernel.scene import Scene, allowing, denying

pytestmark = [pytest.mark.kernel, pytest.mark.long]
_FEWEST = {"first attach": 150, "swap": 250, "detach": 80}  # door calls, at least
_DOORS = {
    "PROG_LOAD",
    "MAP_UPDATE_ELEM",
    "OBJ_PIN",
    "OBJ_GET",
    "WORD_STORE",
    "MMAP",
    "MKDIR",
    "STAT",
    "FLOCK",
}


@dataclass(frozen=True)
class Left:
    """What a death left, by the kernel's word. words: of every gate. idle: what the other bank holds."""

    state: State
    identity: str | None
    words: frozenset[int]
    idle: tuple[str, ...]
    gates: tuple[int, ...]
    clsact: bool
    pins: frozenset[str]


class Site:
    """One scene, one thread in its namespace, the commands of the living."""

    def __init__(self, scene: Scene, kernel: Kernel) -> None:
        self.scene = scene
        self.kernel = kernel
        self.gates = Gates()
        self.calls: set[str] = set()
        self.crossed: set[object] = set()

    def attach(self, pair: ObjectPair) -> bool:
        """Whether it wrote anything. The pair is in force and all is tidy."""
        written = self.kernel.writes
        report = attach(self.kernel, pair, self.scene.request(), self.gates)
        assert (report.status.state, report.notes, report.status.notes) == (State.ENFORCING, (), ())
        assert report.status.identity == pair.identity.hex()
        return self.kernel.writes != written

    def cleared(self, left: Left, nothing: Left) -> None:
        """One detach leaves nothing, a second has nothing to do.

        Death between making the clsact and the filter that says whose it is: empty, it harms nobody.
        """
        for _ in range(2):
            again = detach(self.kernel, self.scene.device, self.scene.root, self.gates)
        assert not again.changed
        if left.clsact and left.gates == (0, 0) and self.left() != nothing:
            self.kernel.net.delete_clsact(self.scene.link(self.kernel).index)
        assert self.left() == nothing

    def left(self) -> Left:
        link = self.scene.link(self.kernel)
        reading = read(self.kernel, link, self.gates)
        standing = judge(reading)
        return Left(
            standing.state,
            standing.identity,
            frozenset(core.value for core in reading.cores.values()),
            idle(reading),
            tuple(len(runners) for runners in reading.hooks.values()),
            self.kernel.net.has_clsact(link.index),
            frozenset(str(path) for path in self.scene.root.rglob("*")),
        )

    def death(self, work: Callable[[Kernel], object], number: int, changes_only: bool = False) -> Left | None:
        """What was left of the work, killed before that call; None when it has fewer calls."""
        end = dying(work, number, changes_only)
        self.scene.made.update(end.made)
        self.calls.add(end.call)
        return self.left() if end.call else None

    def crosses(self, left: Left, both: bool) -> None:
        """Real packets agree; asked once for each kind of thing that was left."""
        kind = left.state, left.identity, left.gates
        if kind not in self.crossed:
            self.crossed.add(kind)
            assert self.scene.crossing() == (both, both), left

    def settle(self, pair: ObjectPair) -> None:
        """One command reaches the wish, a second writes nothing."""
        self.attach(pair)
        assert not self.attach(pair)


def idle(reading: Reading) -> tuple[str, ...]:
    """What the bank that is not in force holds, by identity and generation."""
    held = [one for core in reading.cores.values() for one in core.idle]
    return tuple(f"{one.identity} {one.config.generation}" if isinstance(one, Policy) else "" for one in held)


def sited(scene: Scene, work: Callable[[Site], None]) -> None:
    """Everything is compiled, and what lives already is no garbage, before the first child is made."""
    allowing(), denying()
    gc.collect()
    gc.freeze()
    try:
        scene.run(lambda kernel: work(Site(scene, kernel)))
    finally:
        gc.unfreeze()


def test_killed_at_any_call_of_a_first_attach_all_or_nothing_is_enforced(scene: Scene) -> None:
    def work(site: Site) -> None:
        nothing = last = site.left()
        for number in itertools.count(1):
            left = site.death(lambda kernel: attach(kernel, denying(), scene.request()), number)
            if left is None:
                break
            if left == nothing:
                continue
            assert left.identity == denying().identity.hex() or left.words <= {0}, f"{number}: {left}"
            assert left.gates in ((0, 0), (0, 1), (1, 0), (1, 1))
            site.crosses(left, left.identity is None)
            if left != last:  # what the death before left was mended already
                site.settle(denying())
            last = left
            site.cleared(left, nothing)
        site.attach(denying())
        assert number > _FEWEST["first attach"]
        assert site.calls >= _DOORS

    sited(scene, work)


def test_killed_at_any_call_of_a_swap_the_old_pair_or_the_new_one_is_enforced(scene: Scene) -> None:
    def work(site: Site) -> None:
        old, new = denying(), allowing()
        site.attach(old)
        before, survived, number = site.left(), 0, 1
        while survived < 2:  # both ways, should one have more calls
            left = site.death(partial(attach, pair=new, request=scene.request()), number)
            if left is None:
                survived += 1
            else:
                survived, number = 0, number + 1
                assert left.state is State.ENFORCING, f"{number}: {left}"
                assert left.identity in (old.identity.hex(), new.identity.hex()), f"{number}: {left}"
                assert (left.gates, left.pins) == ((1, 1), before.pins)
                site.crosses(left, left.identity == allowing().identity.hex())
                if left == before:
                    continue
            site.settle(new)
            old, new, before = new, old, site.left()
        assert number > _FEWEST["swap"]

    sited(scene, work)


def test_killed_at_any_call_of_a_detach_all_or_nothing_is_enforced(scene: Scene) -> None:
    def work(site: Site) -> None:
        nothing = site.left()
        site.attach(denying())
        for number in itertools.count(1):
            before = site.left()
            left = site.death(lambda kernel: detach(kernel, scene.device, scene.root), number)
            if left is None:
                break
            assert left == before or left.words <= {0}, f"{number}: {left}"
            site.crosses(left, left.identity is None)
            if left != before:
                site.cleared(left, nothing)
                site.attach(denying())
        assert site.left() == nothing
        assert number > _FEWEST["detach"]

    sited(scene, work)


def test_killed_at_any_change_of_a_closed_attach_nothing_is_open_once_both_gates_are_there(
    scene: Scene,
) -> None:
    def closed_attach(site: Site) -> None:
        nothing, closed = site.left(), 0
        for number in itertools.count(1):
            work = partial(attach, pair=allowing(), request=scene.request(closed=True))
            left = site.death(work, number, changes_only=True)
            if left is None:
                break
            if left == nothing:
                continue
            assert left.identity in (None, allowing().identity.hex())
            if left.gates == (1, 1):
                assert 0 not in left.words
                site.crosses(left, left.identity is not None)
                closed += left.state is State.CLOSED
            site.cleared(left, nothing)
        assert closed

    sited(scene, closed_attach)
