"""Death and refusal at each door call in turn, for a first attach, a swap and a detach.

What is left behind says the truth about itself, and the next attach or detach converges.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator

import pytest
from polc.runtime.hooks import Mechanism
from polc.tests.fake_kernel.pairs import pair
from polc.tests.fake_kernel.process import Event, Process, die, fail
from polc.tests.fake_kernel.world import World

pytestmark = pytest.mark.usefixtures("swift")
COMMANDS = ("first attach", "swap", "detach")
FEWEST = {"first attach": 400, "swap": 400, "detach": 100}  # door calls, at least


def every_call(command: str, mechanism: Mechanism, event: Event) -> Iterator[World]:
    """The worlds in which the event took the place of call 1, 2, … of the command, to the last one."""
    for number in itertools.count(1):
        world = World()
        if command != "first attach":
            world.attach(pair(0), mechanism)
        happened: list[str] = []

        def once(process: Process, what: str, happened: list[str] = happened) -> None:
            happened.append(what)
            event(process, what)

        if command == "detach":
            world.detach({number: once})
        else:
            world.attach(pair(1), mechanism, {number: once})
        if not happened:
            assert number > FEWEST[command], "the event came at every call of the whole command"
            return
        try:
            yield world
        except Exception as error:
            error.add_note(f"{command} by {mechanism}, at call {number}: {happened[0]}")
            raise


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("command", COMMANDS)
def test_after_death_at_any_call_status_is_true_and_the_next_attach_converges(
    command: str, mechanism: Mechanism
) -> None:
    for world in every_call(command, mechanism, die):
        world.status()
        world.verified()
        world.settle(pair(1), mechanism)


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("command", COMMANDS)
def test_after_death_at_any_call_the_next_detach_leaves_nothing(command: str, mechanism: Mechanism) -> None:
    for world in every_call(command, mechanism, die):
        world.detach()


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EPERM, errno.EBUSY], ids=errno.errorcode.get)
@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("command", COMMANDS)
def test_a_refusal_at_any_call_changes_nothing_or_is_said(
    command: str, mechanism: Mechanism, number: int
) -> None:
    for world in every_call(command, mechanism, fail(number)):
        world.status()
        world.settle(pair(1), mechanism)
