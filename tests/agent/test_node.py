"""The node over the fake kernel: what it writes, when it tries, and what it leaves alone."""

from __future__ import annotations

import errno

import pytest
from polc.agent.endpoint import FREE_REPAIRS, Place
from polc.agent.node import PAUSE
from polc.runtime.drift import Drift
from polc.runtime.hooks import Mechanism
from polc.runtime.reconcile import reconcile
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


def test_a_restart_with_another_setting_swaps_each_interface_once_and_the_next_writes_nothing() -> None:
    plant = Plant(2)
    plant.want(X)
    plant.run()
    plant.settings = plant.settings.model_copy(update={"keep_established": True})
    plant.start()
    plant.want(X)
    plant.run(1000)
    assert plant.node.sums.drifts == {Drift.SETTINGS: 2}
    assert (plant.node.sums.swaps, plant.node.sums.tc_writes) == (2, 0)
    plant.start()
    plant.want(X)
    assert plant.run(1000) == 0


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


def test_a_retriable_failure_is_tried_by_the_back_off_and_events_do_not_hasten_it() -> None:
    plant = Plant(2)
    plant.want(X)
    plant.run()
    plant.node.pair("shop/d0", Y)
    plant.fail_every("PROG_LOAD", errno.ENOMEM)
    began, tried = plant.clock.now, []
    for number in range(1, 8):
        while plant.record("d0").attempts < number:
            plant.node.look(plant.devices[0].index)
            plant.run(0.25)
        tried.append(plant.clock.now - began - 0.25)
    assert tried == [0, 0.75, 2.75, 6.75, 14.75, 30.75, 62.75]  # each seen a quarter of a second late at most
    assert plant.held(plant.devices[0]) == X.identity.hex()
    state = plant.record("d0").goal(plant.clock.now)
    assert "cannot" in state.fault
    assert state.next_try == pytest.approx(64)
    plant.fail_every("", 0)
    plant.run(70)
    assert plant.held(plant.devices[0]) == Y.identity.hex()
    assert plant.record("d0").attempts == 0


def test_a_fight_over_one_qdisc_is_backed_off_and_swaps_of_others_go_on() -> None:
    plant = Plant(2)
    plant.want(X)
    plant.run()
    before = plant.node.sums.tc_writes
    for number in range(600):  # a minute, ten deletions a second
        plant.delete_clsact(plant.devices[0])
        if number == 300:
            plant.node.pair("shop/d1", Y)
        plant.run(0.1)
    repairs = (plant.node.sums.tc_writes - before) / 3
    assert repairs == FREE_REPAIRS + 5  # at once, then after 1, 3, 7, 15 and 31 seconds
    assert plant.held(plant.devices[1]) == Y.identity.hex()
    record = plant.record("d0")
    assert "somebody keeps breaking it" in record.goal(plant.clock.now).fault
    plant.run(300)
    assert plant.held(plant.devices[0]) == X.identity.hex()
    assert record.goal(plant.clock.now).fault == ""
    plant.delete_clsact(plant.devices[0])
    plant.run(0.1)
    assert plant.held(plant.devices[0]) == X.identity.hex()


def test_an_update_reaches_an_interface_that_rests_from_a_fight_if_its_gates_are_there() -> None:
    plant = Plant(1)
    plant.want(X)
    plant.run()
    for _ in range(FREE_REPAIRS):
        plant.delete_clsact(plant.devices[0])
        plant.run(0.2)
    assert plant.held(plant.devices[0]) == X.identity.hex()
    assert plant.record("d0").rest > plant.clock.now
    plant.node.pair("shop/d0", Y)
    plant.run(0.2)
    assert plant.held(plant.devices[0]) == Y.identity.hex()


def test_the_breaker_bounds_tc_writes_over_all_interfaces_and_lets_swaps_through() -> None:
    plant = Plant(20, tc_rate=3.0, tc_burst=60.0)
    plant.want(X)
    plant.run()
    assert plant.node.breaker.open
    for device in plant.devices[:10]:
        plant.delete_clsact(device)
    for name in ("d15", "d16"):
        plant.node.pair(f"shop/{name}", Y)
    plant.run(0.5)
    assert [plant.held(one) for one in plant.devices[15:17]] == [Y.identity.hex()] * 2
    assert sum(plant.held(one) is None for one in plant.devices[:10]) == 10
    assert plant.record("d0").plan
    assert plant.node.breaker.opened >= 1
    plant.run(60)
    assert [plant.held(one) for one in plant.devices[:15]] == [X.identity.hex()] * 15


def test_what_somebody_broke_is_mended_before_a_crowd_of_updates() -> None:
    plant = Plant(12, batch=2)
    plant.want(X)
    plant.run(1)
    for name in [device.name for device in plant.devices]:
        plant.node.pair(f"shop/{name}", Y)
    plant.node.step()
    plant.delete_clsact(plant.devices[9])
    plant.node.step()
    assert plant.held(plant.devices[9]) is not None
    assert sum(plant.held(device) == Y.identity.hex() for device in plant.devices) == 4


