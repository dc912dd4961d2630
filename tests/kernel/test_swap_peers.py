"""S29: a judge of two parts, since a stale flow's peer hands its packet to the owner's judge by a tail call.

Each policy program stands behind a witness in its slot, so that the call goes through the slot map as it does
on a node, and both halves of a packet's judgement are on the board.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from polc.pair.layout import (
    MAP_SLOTS,
    TC_NEXT,
    Config,
    Direction,
    hits_map,
)
from polc.pair.packet import Reason
from polc.runtime import netns
from polc.runtime.bpf import AttachFlag, Fd, MapShape, MapType
from polc.runtime.grace import Grace
from polc.runtime.hits import live_hits
from polc.runtime.kernel import Kernel
from polc.runtime.loader import LoadedPair, create_maps, load_pair
from polc.runtime.swap import Banks
from polc.tests.kernel.policies import BOTH, OPEN, RULE, compiled
from polc.tests.kernel.recording import Record, recorder, violations, witness
from polc.tests.kernel.scene import NODE, WORKLOAD, Scene
from polc.tests.kernel.test_atomic_swap import Rig, before_all_others, swap_through
from polc.tests.kernel_door.programs import delaying

pytestmark = pytest.mark.kernel

_SWAPS = 5  # in a round; its pairs are loaded before it, so that its swaps follow fast on each other
_ROUNDS = 4
_DAWDLE = 512  # reads of the clock, about 20 µs, of every packet before each half of its judgement
_TRIES = 20  # of one round each; one of the first finds it nearly always
_AFTER = 0  # the generation in the records of packets that a policy let through
_NO_IPV6 = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
_FLOWS = 100  # that each end opens
_TALK = f"""
import os, socket, sys, time

def bound(port):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((sys.argv[1], port))
    one.setblocking(False)
    return one

os.nice(-20)  # packets must be under way all the time, whatever else the machine does
asking = [bound(7100 + number) for number in range({_FLOWS})]
answering, callers = bound({OPEN}), set()
print("bound", flush=True)
sys.stdin.readline()
while True:
    for one in asking:
        one.sendto(b"question", (sys.argv[2], {OPEN}))
    try:
        while True:
            callers.add(answering.recvfrom(16)[1])
    except BlockingIOError:
        pass
    for one in callers:
        answering.sendto(b"answer", one)
    time.sleep(0.0001)
