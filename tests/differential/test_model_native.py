"""The native build does what the model says: verdict, rule, logs and flow state."""

from __future__ import annotations

import os
from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple

import pytest
from polc.compiler.backend import build_native
from polc.compiler.codegen.native import NativeCode
from polc.compiler.model import Model, Outcome
from polc.compiler.resolve import Resolved
from polc.compiler.source import Source
from polc.judge.native import NativeEngine
from polc.judge.outcome import Run
from polc.pair.layout import NO_RULE, Config, Direction
from polc.pair.provenance import ProvenanceTable
from polc.tests.differential.subjects import DIRECTIONS, Asked, read_texts, resolve
from polc.tests.differential.tally import Tally
from polc.tests.differential.traces import contradicted, trace
from polc.tests.generators.frames import dressed_frame, frame_of, odd_frame
from polc.tests.generators.honesty import Honesty
from polc.tests.generators.styles import plain_text
from polc.tests.generators.worlds import LANGUAGES, World, build_world

Object = dict[str, Any]

VERDICTS = int(os.environ.get("POLC_NATIVE_VERDICTS", "300000"))
SHARE = 3000  # verdicts a world, over both directions
FIRST_SEED = 50_000
LARGE = 6
TRACES = 24
STEPS = 300
PATIENCE = 4000.0  # seconds after which every entry is idle (§11.2: at most one hour)


class Policy(NamedTuple):
    """One endpoint's policy and what the native engine needs of it."""

    resolved: Resolved
    sources: tuple[Source, ...]

    @classmethod
    def of(cls, world: World, objects: list[Object]) -> Policy:
        inventory = read_texts({"world.yaml": plain_text(objects)})
        return cls(resolve(inventory, Asked(*world.subject)), inventory.sources)

    def native(self) -> tuple[NativeCode, Mapping[Direction, ProvenanceTable]]:
        return build_native(self.sources, self.resolved)

    def judges(self) -> tuple[NativeEngine, Model]:
        return NativeEngine(*self.native()), Model(self.resolved.program, Config(generation=1))


def _said(outcome: Outcome) -> tuple[object, ...]:
    return (outcome.reason, outcome.logs, outcome.rule, outcome.staged)


def _same(engine: NativeEngine, run: Run, outcome: Outcome, where: str) -> None:
    """Verdict, reason, rule, logs, and the flow entry but for its clock."""
    assert run.allowed is (outcome.verdict == "allow"), f"{where}: {run} {outcome}"
    assert (run.reason, run.logs, run.rule, run.staged) == _said(outcome), where
    if run.rule is not None:
        assert run.direction is outcome.direction, where
    if outcome.key is not None:
        entry, wanted = engine.flow(outcome.key), outcome.entry
        found = entry and (entry.generation, entry.rule, entry.owner, entry.state)
        assert found == (wanted and (wanted.generation, wanted.rule, wanted.owner, wanted.state)), where


