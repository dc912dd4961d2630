"""Something happens at each door call of a command in turn, from the first to the last."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

from polc.runtime.hooks import Mechanism
from polc.tests.fake_kernel.pairs import pair
from polc.tests.fake_kernel.process import Event, Process
from polc.tests.fake_kernel.world import World

COMMANDS = ("first attach", "swap", "detach")
FEWEST = {"first attach": 150, "swap": 150, "detach": 60}  # door calls, at least


def every_call(
    command: str, mechanism: Mechanism, event_at: Callable[[World, int], Event], only: str = ""
) -> Iterator[tuple[World, object, bool]]:
    """(world, the command's answer, whether the world looks other than the one before) for each call.

    event_at: what takes the place of, or comes before, call number n in that world. only: the beginning of
    the calls' names, for an event that means nothing at others.
    """
    last: object = None
    first = World()
    if command != "first attach":
        first.attach(pair(0), mechanism)
    seldom = calls_of(first, command, mechanism) if only else []
    for number in itertools.count(1):
        if number <= len(seldom) and not seldom[number - 1].startswith(only):
            continue
        world = first.copy()
        happened: list[str] = []
        event = event_at(world, number)

        def once(process: Process, what: str, happened: list[str] = happened, event: Event = event) -> None:
            happened.append(what)
            event(process, what)

        try:
            answer = run(world, command, mechanism, {number: once})
            if not happened:
                assert number > FEWEST[command], "it happened at every call of the whole command"
                return
            look = world.look()
            yield world, answer, look != last
            last = look
        except Exception as error:
            error.add_note(f"{command} by {mechanism}, at call {number}: {happened}")
            raise


def run(world: World, command: str, mechanism: Mechanism, plan: Mapping[int, Event]) -> object:
    """The command's answer."""
    return world.detach(plan) if command == "detach" else world.attach(pair(1), mechanism, plan)


def calls_of(world: World, command: str, mechanism: Mechanism) -> list[str]:
    """The names of the command's door calls when nothing happens, in order."""
    trial = world.copy()
    run(trial, command, mechanism, {})
    return trial.calls
