"""S24 in its full size, 200 interfaces and 100 updates: who is tried when, by a reconcile that costs nothing.

What reconciling does to a kernel is tested with fewer of both, on the fake one (test_node.py) and on the real
one (tests/agent_live/test_many.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from polc.runtime.errors import CannotError
from polc.runtime.reconcile import Done, Job
from polc.runtime.request import AttachReport
from polc.runtime.standing import State
from polc.runtime.status import InterfaceStatus
from polc.tests.agent.plant import Plant
from polc.tests.fake_kernel.pairs import pair

SIZE, UPDATES = 200, 100
BAD = "d77"


class Bench:
    """Stands for `reconcile`: every interface takes what is wanted, but one never does."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.passes = 0
        self.in_force: dict[str, str] = {}

    def __call__(self, _kernel: object, jobs: Sequence[Job], *_: object) -> tuple[Done, ...]:
        self.passes += 1
        return tuple(self._one(job) for job in jobs)

    def _one(self, job: Job) -> Done:
        name = job.link.name
        self.tried[name] += 1
        if name == BAD:
            return Done(job, None, CannotError("never"), (), 0, 0)
        self.in_force[name] = identity = job.pair.identity.hex()
        status = InterfaceStatus(
            interface=name,
            ifindex=job.link.index,
            netns_cookie=1,
            state=State.ENFORCING,
            summary="",
            identity=identity,
            endpoint=None,
            generation=1,
            mode=None,
            policies=(),
            hooks=(),
            bypass=(),
            facts=(),
            notes=(),
        )
        report = AttachReport(changed=True, dry_run=False, drifts=(), plan=(), notes=(), status=status)
        return Done(job, report, None, (), 0, 10)


def test_s24_of_two_hundred_one_never_succeeds_and_the_others_get_every_one_of_a_hundred_updates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    monkeypatch.setattr("polc.agent.turn.reconcile", bench)
    plant = Plant(SIZE)
    plant.want(pair(0))
    plant.run()
    good = [device.name for device in plant.devices if device.name != BAD]
    for update in range(1, UPDATES + 1):
        for name in good:  # the bad one's input stays as it is
            plant.node.pair(f"shop/{name}", pair(update % 3))
        passes = bench.passes
        plant.run(0.1)
        assert bench.passes - passes <= SIZE // plant.settings.batch + 2
        wanted = pair(update % 3).identity.hex()
        assert {bench.in_force[name] for name in good} == {wanted}
    assert {bench.tried[name] for name in good} == {1 + UPDATES}
    assert bench.tried[BAD] == 4  # in ten seconds: at once, then after 1, 3 and 7
    assert plant.record(BAD).attempts == 4
    plant.run(3600)
    assert bench.tried[BAD] <= 4 + 7 + 3600 // 300
