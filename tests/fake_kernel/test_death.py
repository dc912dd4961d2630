"""Death and refusal at each door call in turn, for a first attach, a swap and a detach (S5, S6, S7).

What is left behind says the truth about itself, and the next attach or detach converges. That next command
runs where the kernel looks other than after the call before: it is the same otherwise.
"""

from __future__ import annotations

import errno

import pytest
from polc.runtime.hooks import Mechanism
from polc.tests.fake_kernel.enumeration import COMMANDS, every_call
from polc.tests.fake_kernel.pairs import pair
from polc.tests.fake_kernel.process import Event, die, fail
from polc.tests.fake_kernel.world import World

pytestmark = pytest.mark.usefixtures("swift")
_ERRNOS = (errno.ENOMEM, errno.EPERM, errno.EBUSY)


def death(_: World, __: int) -> Event:
    return die


def refusal(_: World, number: int) -> Event:
    return fail(_ERRNOS[number % len(_ERRNOS)])


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("command", COMMANDS)
def test_after_death_at_any_call_status_is_true_and_the_next_attach_or_detach_converges(
    command: str, mechanism: Mechanism
) -> None:
    states = 0
    for world, _, other in every_call(command, mechanism, death):
        if other:
            states += 1
            world.status()
            world.verified()
            other_end = world.copy()
            world.settle(pair(1), mechanism)
            other_end.detach()
    assert states > 5, "death left many different things behind"


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("command", COMMANDS)
def test_a_refusal_at_any_call_changes_nothing_or_is_said(command: str, mechanism: Mechanism) -> None:
    for world, _, other in every_call(command, mechanism, refusal):
        if other:
            world.status()
            world.settle(pair(1), mechanism)
