"""The swap is atomic over both directions, under live two-way traffic, on tcx and on clsact.

No packet, at either hook, is judged under an older generation that started after one judged under a newer had
finished. Two ways that do not hold that promise are found out by the same rig.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from polc.pair.layout import TC_DROP, TC_NEXT, Direction, bank_of
from polc.runtime import hooks
from polc.runtime.assembler import Item
from polc.runtime.bpf import AttachFlag, Bpf, Fd
from polc.runtime.gate import Gates, create_slots
from polc.runtime.grace import Grace
from polc.runtime.hooks import Mechanism
from polc.runtime.kernel import Kernel
from polc.runtime.swap import Banks
from polc.runtime.word import Word, create_word
from polc.tests.kernel.recording import Board, Record, recorder, stamper, violations
from polc.tests.kernel.scene import NODE, WORKLOAD, Scene
from polc.tests.kernel_door.programs import delaying

pytestmark = pytest.mark.kernel

SWAPS = 300
_CHECK = 0.001  # seconds between filling a bank and the store, in which attach reads everything back
_PAUSE = 0.004  # seconds between two swaps, so that each generation sees traffic at both hooks
_ROUNDS = 5  # a single one finds it nearly always; a machine busy with other things may need more
_DAWDLE = 8192  # reads of the clock, about 0.3 ms, by the test-only gate on one packet in 16
_PORT = 9  # discard
_BURST, _PERIOD = 8, 0.0002  # packets, and seconds, of a burst: no machine may fill the board
_BLAST = f"""
import os, socket, sys, time
os.nice(-20)  # packets must be under way all the time, whatever else the machine does
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.bind((sys.argv[1], {_PORT}))
out.connect((sys.argv[2], {_PORT}))
while True:
    began = time.monotonic()
    for _ in range({_BURST}):
        try:
            out.send(b"packet")
        except OSError:  # a packet dropped on its way out
            pass
    time.sleep(max(began + {_PERIOD} - time.monotonic(), 0))
"""


@contextmanager
def traffic(scene: Scene) -> Iterator[None]:
    """Both ends send to each other all the time; nobody waits for an answer, so a drop stops nothing."""
    ends = ((scene.veth.namespace, NODE, WORKLOAD), (scene.veth.workload, WORKLOAD, NODE))
    senders = [
        subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{space}", sys.executable, "-c", _BLAST, source, target]
        )
        for space, source, target in ends
    ]
    try:
        yield
    finally:
        for sender in senders:
            sender.kill()
            sender.wait()


class Rig:
    """Gates on both hooks over recorders in the slots, a stamper before each gate, and a board."""

    def __init__(self, scene: Scene, kernel: Kernel, held: ExitStack, between: Sequence[Item] = ()) -> None:
        self.bpf = kernel.bpf
        self.board = Board(self.bpf)
        held.callback(self.board.close)
        self._held = held
        slots, word = held.enter_context(create_slots(self.bpf)), held.enter_context(create_word(self.bpf))
        self.word = held.enter_context(Word(self.bpf, word, writable=True))
        self.slots = slots
        gates = Gates(between)
        for direction in Direction:
            gate = held.enter_context(gates.load(self.bpf, direction, slots, word))
            first_on_hook(scene, kernel, held, direction, gate)

    def pair(self, generation: int) -> dict[Direction, Fd]:
        """A pair of recorders that contradicts the pair before it in both directions."""
        verdict = (TC_NEXT, TC_DROP)[generation % 2]
        return {
            direction: self._held.enter_context(
                recorder(self.bpf, self.board, generation, direction, verdict)
            )
            for direction in Direction
        }

    @property
    def banks(self) -> Banks:
        return Banks(self.bpf, self.slots, self.word)


def first_on_hook(scene: Scene, kernel: Kernel, held: ExitStack, direction: Direction, gate: Fd) -> None:
    """The program at the head of its hook, and a stamper before it."""
    index, hook = scene.link(kernel).index, scene.hook(direction)
    stamp = held.enter_context(stamper(kernel.bpf))
    if scene.mechanism is Mechanism.TCX:
        held.enter_context(hooks.attach_tcx(kernel, index, hook, gate))
        held.enter_context(kernel.bpf.link_create(stamp, index, hook.attach_type, AttachFlag.BEFORE))
        return
    if not kernel.net.has_clsact(index):
        kernel.net.add_clsact(index)
        held.callback(kernel.net.delete_clsact, index)
    kernel.net.add_bpf_filter(index, hook.parent, 1, stamp.number, "stamper")
    hooks.attach_clsact(kernel, index, hook, gate, "gate")


@dataclass(frozen=True)
class Found:
    """What one run saw: records, swaps after which both hooks judged under the new generation, violations."""

    packets: int
    seen: int
    violations: int


def evaluated(board: Board) -> Found:
    assert not board.full, "the last generations left no records"
    records = list(board.records())
    by_hook = [{one.generation for one in records if one.direction == direction} for direction in Direction]
    return Found(len(records), len(by_hook[0] & by_hook[1]), violations(records))


class NoGrace(Grace):
    """Does not wait: the control of the grace period."""

    def wait(self, bpf: Bpf) -> None:
        pass


def swapped(scene: Scene, grace: Grace, between: Sequence[Item] = (), pause: float = _PAUSE) -> Found:
    """Swaps under traffic, every slot used again and again."""

    def work(kernel: Kernel) -> Found:
        with ExitStack() as held:
            rig = Rig(scene, kernel, held, between)
            banks, pairs = rig.banks, [rig.pair(generation) for generation in range(1, SWAPS + 2)]
            for bank in (0, 1):
                banks.fill(bank, pairs[0])
            banks.put_in_force(1)
            with traffic(scene):
                time.sleep(0.3)
                swap_through(banks, pairs[1:], pause, lambda: grace.wait(rig.bpf))
            return evaluated(rig.board)

    return scene.run(work)


def swap_through(
    banks: Banks,
    pairs: Sequence[Mapping[Direction, Fd]],
    pause: float,
    wait: Callable[[], None],
    first: int = 2,
) -> None:
    """One swap after the other, to generation `first` and those after it."""
    with before_all_others():
        for generation, pair in enumerate(pairs, first):
            banks.fill(bank_of(generation), pair)
            time.sleep(_CHECK)
            banks.put_in_force(generation)
            wait()
            banks.settle(pair)
            time.sleep(pause)


@contextmanager
def before_all_others() -> Iterator[None]:
    """This thread runs before every other process: a busy machine must not stretch what is measured."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def test_no_packet_is_judged_under_an_older_generation_after_one_under_a_newer(scene: Scene) -> None:
    found = swapped(scene, Grace())
    assert found.seen > SWAPS * 3 // 4, "both hooks judged packets in most generations"
    assert found.packets > 50_000
    assert found.violations == 0


