"""Gates of another version of polc are replaced without a moment in which a hook that enforced is open.

The guard looks at every single change: on the real kernel nobody can look between two system calls.
"""

from __future__ import annotations

import pytest
from polc.runtime.attach import AttachReport
from polc.runtime.drift import Drift
from polc.runtime.hooks import Mechanism
from polc.tests.fake_kernel.pairs import pair
from polc.tests.fake_kernel.truth import hooks_of, in_force
from polc.tests.fake_kernel.world import World


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_elder_gates_enforce_until_the_new_ones_do(
    mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    with monkeypatch.context() as patch:
        patch.setattr("polc.runtime.gate.GATE_VERSION", 7)
        world.attach(pair(0), mechanism)
    assert in_force(hooks_of(world.device)) == pair(0).identity.hex()
    report = world.attach(pair(1), mechanism)
    assert isinstance(report, AttachReport)
    assert [one.drift for one in report.drifts] == [Drift.GATE_VERSION] * 2
    world.settle(pair(1), mechanism)
