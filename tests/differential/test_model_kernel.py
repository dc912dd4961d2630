"""The kernel does what the model says: verdict, rule, logs and flow state, on random policies and packets."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from polc.compiler.backend import CompiledPair
from polc.compiler.model import Model, Outcome
from polc.compiler.source import CompileError
from polc.judge.kernel import KernelEngine, runnable
from polc.judge.outcome import Run
from polc.pair.layout import Config
from polc.pair.object import ObjectPair, read_pair
from polc.pair.packet import Reason
from polc.runtime.bpf import Bpf
from polc.tests.differential.subjects import DIRECTIONS, Asked, compiled, findings, read_texts
from polc.tests.differential.tally import Tally
from polc.tests.differential.traces import OTHER, contradicted, reversed_packet, trace
from polc.tests.generators.frames import ACK, SYN, dressed_frame, frame_of, odd_frame
from polc.tests.generators.honesty import Honesty
from polc.tests.generators.styles import plain_text
from polc.tests.generators.worlds import LANGUAGES, World, build_world

Object = dict[str, Any]

pytestmark = pytest.mark.kernel

VERDICTS = int(os.environ.get("POLC_KERNEL_VERDICTS", "100000"))
SHARE = 800  # verdicts a world, over both directions
FIRST_SEED = 20_000
LARGE = 6  # one world in eight has lists that many times longer
TRACES = 16
STEPS = 250
PATIENCE = 4000.0  # seconds after which every entry is idle (§11.2: at most one hour)


def _compile(world: World, objects: list[Object]) -> CompiledPair:
    try:
        return compiled(read_texts({"world.yaml": plain_text(objects)}), Asked(*world.subject))
    except CompileError as error:
        pytest.fail(f"seed {world.seed}: {findings(error)}")


@contextmanager
def _judges(pair: CompiledPair) -> Iterator[tuple[KernelEngine, Model]]:
    with KernelEngine(Bpf(), _objects(pair)) as engine:
        yield engine, Model(pair.resolved.program, Config(generation=1))


def _objects(pair: CompiledPair) -> ObjectPair:
    return read_pair(pair.ingress, pair.egress)


def _said(outcome: Outcome) -> tuple[object, ...]:
    return (outcome.reason, outcome.logs, outcome.rule, outcome.staged)


def _same(engine: KernelEngine, run: Run, outcome: Outcome, where: str) -> None:
    """Verdict, reason, rule, logs, and the flow entry but for its clock."""
    assert run.allowed is (outcome.verdict == "allow"), f"{where}: {run} {outcome}"
    assert (run.reason, run.logs, run.staged) == (outcome.reason, outcome.logs, outcome.staged), (
        f"{where}: {run} {outcome}"
    )
    if not run.allowed:
        assert (run.rule, run.direction) == (outcome.rule, outcome.direction), f"{where}: {run} {outcome}"
    if outcome.key is not None:
        entry, wanted = engine.flow(outcome.key), outcome.entry
        found = entry and (entry.generation, entry.rule, entry.owner, entry.state)
        assert found == (wanted and (wanted.generation, wanted.rule, wanted.owner, wanted.state)), where


def _lone_packets(world: World, honesty: Honesty) -> None:
    """Each packet as the first of its flow: the kernel forgets a flow before it is looked up again, for the
    model an hour goes by."""
    rng, now = Random(world.seed), 0.0
    remembered: set[bytes | None] = set()
    pair = _compile(world, world.objects)
    honesty.expect((world.seed, rule.name) for rule in world.rules())
    tally = Tally()
    with _judges(pair) as (engine, model):
        for word, direction in DIRECTIONS.items():
            for packet in world.packets(rng, word, SHARE // 2):
                dice, where = rng.random(), f"seed {world.seed}, {word}, {packet}"
                frame = frame_of(packet) if dice < 0.9 else dressed_frame(rng, packet)
                now += PATIENCE
                outcome = model.step(direction, frame, now)
                if outcome.key in remembered:
                    engine.forget()
                    remembered.clear()
                run = engine.run(direction, frame)
                tally.note(outcome, len(frame))
                if outcome.judged:
                    honesty.note(world.seed, world.readings[word].judge(packet))
                if not run.allowed:
                    assert outcome.verdict == "drop", where
                    assert (run.reason, run.logs, run.rule, run.staged) == _said(outcome), where
                else:
                    _same(engine, run, outcome, where)
                    remembered.add(outcome.key)
        tally.check(engine, f"seed {world.seed}")


@pytest.mark.long
def test_model_and_kernel_agree_on_random_verdicts() -> None:
    honesty = Honesty()
    worlds = -(-VERDICTS // SHARE)
    seed = FIRST_SEED
    while honesty.kinds.total() < VERDICTS:
        assert seed < FIRST_SEED + 2 * worlds + 2, "too few packets are judged"
        _lone_packets(
            build_world(seed, LARGE if seed % 8 == 7 else 1, LANGUAGES[(seed + seed // 8) % 2]), honesty
        )
        seed += 1
    honesty.check()


def test_model_and_kernel_agree_on_odd_frames() -> None:
    reasons: Counter[Reason] = Counter()
    for seed in range(8):
        world, rng = build_world(seed), Random(seed)
        tally = Tally()
        with _judges(_compile(world, world.objects)) as (engine, model):
            for packet in world.packets(rng, "ingress", 150):
                frame = odd_frame(rng, packet)
                if not runnable(frame):
                    continue
                for word, direction in DIRECTIONS.items():
                    outcome, run = model.step(direction, frame, 0.0), engine.run(direction, frame)
                    _same(engine, run, outcome, f"seed {seed}, {word}, {frame.hex()}")
                    reasons[run.reason] += 1
                    tally.note(outcome, len(frame))
            tally.check(engine, f"seed {seed}")
    wanted = (Reason.MALFORMED, Reason.SHORT, Reason.NOT_IP, Reason.FRAGMENT, Reason.EXTENSION)
    assert all(reasons[reason] > 20 for reason in wanted), reasons


@pytest.mark.parametrize("seed", range(TRACES))
def test_model_and_kernel_keep_the_same_flows_and_counts(seed: int) -> None:
    world, rng, now = build_world(seed, language=LANGUAGES[seed % 2]), Random(seed), 0.0
    pairs = [_compile(world, world.objects), _compile(world, contradicted(world))]
    history: list[str] = []
    tally, some = Tally(), 0
    with _judges(pairs[0]) as (engine, model):
        for step in trace(world, rng, STEPS):
            history.append(step.what)
            if step.kind == "age":
                now += step.seconds
                engine.age(step.seconds)
            elif step.kind == "swap":
                some += tally.check(engine, f"seed {seed}")
                pairs.reverse()
                engine.swap(_objects(pairs[0]))
                model.swap(pairs[0].resolved.program, engine.generation)
            else:
                direction = DIRECTIONS[step.direction]
                outcome, run = model.step(direction, step.frame, now), engine.run(direction, step.frame)
                _same(engine, run, outcome, f"seed {seed}:\n" + "\n".join(history[-12:]))
                tally.note(outcome, len(step.frame))
        assert some + tally.check(engine, f"seed {seed}") > 5


def test_answers_of_allowed_flows_pass_and_unsolicited_ones_do_not() -> None:
    passed = refused = 0
    for seed in range(40, 52):
        world, rng = build_world(seed), Random(seed)
        pair = _compile(world, world.objects)
        with KernelEngine(Bpf(), _objects(pair)) as engine:
            for word, direction in DIRECTIONS.items():
                for packet in world.packets(rng, word, 60):
                    back = reversed_packet(packet)
                    query = packet.is_icmp and back.icmp_type != packet.icmp_type
                    if packet.protocol != 6 and not query:
                        continue
                    engine.forget()
                    way = DIRECTIONS[OTHER[word]]
                    answer = frame_of(back, SYN | ACK)
                    lone = engine.run(way, answer)
                    assert (lone.allowed, lone.reason) == (False, Reason.NO_FLOW), (seed, packet)
                    refused += 1
                    if not engine.run(direction, frame_of(packet, SYN)).allowed:
                        continue
                    assert engine.run(way, answer).allowed, (seed, packet)
                    passed += 1
                    stray = engine.run(way, frame_of(back._replace(source=back.source ^ 1), ACK))
                    assert (stray.allowed, stray.reason) == (False, Reason.NO_FLOW), (seed, packet)
    assert passed > 100
    assert refused > 200
