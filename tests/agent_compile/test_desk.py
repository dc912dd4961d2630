"""The worker's desk: what is compiled again after a change, and what is known to be the same without that."""

from __future__ import annotations

from collections.abc import Mapping

from polc.agent.protocol import (
    Answer,
    BeganFrame,
    Compile,
    Endpoint,
    FailedFrame,
    KeptFrame,
    LoadedFrame,
    MadeFrame,
    RefusedFrame,
    Revise,
    SameFrame,
    Wanted,
)
from polc.agent.worker.desk import Desk
from polc.pair.failsafes import DEFAULTS
from polc.pair.object import read_pair
from polc.tests.agent_compile.asking import pod, policy, world


class Office:
    """A desk, its asker, and what the asker holds."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.answers: list[Answer] = []
        self.held: dict[str, str] = {}
        self.newer = False
        self.desk = Desk(self._take, lambda: self.newer, DEFAULTS)
        self._revision, self._files = 0, dict[str, str]()
        self.endpoints: tuple[Endpoint, ...] = ()
        self.revise(files)

    def _take(self, answer: Answer, *blobs: bytes) -> None:
        self.answers.append(answer)
        if isinstance(answer, LoadedFrame) and answer.endpoints is not None:
            self.endpoints = answer.endpoints
        if isinstance(answer, MadeFrame):
            ingress, egress = blobs
            self.held[answer.endpoint.name] = read_pair(ingress, egress).identity.hex()

    def revise(self, files: Mapping[str, str]) -> list[Answer]:
        """These files, besides those that are there; its answers."""
        self._revision += 1
        self._files |= files
        self.answers = []
        data = tuple(text.encode() for text in files.values())
        self.desk.take(Revise(revision=self._revision, changed=tuple(files)), data)
        self.desk.work()
        return self.answers

    def want(self) -> list[Answer]:
        """All pairs, saying what is held; the answers."""
        return self.ask(*(self.wanted(one) for one in self.endpoints))

    def ask(self, *wanted: Wanted, rest: bool = False) -> list[Answer]:
        """These pairs; the answers."""
        self.answers = []
        self.desk.take(Compile(revision=self._revision, wanted=wanted, rest=rest), ())
        self.desk.work()
        return self.answers

    def wanted(self, one: Endpoint) -> Wanted:
        return Wanted(endpoint=one, held=self.held.get(one.name, ""))


def done(answers: list[Answer]) -> list[str]:
    """In order: `begin pod-1`, `made pod-1`, `kept 0 2` by their numbers among all."""
    words = {BeganFrame: "begin", MadeFrame: "made", SameFrame: "same", FailedFrame: "failed"}
    said = []
    for one in answers:
        if isinstance(one, KeptFrame):
            said.append(" ".join(["kept", *map(str, one.numbers)]))
        elif isinstance(one, BeganFrame | MadeFrame | SameFrame | FailedFrame):
            said.append(f"{words[type(one)]} {one.endpoint.name}")
    return said


def office() -> Office:
    made = Office(world(4))
    made.want()
    assert sorted(made.held) == ["pod-0", "pod-1", "pod-2", "pod-3"]
    return made


def test_after_a_policys_change_only_those_it_selects_are_compiled_and_they_come_first() -> None:
    at = office()
    at.revise({"p1.yaml": policy(1, 8080)})
    assert done(at.want()) == ["begin pod-1", "made pod-1", "kept 0 2 3"]
    at.revise({"p1.yaml": "# moved\n" + policy(1, 8080)})
    assert done(at.want()) == ["kept 0 2 3", "begin pod-1", "same pod-1"]
    at.revise({"p9.yaml": policy(3, 443).replace("name: p3", "name: p9")})
    assert done(at.want()) == ["begin pod-3", "made pod-3", "kept 0 1 2"]


def test_an_address_a_label_or_a_new_pod_may_change_anybodys_program() -> None:
    at = office()
    for text in (pod(0).replace("10.0.0.1", "10.0.0.99"), pod(0).replace("a0", "a1"), pod(0) + pod(4)):
        at.revise({"pods.yaml": text + "".join(map(pod, range(1, 4)))})
        said = done(at.want())
        assert [one for one in said if one.startswith("kept")] == []
        assert {f"begin pod-{number}" for number in range(4)} <= set(said)


def test_who_holds_another_pair_or_none_is_sent_one_though_nothing_changed() -> None:
    at = office()
    at.held["pod-2"] = ""
    at.held["pod-3"] = bytes(32).hex()
    at.revise({"p1.yaml": policy(1, 8080)})
    assert done(at.want()) == [
        "begin pod-1",
        "made pod-1",
        "kept 0",
        "begin pod-2",
        "made pod-2",
        "begin pod-3",
        "made pod-3",
    ]


def test_a_change_that_was_overtaken_before_it_was_compiled_is_not_forgotten() -> None:
    at = office()
    at.revise({"p1.yaml": policy(1, 8080)})
    at.newer = True
    assert done(at.want()) == []
    at.newer = False
    at.revise({"p2.yaml": policy(2, 8080)})
    assert sorted(done(at.want())) == [
        "begin pod-1",
        "begin pod-2",
        "kept 0 3",
        "made pod-1",
        "made pod-2",
    ]


def test_a_refused_revision_reaches_nobody_and_the_next_good_one_is_compared_with_the_last_good_one() -> None:
    at = office()
    assert isinstance(at.revise({"p1.yaml": "kind: ["})[-1], RefusedFrame)
    at.revise({"p1.yaml": policy(1, 8080)})
    assert done(at.want()) == ["begin pod-1", "made pod-1", "kept 0 2 3"]


def test_the_endpoints_are_told_when_one_came_went_or_changed() -> None:
    at = office()
    before = at.endpoints

    def told(files: Mapping[str, str]) -> bool:
        (loaded,) = (one for one in at.revise(files) if isinstance(one, LoadedFrame))
        return loaded.endpoints is not None

    pods = "".join(map(pod, range(4)))
    assert not told({"p1.yaml": policy(1, 8080)})
    assert not told({"pods.yaml": "# moved\n" + pods.replace("10.0.0.1", "10.0.0.99")})
    assert at.endpoints is before
    assert told({"more.yaml": pod(4)})
    assert [one.name for one in at.endpoints] == [*(one.name for one in before), "pod-4"]
    assert told({"pods.yaml": pods.replace("status:", "spec: {nodeName: here}\nstatus:", 1)})
    assert [one.node for one in at.endpoints] == ["here", "", "", "", ""]
    assert told({"more.yaml": ""})


def test_what_was_asked_before_need_not_be_said_again() -> None:
    at = office()
    at.want()
    at.revise({"p1.yaml": policy(1, 8080)})
    assert done(at.ask(rest=True)) == ["begin pod-1", "made pod-1", "kept 0 2 3"]
    at.revise({"p1.yaml": policy(1, 80)})
    again = at.wanted(at.endpoints[1])
    assert done(at.ask(again, rest=True)) == ["begin pod-1", "made pod-1", "kept 0 2 3"]
    at.revise({"p2.yaml": policy(2, 8080)})
    assert done(at.ask(at.wanted(at.endpoints[2]))) == ["begin pod-2", "made pod-2"]


def test_who_comes_last_keeps_nobody_waiting() -> None:
    at = office()
    at.revise({"p1.yaml": policy(1, 8080)})
    asked = [at.wanted(one) for one in at.endpoints]
    asked[1] = asked[1].model_copy(update={"last": True})
    assert done(at.ask(*asked)) == ["kept 0 2 3", "begin pod-1", "made pod-1"]
