"""The three engines behind one interface: a frame at a time in, its verdict and its flow's state out.

Time is whole milliseconds since the start, and each engine gets it in the form that makes comparisons with
time-outs (whole seconds) exact.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from math import ceil
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

from ..compiler.model import Model, Packet, Verdict
from ..compiler.model.flows import FLOW_CLASSES, flow_key, inner_key
from ..pair.flow import State
from ..pair.layout import Config, ConfigFlag, Direction
from ..pair.object import ObjectPair
from ..pair.packet import PacketClass
from ..runtime.bpf import Bpf
from .compiled import Judged
from .kernel import KernelEngine, runnable
from .outcome import FlowEntry, Run

_WORKLOAD: Final = Config(generation=1)
_HOST: Final = Config(generation=1, flags=ConfigFlag.HOST)


class EngineName(StrEnum):
    MODEL = "model"
    NATIVE = "native"
    KERNEL = "kernel"


class Remembered(NamedTuple):
    """What every engine knows of a flow; when it was last seen is left out."""

    rule: int
    owner: Direction
    state: State


class Engine(Protocol):
    """Judges the frames of one endpoint, state kept between them."""

    def step(self, direction: Direction, frame: bytes, packet: Packet, now: int) -> Run | None:
        """One frame, already parsed too, at `now` milliseconds; None when this engine cannot be asked.

        Of a packet let through, rule and direction name what allowed it, when the engine knows.
        """

    def remembered(self, key: bytes) -> Remembered | None:
        """The entry of a flow, idle or not."""

    def forget(self) -> None:
        """Removes every flow."""

    def close(self) -> None: ...


def _config(judged: Judged) -> Config:
    """As an attachment to the endpoint's interface would write it."""
    return _HOST if judged.is_host else _WORKLOAD


class _ModelEngine:
    def __init__(self, judged: Judged) -> None:
        self._program = judged.resolved.program
        self._config = _config(judged)
        self._model = Model(self._program, self._config)

    def step(self, direction: Direction, frame: bytes, packet: Packet, now: int) -> Run | None:  # noqa: ARG002
        # Differences of these numbers are exact, and compare with whole seconds as the milliseconds do.
        seconds = now // 1000 + now % 1000 / 1024
        outcome = self._model.step_packet(direction, packet, seconds)
        allowed = outcome.verdict is Verdict.ALLOW
        return Run(allowed, outcome.rule, outcome.reason, outcome.direction, outcome.logs, (), outcome.staged)

    def remembered(self, key: bytes) -> Remembered | None:
        entry = self._model.flows.get(key)
        return Remembered(entry.rule, entry.owner, entry.state) if entry is not None else None

    def forget(self) -> None:
        self._model = Model(self._program, self._config)

    def close(self) -> None:
        pass


class _NativeEngine:
    def __init__(self, judged: Judged) -> None:
        self._engine = judged.native(_config(judged))

    def step(self, direction: Direction, frame: bytes, packet: Packet, now: int) -> Run | None:  # noqa: ARG002
        # Half a millisecond more, so that the engine's rounding down finds the one that is meant.
        return self._engine.run(direction, frame, (now + 0.5) / 1000)

    def remembered(self, key: bytes) -> Remembered | None:
        return _remembered(self._engine.flow(key))

    def forget(self) -> None:
        self._engine.forget()

    def close(self) -> None:
        pass


class _Clock(NamedTuple):
    """When a flow was last seen: on the capture's clock in ms, and on the machine's in s, moved as the entry
    was."""

    capture: int
    machine: float


class _KernelEngine:
    """Time passes for one flow at a time, when a packet is about to look at it.

    Time-outs are whole seconds and a flow outlives a silence of just its time-out, so that silences of more
    than n and up to n + 1 seconds mean the same. The kernel is told the middle of them: its jiffies, and half
    a second that the packet may take on a busy machine, change nothing.
    """

    def __init__(self, pair: ObjectPair, config: Config) -> None:
        self._engine = KernelEngine(Bpf(), pair, config)
        self._seen: dict[bytes, _Clock] = {}

    def step(self, direction: Direction, frame: bytes, packet: Packet, now: int) -> Run | None:
        if not runnable(frame):
            return None
        key = key_of(direction, packet)
        before = self._age(key, now) if key is not None else None
        run = self._engine.run(direction, frame)
        if key is None:
            return run
        entry = self._engine.flow(key)
        if entry is not None and entry != before:
            self._seen[key] = _Clock(now, time.monotonic())
        # The kernel tells of no rule that lets a packet through; its flow does.
        if run.allowed and entry is not None:
            return replace(run, rule=entry.rule, direction=entry.owner)
        return run

    def _age(self, key: bytes, now: int) -> FlowEntry | None:
        """Makes the entry as old as the capture's silence means, whatever time the replay itself took."""
        last = self._seen.get(key)
        if last is None:
            return None
        wanted = max(0.0, ceil((now - last.capture) / 1000) - 0.5)
        missing = wanted - (time.monotonic() - last.machine)
        moved = self._engine.age_flow(key, missing)
        self._seen[key] = _Clock(last.capture, last.machine - moved)
        return self._engine.flow(key)

    def remembered(self, key: bytes) -> Remembered | None:
        return _remembered(self._engine.flow(key))

    def forget(self) -> None:
        self._engine.forget()
        self._seen.clear()

    def close(self) -> None:
        self._engine.close()


