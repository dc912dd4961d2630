"""An agent in the world: one long-lived process with its node, which steps while others do what they do.

It is told of devices by looking at all of them, and of nothing else, unless a sequence says so: news may be
late or lost. Time passes between its steps only.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from polc.agent.endpoint import Place
from polc.agent.node import Node
from polc.agent.settings import Settings
from polc.runtime.hooks import Mechanism
from polc.tests.fake_kernel.files import doors
from polc.tests.fake_kernel.guard import Broken
from polc.tests.fake_kernel.machine import ROOT
from polc.tests.fake_kernel.pairs import pair
from polc.tests.fake_kernel.process import Dead, Event, Process
from polc.tests.fake_kernel.truth import before_gates, hooks_of, in_force
from polc.tests.fake_kernel.world import NOTHING_PLANNED, World

_ENDPOINT: Final = "shop/web"
_STEPS: Final = 8  # of the node, in one of a sequence
_MOST: Final = 400  # steps in which it must come to rest
_QUIET: Final = 1500.0  # seconds: longer than any back-off
_WATCH: Final = 650.0  # seconds: two polls, and a reading back without any reason
_GRACE: Final = {"Map polc_grace", "Map polc_inner"}  # what an agent holds open between two steps


class Agent:
    """number: of the pair that is wanted. chance is always 0.5."""

    def __init__(self, world: World, mechanism: Mechanism | None) -> None:
        self._world = world
        self._mechanism = mechanism
        self.now = 1000.0
        self.number = 0
        self.start()

    def start(self) -> None:
        """A new process where the device is; the one before is killed, if it still lives."""
        old: Process | None = getattr(self, "process", None)
        if old is not None:
            old.end()
        self.space = self._world.space
        self.process = Process(self._world.kernel)
        self._world.residents = [self.process]
        settings = Settings(
            folders=(Path("policies"),), bpffs=Path(ROOT), hook=self._mechanism, poll=300.0, resync=600.0
        )
        self._doors = doors(self.process, self.space)
        self.node = Node(self._doors, settings, lambda: self.now, lambda: 0.5)

    def stop(self) -> None:
        self.process.end()
        self._world.residents = []

    def want(self, number: int) -> None:
        self.number = number
        name = self._world.device.name
        self.node.want({name: Place(_ENDPOINT)})
        self.node.pair(_ENDPOINT, pair(number))

    def work(self, number: int, plan: Mapping[int, Event] = NOTHING_PLANNED, news: bool = True) -> None:
        """Some steps of the node with that pair wanted. news: it is told that anything may have happened."""
        world = self._world
        if not self.process.alive:
            self.start()
        self.want(number)
        if news:
            self.node.look_everywhere()
        record = self.node.records.get(world.device.name)
        good = record.good.identity.hex() if record is not None and record.good is not None else ""
        world.guard.start(pair(number).identity.hex(), also=good)
        self.process.plan_for(plan)
        world.commands += 1
        self.now += 1.0
        begun = self.now
        try:
            with world.at_work():
                self._steps(_STEPS, 30.0)
        except Dead:
            self.start()
        finally:
            self.process.plan_for(NOTHING_PLANNED)
        self._judge(begun)
        world.guard.check()
        world.guard.start()

    def _steps(self, most: int, seconds: float) -> bool:
        """Whether it came to rest for the rest of that time."""
        end = self.now + seconds
        for _ in range(most):
            pause = self.node.step()
            self._world.kernel.work()
            if pause is None or self.now + pause > end:
                self.now = end
                return True
            self.now += pause
        return False

    def _judge(self, begun: float) -> None:
        """Nothing leaks; and what the books say of a device that was looked at since `begun` is so."""
        if not set(self.process.open_names()) <= _GRACE:
            gc.collect()
        if not set(self.process.open_names()) <= _GRACE:
            raise Broken(f"the agent leaves open {self.process.open_names()}")
        world = self._world
        record = self.node.records.get(world.device.name)
        if record is None or record.link is None or record.link.index != world.device.index:
            return
        looked = record.looked is not None and record.looked >= begun
        held = in_force(hooks_of(world.device))
        if looked and not world.guard.disturbed and not record.doubt and record.in_force != held:
            raise Broken(f"the agent's books say {record.in_force}, in force is {held}")

    def settle(self) -> None:
        """Peace, and another pair: it comes into force, then nothing is written, nor by the next agent."""
        if not self.process.alive or self.space is not self._world.space:
            self.start()
        self.want((self.number + 1) % 3)
        self._rest(_QUIET)
        device, wanted = self._world.device, pair(self.number).identity.hex()
        if in_force(hooks_of(device)) != wanted:
            record = self.node.records[device.name]
            raise Broken(f"the agent does not get there: {record.fault} {record.obstacle} {record.doubt}")
        self._writes_nothing("the agent at rest")
        self.start()
        self.want(self.number)
        self._writes_nothing("the agent's successor")
        record = self.node.records[device.name]
        if record.in_force != wanted or bool(before_gates(device)) != bool(
            record.status and record.status.bypass
        ):
            raise Broken(f"the books of the agent's successor say {record.status}")
        self.stop()

    def _rest(self, seconds: float) -> None:
        self.node.look_everywhere()
        if not self._steps(_MOST, seconds):
            raise Broken("the agent never comes to rest")

    def _writes_nothing(self, who: str) -> None:
        before = self._doors.writes
        self._rest(_WATCH)
        if self._doors.writes != before:
            raise Broken(f"{who} wrote {self._doors.writes - before} times")
