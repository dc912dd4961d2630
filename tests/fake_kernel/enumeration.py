"""Something happens at each door call of a command in turn, from the first to the last."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator

from polc.runtime.hooks import Mechanism
from polc.tests.fake_kernel.pairs import pair
from polc.tests.fake_kernel.process import Event, Process
from polc.tests.fake_kernel.world import World

COMMANDS = ("first attach", "swap", "detach")
FEWEST = {"first attach": 200, "swap": 200, "detach": 80}  # door calls, at least


def every_call(
    command: str, mechanism: Mechanism, event_at: Callable[[World, int], Event]
) -> Iterator[tuple[World, object, bool]]:
    """(world, the command's answer, whether the world looks other than the one before) for each call.

    event_at: what takes the place of, or comes before, call number n in that world.
    """
    last: object = None
    first = World()
    if command != "first attach":
        first.attach(pair(0), mechanism)
    for number in itertools.count(1):
        world = copy.deepcopy(first)
        happened: list[str] = []
        event = event_at(world, number)

        def once(process: Process, what: str, happened: list[str] = happened, event: Event = event) -> None:
            happened.append(what)
            event(process, what)

        try:
            if command == "detach":
                answer: object = world.detach({number: once})
            else:
                answer = world.attach(pair(1), mechanism, {number: once})
            if not happened:
                assert number > FEWEST[command], "it happened at every call of the whole command"
                return
            look = world.look()
            yield world, answer, look != last
            last = look
        except Exception as error:
            error.add_note(f"{command} by {mechanism}, at call {number}: {happened}")
            raise