def _lone_packets(world: World, honesty: Honesty, start: float) -> float:
    """Each packet as the first of its flow, an hour after the one before."""
    rng, now = Random(world.seed), start
    honesty.expect((world.seed, rule.name) for rule in world.rules())
    engine, model = Policy.of(world, world.objects).judges()
    tally = Tally()
    for word, direction in DIRECTIONS.items():
        packets = list(world.packets(rng, word, SHARE // 2))
        frames = []
        for packet in packets:
            now += PATIENCE
            plain = rng.random() < 0.9
            frames.append((direction, frame_of(packet) if plain else dressed_frame(rng, packet), now))
        for packet, (_, frame, at), run in zip(packets, frames, engine.run_all(frames), strict=True):
            outcome = model.step(direction, frame, at)
            where = f"seed {world.seed}, {word}, {packet}: {run} {outcome}"
            assert run.allowed is (outcome.verdict == "allow"), where
            assert (run.reason, run.logs, run.rule, run.staged) == _said(outcome), where
            tally.note(outcome, len(frame))
            if outcome.judged:
                honesty.note(world.seed, world.readings[word].judge(packet))
    tally.check(engine, f"seed {world.seed}")
    return now


@pytest.mark.long
def test_model_and_native_agree_on_random_verdicts() -> None:
    honesty = Honesty()
    worlds = -(-VERDICTS // SHARE)
    seed, now = FIRST_SEED, 0.0
    while honesty.kinds.total() < VERDICTS:
        assert seed < FIRST_SEED + 2 * worlds + 2, "too few packets are judged"
        now = _lone_packets(
            build_world(seed, LARGE if seed % 8 == 7 else 1, LANGUAGES[(seed + seed // 8) % 2]), honesty, 0.0
        )
        seed += 1
    assert now > 0.0
    honesty.check()


def test_model_and_native_agree_on_odd_frames() -> None:
    for seed in range(12):
        world, rng = build_world(seed), Random(seed)
        engine, model = Policy.of(world, world.objects).judges()
        tally = Tally()
        for packet in world.packets(rng, "ingress", 200):
            frame = odd_frame(rng, packet)
            for word, direction in DIRECTIONS.items():
                outcome, run = model.step(direction, frame, 0.0), engine.run(direction, frame)
                _same(engine, run, outcome, f"seed {seed}, {word}, {frame.hex()}")
                tally.note(outcome, len(frame))
        assert tally.check(engine, f"seed {seed}") > 8


@pytest.mark.long
def test_model_and_native_keep_the_same_flows_and_counts_over_time_and_swaps() -> None:
    some = 0
    for seed in range(TRACES):
        tally = Tally()
        world, rng, now = build_world(seed, language=LANGUAGES[seed % 2]), Random(seed), 0.0
        policies = [Policy.of(world, world.objects), Policy.of(world, contradicted(world))]
        engine, model = policies[0].judges()
        for step in trace(world, rng, STEPS):
            if step.kind == "age":
                now += step.seconds
            elif step.kind == "swap":
                some += tally.check(engine, f"seed {seed}")
                policies.reverse()
                engine.swap(*policies[0].native())
                model.swap(policies[0].resolved.program, engine.generation)
            else:
                direction = DIRECTIONS[step.direction]
                outcome = model.step(direction, step.frame, now)
                _same(engine, engine.run(direction, step.frame, now), outcome, f"seed {seed}: {step.what}")
                tally.note(outcome, len(step.frame))
        some += tally.check(engine, f"seed {seed}")
    assert some > 8 * TRACES


def test_a_batch_gives_the_answers_of_single_runs() -> None:
    world, rng = build_world(3), Random(3)
    policy = Policy.of(world, world.objects)
    frames = [
        (direction, frame_of(packet), 1.0)
        for word, direction in DIRECTIONS.items()
        for packet in world.packets(rng, word, 300)
    ]
    one, other = policy.judges()[0], policy.judges()[0]
    together = list(one.run_all(frames))
    assert together == [other.run(*frame) for frame in frames]
    one.forget()
    records = list(one.records(one.prepare(frames)))
    assert [record[0] == -1 for record in records] == [run.allowed for run in together]
    allowed = [record[2] for record in records if record[0] == -1 and record[2] != NO_RULE]
    assert allowed == [run.rule for run in together if run.allowed and run.rule is not None]


def test_age_lets_flows_expire_and_forget_removes_them() -> None:
    world, rng = build_world(5), Random(5)
    engine, _ = Policy.of(world, world.objects).judges()
    for word, direction in DIRECTIONS.items():
        for packet in world.packets(rng, word, 100):
            engine.run(direction, frame_of(packet))
    before = engine.flow_count()
    assert before > 10
    engine.age(PATIENCE)
    assert engine.flow_count() == before, "idle entries stay until a packet looks at them"
    engine.forget()
    assert engine.flow_count() == 0