def test_a_tcx_link_detached_by_another_is_found_by_polling() -> None:
    plant = Plant(3, Mechanism.TCX)
    plant.want(X)
    plant.run()
    plant.run(25)
    before = plant.node.sums.reconciles
    plant.run(25)
    assert plant.node.sums.reconciles == before  # a poll of what did not change reads nothing
    plant.detach_links(plant.devices[1])
    assert plant.held(plant.devices[1]) is None
    plant.run(10)
    assert plant.all_held() == {X.identity.hex()}
    assert plant.node.sums.reconciles == before + 1


def test_a_device_is_followed_by_its_index_through_deletion_renaming_and_late_news() -> None:
    plant = Plant(2, Mechanism.TCX)
    plant.want(X)
    plant.run()
    old = plant.devices[0]
    plant.kernel.delete_device(plant.space, old)
    plant.devices[0] = plant.space.add("d0")
    plant.node.link(plant.link(plant.devices[0]))
    plant.node.gone(old.index)  # S16: the news of the old device's end comes last
    plant.run()
    assert plant.held(plant.devices[0]) == X.identity.hex()
    assert plant.node.sums.failures == 0
    plant.devices[1].name = "aside"
    plant.node.link(plant.link(plant.devices[1]))
    plant.run()
    assert plant.record("d1").link is None
    assert plant.record("aside").endpoint == ""
    assert plant.held(plant.devices[1]) == X.identity.hex()
    plant.devices[1].name = "d1"
    plant.node.link(plant.link(plant.devices[1]))
    assert plant.run() == 0
    assert plant.record("d1").in_force == X.identity.hex()
    assert "aside" not in plant.node.records


def test_a_device_that_says_it_is_gone_while_it_is_listed_does_not_keep_the_node_busy() -> None:
    plant = Plant(2)
    plant.want(X)
    plant.run()
    plant.fail_every("PROG_QUERY", errno.ENODEV)
    plant.node.look_everywhere()
    before = plant.node.sums.reconciles
    plant.run(10)
    assert plant.node.sums.reconciles - before <= 2 * 10 / PAUSE
    plant.fail_every("", 0)
    plant.run(1)
    assert plant.record("d0").in_force == X.identity.hex()


def test_after_lost_news_everything_is_looked_at_and_compared_with_what_is_there() -> None:
    plant = Plant(3)
    plant.want(X)
    plant.run()
    plant.kernel.end_clsact(plant.devices[0])
    plant.kernel.delete_device(plant.space, plant.devices[1])
    plant.devices[1] = plant.space.add("d1")
    plant.run(5)
    assert plant.held(plant.devices[0]) is None
    plant.node.look_everywhere()
    plant.run(0.2)
    assert plant.all_held() == {X.identity.hex()}
    assert plant.node.sums.failures == 0


def test_what_nobody_wants_any_more_stays_in_force_until_told_otherwise() -> None:
    plant = Plant(2)
    plant.want(X)
    plant.run()
    left = plant.devices.pop()
    plant.node.want(plant.places())
    plant.run(1000)
    assert plant.held(left) == X.identity.hex()
    assert plant.record("d1").endpoint == ""
    plant.settings = plant.settings.model_copy(update={"detach_unwanted": True})
    plant.start()
    plant.run()
    assert plant.held(left) == X.identity.hex()  # what is wanted is not known yet
    plant.node.want(plant.places())
    plant.node.pair("shop/d0", X)
    plant.run()
    assert plant.held(left) is None
    assert "d1" not in plant.node.records
    assert plant.all_held() == {X.identity.hex()}


def test_a_dry_node_writes_nothing_and_says_what_it_would() -> None:
    plant = Plant(2)
    plant.want(X, "d0")
    plant.start(dry=True)
    plant.want(X)
    assert plant.run(100) == 0
    assert plant.all_held() == {None}
    assert any("attach the ingress gate" in line for line in plant.record("d1").plan)


def test_a_fault_of_polc_itself_at_one_interface_does_not_end_the_others_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant = Plant(3)

    def faulty(kernel, jobs, gates, grace):  # type: ignore[no-untyped-def]
        if any(job.link.name == "d1" for job in jobs):
            raise KeyError("surprise")
        return reconcile(kernel, jobs, gates, grace)

    monkeypatch.setattr("polc.agent.turn.reconcile", faulty)
    plant.want(X)
    plant.run(1)
    assert [plant.held(one) for one in plant.devices] == [X.identity.hex(), None, X.identity.hex()]
    assert "surprise" in str(plant.record("d1").fault)
    monkeypatch.undo()
    plant.run(10)
    assert plant.all_held() == {X.identity.hex()}


def test_a_look_that_fails_is_unknown_and_is_repeated_soon() -> None:
    plant = Plant(1, Mechanism.TCX)
    plant.want(X)
    plant.run()
    plant.node.want({})
    plant.fail_every("PROG_QUERY", errno.EPERM)
    plant.node.look(plant.devices[0].index)
    plant.run(1)
    assert "Operation not permitted" in plant.record("d0").doubt
    plant.fail_every("", 0)
    plant.run(11)
    assert plant.record("d0").doubt == ""
    assert plant.record("d0").in_force == X.identity.hex()
