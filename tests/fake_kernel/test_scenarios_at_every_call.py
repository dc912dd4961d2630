"""Scenarios that need something to happen between two given calls: here between any two (S13 … S36).

On the fake: no real kernel stops between two system calls of a process to let another act.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial

import pytest
from polc.runtime.attach import AttachReport
from polc.runtime.errors import CannotError, RuntimeFault
from polc.runtime.hooks import Mechanism, TcHook
from polc.runtime.status import InterfaceStatus
from polc.tests.fake_kernel.devices import Device
from polc.tests.fake_kernel.enumeration import every_call
from polc.tests.fake_kernel.pairs import pair
from polc.tests.fake_kernel.process import Event, fail
from polc.tests.fake_kernel.route import interrupt
from polc.tests.fake_kernel.sequences import interference
from polc.tests.fake_kernel.truth import hooks_of, in_force
from polc.tests.fake_kernel.world import World

pytestmark = pytest.mark.usefixtures("swift")


@pytest.mark.parametrize("first", list(Mechanism))
def test_s14_the_other_mechanism_takes_over_and_at_no_moment_is_a_hook_open_or_two_pairs(
    first: Mechanism,
) -> None:
    """Both ways. The guard looks after each change: never open, and while both run they are one pair."""
    second = next(one for one in Mechanism if one is not first)
    world = World()
    world.attach(pair(0), first)
    both_at_once = 0

    def watched(check: Callable[[], None]) -> None:
        nonlocal both_at_once
        check()
        fates = hooks_of(world.device)
        if all(len(fates[hook]) == 2 for hook in TcHook):
            both_at_once += 1
            assert in_force(fates) == pair(0).identity.hex()

    world.kernel.watcher = partial(watched, world.kernel.watcher)
    assert isinstance(world.attach(pair(0), second), AttachReport)
    assert both_at_once
    for hook in TcHook:
        tcx = len(world.device.tcx[hook].entries)
        assert (tcx, len(hooks_of(world.device)[hook])) == (second is Mechanism.TCX, 1)
    world.settle(pair(0), second)


def acting(action: str, world: World, _: int) -> Event:
    return interference(world, action)


def interrupted(_: World, __: int) -> Event:
    return interrupt


@pytest.mark.parametrize("action", ["delete clsact", "add clsact", "filter"])
def test_s13_a_clsact_that_others_change_at_any_call_of_an_attach_converges_or_is_said(action: str) -> None:
    for world, answer, other in every_call("first attach", Mechanism.CLSACT, partial(acting, action)):
        assert isinstance(answer, AttachReport | RuntimeFault)
        if other:
            world.settle(pair(1), Mechanism.CLSACT)


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("command", ["first attach", "swap", "detach"])
def test_s25_a_device_that_goes_at_any_call_leaves_no_record(command: str, mechanism: Mechanism) -> None:
    for world, answer, other in every_call(command, mechanism, partial(acting, "renew device")):
        assert not isinstance(answer, OSError)
        if other:
            world.settle(pair(1), mechanism)


@pytest.mark.parametrize(
    ("command", "rival", "mechanism"),
    [
        ("first attach", "polc attaches", Mechanism.CLSACT),
        ("first attach", "polc detaches", Mechanism.TCX),
        ("swap", "polc attaches", Mechanism.TCX),
        ("swap", "polc detaches", Mechanism.CLSACT),
    ],
)
def test_s27_another_polc_at_any_call_never_mixes_two_pairs(
    command: str, rival: str, mechanism: Mechanism
) -> None:
    """Purity is checked at every moment by the guard; in the end one whole pair or none is in force."""
    for world, answer, other in every_call(command, mechanism, partial(acting, rival)):
        assert isinstance(answer, AttachReport | RuntimeFault)
        hooks = hooks_of(world.device)
        assert in_force(hooks) or not any(one.enforced for hook in TcHook for one in hooks[hook])
        if other:
            world.settle(pair(1), mechanism)


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_s35_a_dump_that_is_interrupted_is_asked_for_again(mechanism: Mechanism) -> None:
    dumps = 0
    for _, answer, _ in every_call("swap", mechanism, interrupted, only="DUMP"):
        dumps += 1
        assert isinstance(answer, AttachReport)
        assert answer.notes == ()
    assert dumps >= 8, "a swap asks for several lists"


def test_s35_dumps_interrupted_for_ever_are_unknown_and_not_absent() -> None:
    world = World()
    world.attach(pair(0), Mechanism.CLSACT)
    plan = dict.fromkeys(range(1, 200), interrupt)
    for answer in (world.status(plan), world.attach(pair(1), Mechanism.CLSACT, plan), world.detach(plan)):
        assert isinstance(answer, CannotError | OSError)
        assert answer.errno == errno.EINTR if isinstance(answer, OSError) else "kept changing" in str(answer)
    assert in_force(hooks_of(world.device)) == pair(0).identity.hex()


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENOMEM])
@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_s36_a_look_that_is_refused_at_any_call_is_unknown_and_not_absent(
    mechanism: Mechanism, number: int
) -> None:
    world = World()
    world.attach(pair(0), mechanism)
    refused = 0
    for call in range(1, 400):
        answer = world.status({call: fail(number)})
        refused += not isinstance(answer, InterfaceStatus)
        if isinstance(answer, InterfaceStatus):
            assert answer.identity == pair(0).identity.hex()
    assert refused > 60, "the refusals met the look itself"


def test_s16_late_news_of_a_device_that_was_made_again_takes_nothing_from_the_new_one() -> None:
    world = World()
    world.attach(pair(0), Mechanism.TCX)
    gone: Device = world.device
    world.renew_device()
    world.attach(pair(0), Mechanism.TCX)
    pins = dict(world.kernel.pins)
    assert not any(path.parent.name.endswith(f"-{gone.index}") for path in pins), "the stale ones went"
    world.detach()
    world.attach(pair(0), Mechanism.TCX)
    assert set(world.kernel.pins) == set(pins)
