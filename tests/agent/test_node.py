"""The node over the fake kernel: what it writes, when it tries, and what it leaves alone."""

from __future__ import annotations

import pytest
from polc.agent.endpoint import Place
from polc.runtime.hooks import Mechanism
from polc.tests.agent.plant import Plant
from polc.tests.fake_kernel.conftest import swift
from polc.tests.fake_kernel.pairs import pair, rejected

__all__ = ["swift"]
pytestmark = pytest.mark.usefixtures("swift")
X, Y = pair(0), pair(1)


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_every_interface_is_attached_and_a_restart_writes_nothing(mechanism: Mechanism) -> None:
    plant = Plant(6, mechanism)
    plant.want(X)
    assert plant.run() > 0
    assert plant.all_held() == {X.identity.hex()}
    plant.start()
    plant.want(X)
    assert plant.run(1000) == 0
    assert plant.node.sums.reconciles >= 6
    assert plant.all_held() == {X.identity.hex()}


def test_an_update_swaps_the_touched_interface_only() -> None:
    plant = Plant(6)
    plant.want(X)
    plant.run()
    before = plant.node.sums.reconciles
    plant.node.pair("shop/d3", Y)
    plant.run()
    assert plant.node.sums.reconciles == before + 1
    assert plant.node.sums.swaps == 1
    assert [plant.held(one) == Y.identity.hex() for one in plant.devices] == [n == 3 for n in range(6)]


def test_a_pair_that_the_verifier_refuses_is_tried_once_and_not_again_until_it_changes() -> None:
    plant = Plant(3)
    plant.want(X)
    plant.run()
    plant.node.pair("shop/d1", rejected())
    for number in range(1, 20):
        for name in ("d0", "d2"):
            plant.node.pair(f"shop/{name}", pair(number % 2))
        plant.node.look(plant.devices[1].index)
        plant.run(100)
    bad = plant.record("d1")
    assert (bad.attempts, bad.permanent, bad.next_try) == (1, True, None)
    assert plant.held(plant.devices[1]) == X.identity.hex()
    assert plant.node.sums.failures == 1
    assert plant.held(plant.devices[0]) == Y.identity.hex()
    plant.node.pair("shop/d1", Y)
    plant.run()
    assert plant.all_held() == {Y.identity.hex()}
    assert not plant.record("d1").permanent


def test_while_a_refused_pair_is_wanted_what_ran_before_is_kept_in_force() -> None:
    plant = Plant(1)
    plant.want(X)
    plant.run()
    plant.node.pair("shop/d0", rejected())
    plant.run(1)
    plant.delete_clsact(plant.devices[0])
    plant.run(1)
    assert plant.held(plant.devices[0]) == X.identity.hex()
    assert plant.record("d0").permanent


def test_a_device_that_is_not_there_is_no_fault_and_is_attached_when_it_comes() -> None:
    plant = Plant(1)
    plant.node.want({**plant.places(), "late": Place("shop/late")})
    plant.node.pair("shop/late", X)
    plant.run(1000)
    assert plant.node.sums.failures == 0
    device = plant.add("late")
    plant.run(0.01)
    assert plant.held(device) == X.identity.hex()