def _remembered(entry: FlowEntry | None) -> Remembered | None:
    return Remembered(entry.rule, entry.owner, entry.state) if entry is not None else None


def key_of(direction: Direction, packet: Packet) -> bytes | None:
    """The `layout.FLOW_KEY` of the flow that the packet looks up; None when it looks none up."""
    if packet.cls in FLOW_CLASSES:
        return flow_key(direction, packet)
    if packet.cls is PacketClass.ERROR and packet.inner is not None:
        return inner_key(direction, packet.inner)
    return None


ENGINES: Final[Mapping[EngineName, Callable[[Judged], Engine]]] = {
    EngineName.MODEL: _ModelEngine,
    EngineName.NATIVE: _NativeEngine,
    EngineName.KERNEL: lambda judged: _KernelEngine(judged.pair(), _config(judged)),
}


def engine_of_pair(pair: ObjectPair) -> Engine:
    """The one engine that finished objects are enough for. Raises CannotError."""
    host = bool(pair.endpoint) and "/" not in pair.endpoint
    return _KernelEngine(pair, _HOST if host else _WORKLOAD)


class Panel:
    """Some engines that judge one endpoint's frames side by side. A context manager."""

    def __init__(self, engines: Mapping[EngineName, Engine]) -> None:
        self._engines = dict(engines)

    @classmethod
    def of(cls, judged: Judged, names: tuple[EngineName, ...]) -> Self:
        """Raises CompileError, CannotError."""
        made: dict[EngineName, Engine] = {}
        with ExitStack() as stack:
            for name in names:
                made[name] = ENGINES[name](judged)
                stack.callback(made[name].close)
            stack.pop_all()
        return cls(made)

    def step(
        self, direction: Direction, frame: bytes, packet: Packet, now: int
    ) -> Mapping[EngineName, Run | None]:
        return {name: one.step(direction, frame, packet, now) for name, one in self._engines.items()}

    def difference(
        self, direction: Direction, packet: Packet, answers: Mapping[EngineName, Run | None]
    ) -> str:
        """What the engines disagree about, `` when they agree: verdict, reason, logs, rule, and what is
        remembered of the flow. Engines that could not be asked do not count."""
        given = {name: run for name, run in answers.items() if run is not None}
        if len(given) < 2:
            return ""
        # The kernel tells of no rule that lets a packet through: its flow does, and is compared below.
        knowing = [_full(run) for name, run in given.items() if name is not EngineName.KERNEL]
        if len({_view(run) for run in given.values()}) > 1 or len(set(knowing)) > 1:
            return "; ".join(f"{name} says {_words(run)}" for name, run in given.items())
        key = key_of(direction, packet)
        if key is None:
            return ""
        flows = {name: self._engines[name].remembered(key) for name in given}
        if len(set(flows.values())) <= 1:
            return ""
        return "; ".join(f"{name} remembers {_flow_words(flow)}" for name, flow in flows.items())

    def forget(self) -> None:
        for engine in self._engines.values():
            engine.forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for engine in self._engines.values():
            engine.close()


def _view(run: Run) -> tuple[object, ...]:
    decided = None if run.allowed else (run.rule, run.direction)
    return run.allowed, run.reason, run.logs, run.staged, decided


def _full(run: Run) -> tuple[object, ...]:
    """With the rule of a packet let through too; whose it is says nothing when there is none."""
    return *_view(run), run.rule, run.direction if run.rule is not None else None


def _words(run: Run) -> str:
    verdict = "allow" if run.allowed else f"deny ({run.reason.word})"
    rule = f" by {run.direction.word} rule {run.rule}" if run.rule is not None else ""
    logs = f", logged by {', '.join(map(str, run.logs))}" if run.logs else ""
    return verdict + rule + logs


def _flow_words(flow: Remembered | None) -> str:
    if flow is None:
        return "no flow"
    return f"a flow {flow.state.name} of {flow.owner.word} rule {flow.rule}"
