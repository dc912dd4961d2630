"""Swap upon swap under traffic: nothing allowed is lost, nothing denied passes, nothing is left behind (S33).

In CI a thousand swaps by tcx and a thousand by clsact; `make soak` runs 50,000 of each. Two pairs take turns
by `reconcile`, as the agent calls it. Both allow one port and deny all others, in both directions; to it and
to another go flows that last and flows that are new with each packet, all the time. The pairs are small ones,
since most of a swap is the verifier's time; tests/kernel/test_compiled.py swaps compiled policies.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from polc.runtime.bpf import Object
from polc.runtime.gate import Gates
from polc.runtime.grace import Grace
from polc.runtime.kernel import Kernel
from polc.runtime.reconcile import Job, reconcile
from polc.tests.kernel.policies import CLOSED, OPEN
from polc.tests.kernel.scene import NODE, WORKLOAD, Scene
from polc.tests.pair.pairs import TABLES, pair_of
from polc.tests.pair.specimen import Specimen

pytestmark = [pytest.mark.kernel, pytest.mark.long]

SWAPS: Final = int(os.environ.get("POLC_SWAPS", "1000"))
_WARM: Final = 50  # swaps after which nothing may grow any more
_GROWTH: Final = 4 << 20  # bytes of resident memory: what the allocator may hold more or less
_MOMENTS: Final = 10
_PATIENCE: Final = 30.0  # seconds the kernel has to free what nothing holds
_SPECIMEN: Final = Specimen(port=OPEN)
_TALKER: Final = Path(__file__).with_name("talker.py")


@dataclass
class Heard:
    """By end, what it sent to the open port, and what arrived there; counts of the talkers."""

    node: dict[str, int] = field(default_factory=dict)
    workload: dict[str, int] = field(default_factory=dict)


@contextmanager
def traffic(scene: Scene) -> Iterator[Heard]:
    """Both ends talk until the block ends; then it is filled in what arrived."""
    ends = ((scene.veth.namespace, NODE, WORKLOAD), (scene.veth.workload, WORKLOAD, NODE))
    heard = Heard()
    talker = sys.executable, "-I", str(_TALKER)
    talkers = [
        subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{space}", *talker, own, other, str(OPEN), str(CLOSED)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for space, own, other in ends
    ]
    try:
        together(talkers, "ready")
        tell(talkers)
        yield heard
        tell(talkers)
        together(talkers, "silent")
        tell(talkers)
        heard.node, heard.workload = (json.loads(one.communicate()[0]) for one in talkers)
    finally:
        for one in talkers:
            one.kill()
            one.communicate()


def together(talkers: list[subprocess.Popen[str]], word: str) -> None:
    """Each has said the word."""
    for one in talkers:
        assert one.stdout is not None
        assert one.stdout.readline() == f"{word}\n"


def tell(talkers: list[subprocess.Popen[str]]) -> None:
    for one in talkers:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()


@dataclass(frozen=True)
class Held:
    """What this process and the kernel hold for the interface. objects: of this test that live, by kind."""

    descriptors: int
    objects: tuple[int, ...]
    pins: int


class Ledger:
    """Counts what lives; forgets what does not, so that it does not grow itself."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def held(self) -> Held:
        kinds = (Object.PROG, Object.MAP, Object.LINK)
        self._scene.made.intersection_update(
            {(kind, number) for kind in kinds for number in self._scene.door.ids(kind)}
        )
        objects = tuple(sum(one is kind for one, _ in self._scene.made) for kind in kinds)
        pins = sum(1 for _ in self._scene.root.rglob("*"))
        return Held(len(os.listdir("/proc/self/fd")), objects, pins)

    def at_rest(self) -> Held:
        """What is held once the kernel freed what nothing holds: when a moment changes nothing any more."""
        end, seen = time.monotonic() + _PATIENCE, [self.held()]
        while len(seen) < _MOMENTS or len(set(seen[-_MOMENTS:])) > 1:
            assert time.monotonic() < end, f"the kernel does not come to rest: {seen[-1]}"
            time.sleep(0.05)
            seen.append(self.held())
        return seen[-1]


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_s33_swaps_under_traffic_lose_no_allowed_packet_pass_no_denied_one_and_leave_nothing(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = pair_of(_SPECIMEN), pair_of(_SPECIMEN, bytes(reversed(TABLES)))
    seen: dict[str, Any] = {}

    def work(kernel: Kernel) -> None:
        link, gates, grace, ledger = scene.link(kernel), Gates(), Grace(), Ledger(scene)
        jobs = [Job(link, one, scene.request()) for one in pairs]

        def swap(number: int) -> None:
            (done,) = reconcile(kernel, (jobs[number % 2],), gates, grace)
            assert done.fault is None, done.fault
            assert done.report is not None
            assert (done.report.changed, done.report.notes) == (True, ())

        for number in range(_WARM):
            swap(number)
        before, memory = ledger.at_rest(), resident()
        with traffic(scene) as heard:
            begun = time.monotonic()
            for number in range(SWAPS):
                swap(number)
                if number % _WARM == 0:
                    ledger.held()
            seen.update(seconds=time.monotonic() - begun, grown=resident() - memory)
        seen.update(heard=heard, before=before, after=ledger.at_rest())

    scene.run(work)
    heard, grown = seen["heard"], seen["grown"]
    with capsys.disabled():
        print(f"\n{SWAPS} swaps by {scene.mechanism} in {seen['seconds']:.1f} s, {heard}, {grown} bytes more")
    assert heard.workload["open"] == heard.node["sent"] > 0, "nothing allowed was lost on its way in"
    assert heard.node["open"] == heard.workload["sent"] > 0, "nor on its way out"
    assert (heard.node["closed"], heard.workload["closed"]) == (0, 0), "nothing denied passed"
    assert seen["after"] == seen["before"]
    assert grown < _GROWTH
