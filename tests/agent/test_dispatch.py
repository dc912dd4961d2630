"""Answers that are late, missing or of another revision: what the node is told, and what is asked again."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import cast

import pytest
from polc.agent.board import Board
from polc.agent.books import Books
from polc.agent.compiling import OWN, Answer, Compiler, Failed, Finished, Loaded, Made, Refused, Same
from polc.agent.dispatch import Dispatch, Partners
from polc.agent.logs import Changes, logger
from polc.agent.mailbox import Mailbox, Reading
from polc.agent.mapping import Pattern
from polc.agent.metrics import Metrics
from polc.agent.protocol import Endpoint, Finding
from polc.pair.object import ObjectPair
from polc.tests.agent.plant import Plant
from polc.tests.fake_kernel.conftest import swift
from polc.tests.fake_kernel.pairs import pair

__all__ = ["swift"]
pytestmark = pytest.mark.usefixtures("swift")
X, Y = pair(0), pair(1)
FAULT = (Finding(code="POLC-E0801", severity="error", message="past a limit", at="a.yaml:3:5"),)
CRASH = (Finding(code=OWN, severity="error", message="the compiler died of it"),)


class Silent:
    """A compiler that only notes what it is asked."""

    def __init__(self) -> None:
        self.wanted: list[tuple[int, dict[str, bytes | None]]] = []

    def want(self, revision: int, endpoints: Mapping[Endpoint, bytes | None]) -> None:
        self.wanted.append((revision, {one.name: held for one, held in endpoints.items()}))


class Office:
    """A plant with a dispatch in front of it, and everybody else played by the test."""

    def __init__(self, size: int = 2) -> None:
        self.plant = Plant(size)
        self.compiler, self.box, self.again = Silent(), Mailbox(), 0
        books = Books("", 1, 0.0)
        metrics = Metrics(Board(self.plant.clock, books.report(None, 0.0)))
        changes = Changes(logger(as_json=True, stream=io.StringIO()), self.plant.clock)

        def again() -> None:
            self.again += 1

        partners = Partners(cast(Compiler, self.compiler), again, metrics, changes)
        clock = self.plant.clock
        self.dispatch = Dispatch(
            self.plant.node, books, partners, self.plant.settings, Pattern("{name}"), clock, lambda: 0.5
        )
        self.plant.run()

    def tell(self, *answers: Answer | Reading) -> None:
        """Lays it all into the mailbox at once, and has it worked off."""
        for answer in answers:
            if isinstance(answer, Reading):
                self.box.reading(answer)
            else:
                self.box.answers([answer])
        self.dispatch.received(self.box.take())
        self.plant.run()
        self.dispatch.ask()

    def load(self, revision: int, *ends: Endpoint) -> None:
        self.tell(Reading(revision, f"digest {revision}"), Loaded(revision, ends or self.ends, (), 0.0))

    @property
    def ends(self) -> tuple[Endpoint, ...]:
        return tuple(Endpoint(namespace="shop", name=one.name, kind="Pod") for one in self.plant.devices)

    def held(self) -> list[str | None]:
        return [self.plant.held(one) for one in self.plant.devices]


def made(revision: int, endpoint: Endpoint, found: ObjectPair) -> Made:
    return Made(revision, endpoint, found, (), 0.0, 1)


def test_what_is_there_is_asked_for_once_with_what_is_held() -> None:
    office = Office()
    a, b = office.ends
    absent = Endpoint(namespace="shop", name="late", kind="Pod")
    office.load(1, a, b, absent)
    assert office.compiler.wanted == [(1, {"d0": None, "d1": None})]
    office.tell(made(1, a, X), made(1, b, X), Finished(1))
    assert office.held() == [X.identity.hex()] * 2
    assert len(office.compiler.wanted) == 1
    office.load(2, a, b, absent)
    assert office.compiler.wanted[1:] == [(2, {"d0": X.identity, "d1": X.identity})]
    office.plant.add("late")
    office.tell(Same(2, a, X.identity))
    assert office.compiler.wanted[2:] == [(2, {"d1": X.identity, "late": None})]
    office.tell(Same(2, b, X.identity), made(2, absent, X), Finished(2))
    assert office.dispatch.settled


def test_a_late_pair_of_an_older_revision_is_used_and_same_is_not_said_of_it() -> None:
    office = Office(1)
    (a,) = office.ends
    office.load(1)
    office.tell(made(1, a, X))
    office.load(2)
    office.load(3)  # asked with X held, while revision 2's Y is still on its way
    office.tell(made(2, a, Y))
    assert office.held() == [Y.identity.hex()]
    office.tell(Same(3, a, X.identity))
    assert office.held() == [Y.identity.hex()]
    assert office.compiler.wanted[-1] == (3, {"d0": Y.identity})
    office.tell(made(3, a, X))
    assert office.held() == [X.identity.hex()]
    assert office.dispatch.settled


def test_an_endpoints_fault_is_its_own_and_an_older_revisions_fault_nobodys() -> None:
    office = Office()
    a, b = office.ends
    office.load(1)
    office.tell(made(1, a, X), made(1, b, X))
    office.load(2)
    office.tell(Failed(1, a, FAULT))
    assert office.plant.record("d0").obstacle == ""
    office.tell(Failed(2, a, FAULT), made(2, b, Y), Finished(2))
    assert "a.yaml:3:5" in office.plant.record("d0").obstacle
    assert office.held() == [X.identity.hex(), Y.identity.hex()]
    asked = len(office.compiler.wanted)
    office.plant.run(3600)
    office.tell()
    assert len(office.compiler.wanted) == asked  # the input is the same, and so would be the answer
    office.load(3)
    office.tell(Same(3, a, X.identity))
    assert office.plant.record("d0").obstacle == ""


def test_a_refused_input_changes_nothing_and_the_next_good_one_clears_it() -> None:
    office = Office()
    a, b = office.ends
    office.load(1)
    office.tell(made(1, a, X), made(1, b, X))
    office.tell(Reading(2, "2"), Refused(2, FAULT))
    assert office.dispatch.books.inputs.health().state == "refused"
    assert all("a.yaml:3:5" in office.plant.record(name).obstacle for name in ("d0", "d1"))
    office.tell(Reading(0, "bad", ("policies: others may write it",)))
    assert office.dispatch.books.inputs.health().problems == ("policies: others may write it",)
    assert office.held() == [X.identity.hex()] * 2
    office.load(3)
    office.tell(Same(3, a, X.identity), Same(3, b, X.identity))
    assert office.dispatch.books.inputs.health().state == "in-use"
    assert {office.plant.record(name).obstacle for name in ("d0", "d1")} == {""}


def test_what_the_compiler_died_of_is_asked_again_later_and_later() -> None:
    office = Office(1)
    (a,) = office.ends
    office.load(1)
    asked = []
    for _ in range(4):
        began = office.plant.clock.now
        office.tell(Failed(1, a, CRASH), Finished(1))
        before = len(office.compiler.wanted)
        while len(office.compiler.wanted) == before:
            office.plant.clock.now += 1
            office.tell()
        asked.append(office.plant.clock.now - began)
    assert asked == [10, 20, 40, 80]
    office.tell(Reading(2, "2"), Refused(2, CRASH))
    office.plant.clock.now += 161
    office.tell()
    assert office.again == 1


def test_one_name_for_two_endpoints_keeps_them_apart() -> None:
    office = Office()
    pod = Endpoint(namespace="shop", name="web", kind="Pod", interface="d0")
    other = Endpoint(namespace="shop", name="web", kind="WorkloadEndpoint", interface="d1")
    office.load(1, pod, other)
    office.tell(made(1, pod, X), made(1, other, Y))
    assert office.held() == [X.identity.hex(), Y.identity.hex()]
    assert {office.plant.record(name).endpoint for name in ("d0", "d1")} == {pod.ref.full, other.ref.full}