def test_with_a_gate_that_dawdles_between_word_and_call_it_still_holds(scene: Scene) -> None:
    found = swapped(scene, Grace(), delaying(_DAWDLE), pause=0)
    assert found.packets > 20_000
    assert found.violations == 0


def test_the_rig_finds_a_swap_without_the_grace_period(scene: Scene) -> None:
    rounds = (swapped(scene, NoGrace(), delaying(_DAWDLE), pause=0) for _ in range(_ROUNDS))
    assert any(found.violations for found in rounds)


def test_the_rig_finds_two_filter_replaces(clsact: Scene) -> None:
    """Calico's way: one hook after the other."""

    def work(kernel: Kernel) -> Found:
        bpf = kernel.bpf
        with ExitStack() as held:
            board = Board(bpf)
            held.callback(board.close)
            for direction in Direction:
                first = held.enter_context(recorder(bpf, board, 1, direction, TC_NEXT))
                first_on_hook(clsact, kernel, held, direction, first)
            index = clsact.link(kernel).index
            filters = {
                direction: kernel.net.filters(index, clsact.hook(direction).parent)[1]
                for direction in Direction
            }
            with traffic(clsact), before_all_others():
                time.sleep(0.3)
                for generation in range(2, SWAPS):
                    for direction, old in filters.items():
                        with recorder(bpf, board, generation, direction, TC_NEXT) as new:
                            kernel.net.replace_bpf_filter(
                                index, old.parent, old.preference, old.handle, new.number, old.name
                            )
                    time.sleep(_PAUSE)
            return evaluated(board)

    rounds = (clsact.run(work) for _ in range(_ROUNDS))
    assert any(found.seen > SWAPS * 3 // 4 and found.violations for found in rounds)


def test_the_count_of_violations_is_what_the_promise_says() -> None:
    older_after = [Record(0, 10, 2, 0), Record(11, 12, 1, 1), Record(13, 14, 2, 1)]
    overlapping = [Record(0, 10, 2, 0), Record(9, 12, 1, 1)]
    assert violations(older_after) == 1
    assert violations(overlapping) == 0
    assert violations([Record(at, at + 1, generation, 0) for at, generation in ((0, 1), (5, 2), (9, 3))]) == 0
