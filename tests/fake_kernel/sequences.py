"""The stateful machine: random commands of polc, faults at random calls, and others that get in the way.

An agent may be among them, which steps, dies, starts again and is told late. In the end it must put a new
pair in force and then write nothing, nor its successor; then one attach must reach the target, a second must
write nothing, and a detach must leave nothing. `POLC_SEQUENCES` sets how many sequences a test runs,
`POLC_SEED` where the random numbers start; both are printed. A failure prints its steps, and the same seed
finds it again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, get_state_machine_test, initialize, rule
from polc.runtime.attach import attach
from polc.runtime.bpf import AttachFlag
from polc.runtime.detach import detach
from polc.runtime.hooks import Mechanism, TcHook
from polc.tests.fake_kernel.agent import Agent
from polc.tests.fake_kernel.pairs import pair, rejected
from polc.tests.fake_kernel.process import Event, Process, die, fail
from polc.tests.fake_kernel.route import interrupt
from polc.tests.fake_kernel.world import World

SEQUENCES: Final = int(os.environ.get("POLC_SEQUENCES", "5000"))
SEED: Final = int(os.environ.get("POLC_SEED", "20261123"))
_STEPS: Final = 5
_LAST_CALL: Final = 330  # a swap makes about 320 door calls
# Not ENOENT, ENODEV and EINVAL: by those the kernel says that something is not there, which must be true.
_ERRNOS: Final = (
    errno.ENOMEM,
    errno.EPERM,
    errno.EACCES,
    errno.EBUSY,
    errno.EMFILE,
    errno.EINTR,
    errno.EAGAIN,
    errno.EIO,
)
ACTIONS: Final = (
    "renew device",
    "delete clsact",
    "remove gate ingress",
    "remove gate egress",
    "remove pins",
    "tcx first",
    "tcx last",
    "filter",
    "add clsact",
    "polc attaches",
    "polc detaches",
)
PAIRS: Final = st.integers(0, 2)


def act(world: World, action: str) -> None:
    """What somebody else does."""
    if action == "renew device":
        world.renew_device()
    elif action == "delete clsact":
        world.delete_clsact()
    elif action.startswith("remove gate"):
        world.remove_gate(TcHook.INGRESS if action.endswith("ingress") else TcHook.EGRESS)
    elif action == "remove pins":
        world.remove_pins()
    elif action == "polc attaches":
        world.rival(lambda kernel: attach(kernel, pair(2), world.request(None)))
    elif action == "polc detaches":
        world.rival(lambda kernel: detach(kernel, world.device.name, world.root))
    elif action == "add clsact":
        world.foreign_clsact()
    elif action == "filter":
        world.foreign_filter()
    else:
        world.foreign_tcx(AttachFlag.BEFORE if action == "tcx first" else AttachFlag.NONE)


def interference(world: World, action: str) -> Event:
    """An event: somebody acts between two calls."""

    def event(process: Process, what: str) -> None:
        del process, what
        act(world, action)

    return event


FAULTS: Final = st.one_of(
    st.sampled_from(_ERRNOS).map(lambda number: ("fail", number)),
    st.just(("die", 0)),
    st.just(("interrupt", 0)),
    st.sampled_from(ACTIONS).map(lambda action: ("act", action)),
)
PLANS: Final = st.one_of(
    st.just(()),
    st.lists(st.tuples(st.integers(1, _LAST_CALL), FAULTS), min_size=1, max_size=2).map(tuple),
)


class Sequences(RuleBasedStateMachine):
    """mechanism: of most commands; others switch to and fro."""

    mechanism: ClassVar[Mechanism] = Mechanism.TCX

    @initialize()
    def machine(self) -> None:
        self.world = World()
        self.agent: Agent | None = None

    def plan(self, drawn: tuple[tuple[int, tuple[str, Any]], ...]) -> Mapping[int, Event]:
        found: dict[int, Event] = {}
        for number, (what, detail) in drawn:
            if what == "fail":
                found[number] = fail(detail)
            elif what == "die":
                found[number] = die
            elif what == "interrupt":
                found[number] = interrupt
            else:
                found[number] = interference(self.world, detail)
        return found

    @rule(number=PAIRS, plan=PLANS)
    def attach(self, number: int, plan: Any) -> None:
        self.world.attach(pair(number), self.mechanism, self.plan(plan))

    @rule(number=PAIRS, plan=PLANS, closed=st.booleans())
    def attach_by_any(self, number: int, plan: Any, closed: bool) -> None:
        self.world.attach(pair(number), None, self.plan(plan), closed)

    @rule(number=PAIRS, mechanism=st.sampled_from(list(Mechanism)), plan=PLANS)
    def switch(self, number: int, mechanism: Mechanism, plan: Any) -> None:
        self.world.attach(pair(number), mechanism, self.plan(plan))

    @rule(plan=PLANS)
    def attach_what_the_verifier_refuses(self, plan: Any) -> None:
        self.world.attach(rejected(), self.mechanism, self.plan(plan))

    @rule(plan=PLANS)
    def detach(self, plan: Any) -> None:
        self.world.detach(self.plan(plan))

    @rule(plan=PLANS)
    def status(self, plan: Any) -> None:
        self.world.status(self.plan(plan))

    @rule()
    def verify(self) -> None:
        self.world.verified()

    @rule(number=PAIRS, plan=PLANS, news=st.booleans())
    def the_agent_steps(self, number: int, plan: Any, news: bool) -> None:
        if self.agent is None:
            self.agent = Agent(self.world, self.mechanism)
        self.agent.work(number, self.plan(plan), news)

    @rule()
    def the_agent_starts_again(self) -> None:
        if self.agent is not None:
            self.agent.start()

    @rule(action=st.sampled_from(ACTIONS))
    def somebody(self, action: str) -> None:
        act(self.world, action)

    @rule(late=st.booleans())
    def the_kernel_puts_work_off(self, late: bool) -> None:
        self.world.kernel.eager = not late

    @rule()
    def move(self) -> None:
        self.world.move_device()

    @rule(name=st.sampled_from(("eth9", "eth9.1", "eth91")))
    def rename(self, name: str) -> None:
        self.world.device.name = name

    def teardown(self) -> None:
        world = self.world
        if self.agent is not None:
            self.agent.settle()
            COUNT["agents"] += 1
        world.settle(pair(0), self.mechanism)
        COUNT["sequences"] += 1
        COUNT["commands"] += world.commands


COUNT: Final = {"sequences": 0, "agents": 0, "commands": 0}


def run(mechanism: Mechanism, capsys: pytest.CaptureFixture[str]) -> None:
    """SEQUENCES sequences of one mechanism."""
    COUNT.update(sequences=0, agents=0, commands=0)
    machine = type(f"By{mechanism.name.title()}", (Sequences,), {"mechanism": mechanism})
    test = get_state_machine_test(
        machine,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=_STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
    try:
        seed(SEED)(test)()
    finally:
        with capsys.disabled():
            print(f"\n{COUNT} by {mechanism}, {SEED=}")