"""


@contextmanager
def talk(scene: Scene) -> Iterator[None]:
    """Each end asks over flows of its own, and answers whoever asked it, all the time."""
    ends = ((scene.veth.namespace, NODE, WORKLOAD), (scene.veth.workload, WORKLOAD, NODE))
    talkers = [
        subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{space}", sys.executable, "-c", _TALK, here, there],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for space, here, there in ends
    ]
    try:
        for one in talkers:
            assert one.stdout is not None
            assert one.stdout.readline() == b"bound\n"
        for one in talkers:
            assert one.stdin is not None
            one.stdin.write(b"go\n")
            one.stdin.flush()
        yield
    finally:
        for one in talkers:
            one.kill()
            one.communicate()


Pairs = Sequence[Mapping[Direction, Fd]]
# How pairs are put in force, given the first one's generation and what waits a grace period.
Way = Callable[[Banks, Pairs, int, Callable[[], None]], None]

# Both let the same flows pass, by another rule.
_POLICIES = (BOTH, BOTH.replace("  ingress:\n", "  ingress:\n" + RULE % ("Deny", OPEN + 1)))


class Company:
    """The rig with policy pairs behind its witnesses, one pair a generation, all over one flow table.

    no_peer: packets that the judges which are gone dropped for it.
    """

    def __init__(self, tcx: Scene, kernel: Kernel, held: ExitStack) -> None:
        self.rig = Rig(tcx, kernel, held)
        self.no_peer = 0
        self._policies = [compiled(text) for text in _POLICIES]
        self._grace = Grace()
        self._generation = 0
        self._alive = ExitStack()
        held.callback(self.end)
        maps = create_maps(kernel.bpf, compiled(BOTH), (MAP_SLOTS, *map(hits_map, Direction)))
        self._shared = {MAP_SLOTS: self.rig.slots, **maps}
        for map_ in maps.values():
            held.enter_context(map_)
        for direction in Direction:
            after = held.enter_context(recorder(kernel.bpf, self.rig.board, _AFTER, direction, TC_NEXT))
            index, hook = tcx.link(kernel).index, tcx.hook(direction).attach_type
            held.enter_context(kernel.bpf.link_create(after, index, hook, AttachFlag.AFTER))

    def begin(self) -> None:
        """The first pair, in both banks."""
        first = self._witnesses(self._alive)
        for bank in (0, 1):
            self.rig.banks.fill(bank, first)
        self.rig.banks.put_in_force(self._generation)

    def swap(self, way: Way) -> None:
        """Loads the next pairs and puts one after the other in force; those before them go."""
        with ExitStack() as new:
            with before_all_others():
                pairs = [self._witnesses(new) for _ in range(_SWAPS)]
            first = self._generation - _SWAPS + 1
            way(self.rig.banks, pairs, first, lambda: self._grace.wait(self.rig.bpf))
            self.end()
            self._alive = new.pop_all()

    def end(self) -> None:
        """Lets the pairs go, once no packet is inside them any more."""
        self._grace.wait(self.rig.bpf)
        self._alive.close()

    def _witnesses(self, held: ExitStack) -> dict[Direction, Fd]:
        """Of a new pair, which stands in an array of its own."""
        bpf, board, wait = self.rig.bpf, self.rig.board, delaying(_DAWDLE, every=1)
        self._generation += 1
        config = Config(generation=self._generation)
        policy = self._policies[self._generation % 2]
        pair = held.enter_context(load_pair(bpf, policy, config, self._shared))
        held.callback(self._count, pair)
        judges = held.enter_context(bpf.map_create(MapShape("judges", MapType.PROG_ARRAY, 4, 4, 2)))
        for direction in Direction:
            key, program = int(direction).to_bytes(4, "little"), pair.side(direction).program
            bpf.map_update(judges, key, program.number.to_bytes(4, "little"))
        return {
            direction: held.enter_context(witness(bpf, board, self._generation, direction, judges, wait))
            for direction in Direction
        }

    def _count(self, pair: LoadedPair) -> None:
        maps = [pair.maps[hits_map(direction)] for direction in Direction]
        self.no_peer += sum(live_hits(self.rig.bpf, map_)[Reason.NO_PEER].packets for map_ in maps)


@dataclass(frozen=True)
class Found:
    """asked: generations whose judges of a direction were asked by the other one, for each direction.

    mixed: packets whose two halves were of two generations. lost: packets that did not come out of the hook.
    """

    packets: int
    asked: tuple[int, int]
    mixed: int
    violations: int
    lost: int
    no_peer: int


def evaluated(records: Sequence[Record], no_peer: int) -> Found:
    judged = [one for one in records if one.generation != _AFTER]
    first = {(one.start, one.direction): one for one in judged if not one.resumed}
    second = [one for one in judged if one.resumed]
    asked = [{one.generation for one in second if one.direction == direction} for direction in Direction]
    halves = [(first[one.start, 1 - one.direction].generation, one.generation) for one in second]
    return Found(
        packets=len(first),
        asked=(len(asked[0]), len(asked[1])),
        mixed=sum(one != other for one, other in halves),
        violations=violations(judged),
        lost=len(first) - (len(records) - len(judged)),
        no_peer=no_peer,
    )


def swapped(tcx: Scene, way: Way, rounds: int) -> Found:
    """Swaps between two policies under traffic of which both allow every packet."""
    for space in (tcx.veth.namespace, tcx.veth.workload):
        netns.run(space, lambda: _NO_IPV6.write_text("1"))  # it talks of its own accord

    def work(kernel: Kernel) -> Found:
        with ExitStack() as held:
            company = Company(tcx, kernel, held)
            company.begin()
            with talk(tcx):
                time.sleep(0.2)
                for _ in range(rounds):
                    company.swap(way)
            company.end()
            assert not company.rig.board.full
            return evaluated(list(company.rig.board.records()), company.no_peer)

    return tcx.run(work)


def by_banks(banks: Banks, pairs: Pairs, first: int, wait: Callable[[], None]) -> None:
    """As attach does it."""
    swap_through(banks, pairs, 0, wait, first)


def in_place(banks: Banks, pairs: Pairs, first: int, wait: Callable[[], None]) -> None:  # noqa: ARG001
    """One slot after the other, under packets: how a program of several parts is updated wrongly."""
    with before_all_others():
        for pair in pairs:
            for bank in (0, 1):
                banks.fill(bank, pair)
            wait()


def test_a_packet_is_handed_over_between_judges_of_one_generation_only(tcx: Scene) -> None:
    found = swapped(tcx, by_banks, _ROUNDS)
    assert min(found.asked) > _ROUNDS * _SWAPS // 2, "in most generations each judge was asked by the other"
    assert found.packets > 5_000
    assert found == replace(found, mixed=0, violations=0, lost=0, no_peer=0)


def test_the_rig_finds_parts_that_are_replaced_one_after_the_other(tcx: Scene) -> None:
    runs = (swapped(tcx, in_place, 1) for _ in range(_TRIES))
    assert any(found.mixed for found in runs)
