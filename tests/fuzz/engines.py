"""One case on model, native and kernel: verdict, reason, rule, logs, flow state and counters are the same.

The native engine judges everything between two swaps as one batch, the kernel a frame at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from polc.compiler.backend import build_native
from polc.compiler.codegen.native import NativeCode
from polc.compiler.model import Entry, Model, Outcome
from polc.judge.kernel import FRAME_MOST, KernelEngine, runnable
from polc.judge.native import NativeEngine
from polc.judge.outcome import FlowEntry, Run
from polc.pair.layout import Config, Direction
from polc.pair.object import ObjectPair, read_pair
from polc.pair.packet import Reason
from polc.pair.provenance import ProvenanceTable
from polc.runtime.bpf import Bpf
from polc.tests.differential.subjects import DIRECTIONS, Asked, compiled, read_texts, resolve
from polc.tests.differential.tally import Tally
from polc.tests.differential.traces import Step


class Difference(NamedTuple):
    """at: the step after which it showed. pair: the engines. what: what each of them said."""

    at: int
    pair: str
    what: str


class Policy:
    """One text, compiled as far as an engine asks for. Raises CompileError where it is no valid policy."""

    def __init__(self, text: str, subject: tuple[str, str]) -> None:
        self._inventory = read_texts({"case.yaml": text})
        self._asked = Asked(*subject)
        self.resolved = resolve(self._inventory, self._asked)
        self.program = self.resolved.program

    @cached_property
    def native(self) -> tuple[NativeCode, Mapping[Direction, ProvenanceTable]]:
        return build_native(self._inventory.sources, self.resolved)

    @cached_property
    def objects(self) -> ObjectPair:
        pair = compiled(self._inventory, self._asked)
        return read_pair(pair.ingress, pair.egress)


class _Frame(NamedTuple):
    at: int
    direction: Direction
    data: bytes
    now: float


def _stretches(steps: Sequence[Step]) -> Iterator[list[_Frame]]:
    """The frames between swaps, with their times."""
    found: list[_Frame] = []
    now = 0.0
    for at, step in enumerate(steps):
        if step.kind == "age":
            now += step.seconds
        elif step.kind == "swap":
            yield found
            found = []
        else:
            found.append(_Frame(at, DIRECTIONS[step.direction], step.frame, now))
    yield found


def on_native(
    policies: Sequence[Policy], steps: Sequence[Step], counts: Counter[str] | None = None
) -> Difference | None:
    """Model and native over the steps. counts: of what became of the frames, added to."""
    engine, model = NativeEngine(*policies[0].native), _model(policies[0])
    for number, frames in enumerate(_stretches(steps)):
        policy = policies[number % len(policies)]
        if number:
            engine.swap(*policy.native)
            model.swap(policy.program, engine.generation)
        runs, tally = engine.run_all((frame.direction, frame.data, frame.now) for frame in frames), Tally()
        for frame, run in zip(frames, runs, strict=True):
            outcome = model.step(frame.direction, frame.data, frame.now)
            tally.note(outcome, len(frame.data))
            if counts is not None:
                counts[sort_of(outcome)] += 1
            if not _same(run, outcome, knows_rule=True):
                return Difference(frame.at, "model/native", f"model says {outcome}, native says {run}")
        last = frames[-1].at if frames else 0
        for key, entry in model.flows.items():
            if not _same_entry(engine.flow(key), entry):
                words = f"of flow {key.hex()} model remembers {entry}, native {engine.flow(key)}"
                return Difference(last, "model/native", words)
        if engine.flow_count() != len(model.flows):
            words = f"model remembers {len(model.flows)} flows, native {engine.flow_count()}"
            return Difference(last, "model/native", words)
        if words := tally.difference(engine):
            return Difference(last, "model/native", words)
    return None


def on_kernel(
    policies: Sequence[Policy], steps: Sequence[Step], counts: Counter[str] | None = None
) -> Difference | None:
    """Model and kernel over the steps; frames that the kernel cannot be asked about are left out."""
    model, now, swaps, tally = _model(policies[0]), 0.0, 0, Tally()
    with KernelEngine(Bpf(), policies[0].objects) as engine:
        for at, step in enumerate(steps):
            if step.kind == "age":
                now += step.seconds
                engine.age(step.seconds)
            elif step.kind == "swap":
                if words := tally.difference(engine):
                    return Difference(at, "model/kernel", words)
                swaps, tally = swaps + 1, Tally()
                policy = policies[swaps % len(policies)]
                engine.swap(policy.objects)
                model.swap(policy.program, engine.generation)
            elif runnable(step.frame):
                direction = DIRECTIONS[step.direction]
                outcome, run = model.step(direction, step.frame, now), engine.run(direction, step.frame)
                tally.note(outcome, min(len(step.frame), FRAME_MOST))
                if counts is not None:
                    counts[sort_of(outcome)] += 1
                entry = engine.flow(outcome.key) if outcome.key is not None else None
                if not _same(run, outcome, knows_rule=not run.allowed) or (
                    outcome.key is not None and not _same_entry(entry, outcome.entry)
                ):
                    words = f"model says {outcome}, kernel says {run} and remembers {entry}"
                    return Difference(at, "model/kernel", words)
        words = tally.difference(engine)
    return Difference(len(steps) - 1, "model/kernel", words) if words else None


def _model(policy: Policy) -> Model:
    return Model(policy.program, Config(generation=1))


def _same(run: Run, outcome: Outcome, *, knows_rule: bool) -> bool:
    """knows_rule: the kernel tells of no rule that lets a packet through; the flow's entry does."""
    if (run.allowed, run.reason, run.logs) != (outcome.verdict == "allow", outcome.reason, outcome.logs):
        return False
    if not knows_rule:
        return True
    return run.rule == outcome.rule and (run.rule is None or run.direction is outcome.direction)


def _same_entry(found: FlowEntry | None, wanted: Entry | None) -> bool:
    """All but the clock, which is each engine's own."""
    if found is None or wanted is None:
        return found is None and wanted is None
    return (found.generation, found.rule, found.owner, found.state) == (
        wanted.generation,
        wanted.rule,
        wanted.owner,
        wanted.state,
    )


def sort_of(outcome: Outcome) -> str:
    """What became of a frame, in a word: for counting that a run met everything."""
    if outcome.verdict == "allow":
        if outcome.judged:
            return "allowed by policy"
        return "unjudged" if outcome.rule is None else "of a flow"
    return "denied by policy" if outcome.reason is Reason.POLICY else outcome.reason.word
