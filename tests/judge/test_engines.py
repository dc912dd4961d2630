"""The engines agree frame by frame, keep time as a capture tells it, and are told apart when they differ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from polc.compiler.model import Packet, parse_packet
from polc.judge.engines import Engine, EngineName, Panel, Remembered
from polc.judge.outcome import Run
from polc.judge.packets import Wanted
from polc.pair.flow import State
from polc.pair.layout import Direction
from polc.pair.packet import TCP_ACK, Reason
from polc.tests.judge.worlds import WEB, shop, to_web

EVERY = [
    EngineName.MODEL,
    EngineName.NATIVE,
    pytest.param(EngineName.KERNEL, marks=pytest.mark.kernel),
]
ALLOWS = "[{action: Allow, protocol: UDP}, {action: Allow, protocol: TCP, destination: {ports: [80]}}]"


@contextmanager
def panel(*names: EngineName, rules: str = ALLOWS) -> Iterator[Panel]:
    with Panel.of(shop(rules).judged(WEB), names) as made:
        yield made


def send(to: Panel, wanted: Wanted, direction: Direction, now: int = 0) -> Run:
    """The one answer; the engines agree."""
    frame = wanted.frame()
    packet = parse_packet(frame)
    answers = to.step(direction, frame, packet, now)
    assert to.difference(direction, packet, answers) == ""
    run = next(iter(answers.values()))
    assert run is not None
    return run


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(("silence", "alive"), [(59_999, True), (60_000, True), (60_001, False)])
def test_a_flow_lives_as_long_as_its_time_out_by_the_capture_s_clock(
    name: EngineName, silence: int, alive: bool
) -> None:
    answer = to_web(17).answer()
    with panel(name) as judges:
        assert not send(judges, answer.unreachable(), Direction.INGRESS, 0).allowed
        assert send(judges, to_web(17), Direction.INGRESS, 5_500).allowed
        found = send(judges, answer.unreachable(), Direction.INGRESS, 5_500 + silence)
        assert found.allowed is alive


@pytest.mark.parametrize("name", EVERY)
def test_time_outs_are_exact_to_the_millisecond(name: EngineName) -> None:
    error = to_web(17).answer().unreachable()
    with panel(name) as judges:
        for start in (1, 7, 333, 999, 1_000_003, 31_536_000_001):
            for silence, alive in ((60_000, True), (60_001, False)):
                judges.forget()
                send(judges, to_web(17), Direction.INGRESS, start)
                assert send(judges, error, Direction.INGRESS, start + silence).allowed is alive


@pytest.mark.parametrize("name", EVERY)
def test_what_let_a_packet_through_is_named(name: EngineName) -> None:
    with panel(name) as judges:
        opened = send(judges, to_web(6), Direction.INGRESS)
        answered = send(judges, to_web(6).answer(), Direction.EGRESS)
        for run in (opened, answered):
            assert (run.allowed, run.rule, run.direction) == (True, 1, Direction.INGRESS)


@pytest.mark.parametrize("name", EVERY)
def test_flows_are_forgotten(name: EngineName) -> None:
    data = replace(to_web(6), flags=TCP_ACK)
    with panel(name) as judges:
        send(judges, to_web(6), Direction.INGRESS)
        assert send(judges, data, Direction.INGRESS).allowed
        judges.forget()
        assert send(judges, data, Direction.INGRESS).reason is Reason.NO_FLOW


@pytest.mark.kernel
def test_the_kernel_s_clock_is_the_capture_s_and_not_the_replay_s() -> None:
    """Packets a microsecond apart are judged far slower than that, and still none is late."""
    with panel(EngineName.MODEL, EngineName.KERNEL) as judges:
        send(judges, to_web(6), Direction.INGRESS, 0)
        for number in range(300):
            assert send(judges, replace(to_web(6), flags=TCP_ACK), Direction.INGRESS, number // 100).allowed
        assert send(judges, to_web(6).answer(TCP_ACK), Direction.EGRESS, 20_000).allowed
        assert not send(judges, to_web(6).answer(TCP_ACK), Direction.EGRESS, 41_000).allowed


@pytest.mark.kernel
def test_a_frame_that_the_kernel_cannot_take_is_left_to_the_others() -> None:
    frame = to_web(6).frame()[:30]
    packet = parse_packet(frame)
    with panel(*EngineName) as judges:
        answers = judges.step(Direction.INGRESS, frame, packet, 0)
        assert answers[EngineName.KERNEL] is None
        assert judges.difference(Direction.INGRESS, packet, answers) == ""


class Says:
    """An engine that always answers the same."""

    def __init__(self, run: Run, flow: Remembered | None = None) -> None:
        self._run = run
        self._flow = flow

    def step(self, direction: Direction, frame: bytes, packet: Packet, now: int) -> Run | None:  # noqa: ARG002
        return self._run

    def remembered(self, key: bytes) -> Remembered | None:  # noqa: ARG002
        return self._flow

    def forget(self) -> None:
        raise AssertionError("nobody asks for this")

    def close(self) -> None:
        pass


ALLOW = Run(True, 0, Reason.NONE, Direction.INGRESS, (), ())
FLOW = Remembered(0, Direction.INGRESS, State.OPEN)


@pytest.mark.parametrize(
    ("other", "flow", "said"),
    [
        (Run(False, 0, Reason.POLICY, Direction.INGRESS, (), ()), FLOW, "native says deny (policy)"),
        (Run(True, 1, Reason.NONE, Direction.INGRESS, (), ()), FLOW, "native says allow by ingress rule 1"),
        (Run(True, 0, Reason.NONE, Direction.EGRESS, (), ()), FLOW, "native says allow by egress rule 0"),
        (Run(True, 0, Reason.NONE, Direction.INGRESS, (2,), ()), FLOW, "logged by 2"),
        (ALLOW, None, "native remembers no flow"),
        (ALLOW, FLOW._replace(rule=3), "native remembers a flow OPEN of ingress rule 3"),
        (ALLOW, FLOW, ""),
    ],
)
def test_a_difference_is_said(other: Run, flow: Remembered | None, said: str) -> None:
    engines: dict[EngineName, Engine] = {
        EngineName.MODEL: Says(ALLOW, FLOW),
        EngineName.NATIVE: Says(other, flow),
    }
    frame = to_web(17).frame()
    packet = parse_packet(frame)
    judges = Panel(engines)
    difference = judges.difference(
        Direction.INGRESS, packet, judges.step(Direction.INGRESS, frame, packet, 0)
    )
    assert said in difference
    assert bool(said) is bool(difference)


def test_the_kernel_is_not_blamed_for_a_rule_that_it_does_not_tell() -> None:
    silent = Run(True, None, Reason.NONE, Direction.INGRESS, (), ())
    engines: dict[EngineName, Engine] = {
        EngineName.MODEL: Says(ALLOW),
        EngineName.KERNEL: Says(silent),
    }
    frame = to_web(17).frame()
    packet = parse_packet(frame)
    judges = Panel(engines)
    answers = judges.step(Direction.INGRESS, frame, packet, 0)
    assert judges.difference(Direction.INGRESS, packet, answers) == ""
