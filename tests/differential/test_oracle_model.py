"""Two readings of the dossier agree: the oracle's from raw objects, the model's through the compiler."""

from __future__ import annotations

import os
from random import Random

import pytest
from polc.compiler.model import Model, parse_packet
from polc.compiler.passes import run_passes
from polc.compiler.source import CompileError
from polc.pair.layout import Direction
from polc.tests.differential.subjects import (
    DIRECTIONS,
    Asked,
    decider,
    findings,
    oracle_decider,
    oracle_logs,
    read_texts,
    resolve,
)
from polc.tests.generators.frames import dressed_frame, frame_of
from polc.tests.generators.honesty import Honesty
from polc.tests.generators.styles import files_of
from polc.tests.generators.worlds import World, build_world

WORLDS = int(os.environ.get("POLC_ORACLE_WORLDS", "150"))
PACKETS = 40  # a direction
FIRST_SEED = 1000
LARGE = 8  # one world in twenty has lists that many times longer


def _compare(world: World, honesty: Honesty) -> None:
    """Every packet of the world, asked of oracle, model, and the model of the optimised IR."""
    texts = files_of(world.objects, world.seed)
    try:
        resolved = resolve(read_texts(texts), Asked(*world.subject))
    except CompileError as error:
        pytest.fail(f"seed {world.seed}: the compiler refuses a valid world\n{findings(error)}")
    model, optimised = Model(resolved.program), Model(run_passes(resolved.program))
    honesty.expect((world.seed, rule.name) for rule in world.rules())
    rng = Random(world.seed)
    for word, direction in DIRECTIONS.items():
        for packet in world.packets(rng, word, PACKETS):
            decision = world.readings[word].judge(packet)
            honesty.note(world.seed, decision)
            frame = frame_of(packet) if rng.random() < 0.8 else dressed_frame(rng, packet)
            said = model.judge(direction, parse_packet(frame))
            where = f"seed {world.seed}, {word}, {packet}"
            # ICMPv6 that finds neighbours passes unjudged (dossier §11.3); policy has no word in it.
            if said.rule is None:
                assert said.verdict == "allow", where
                assert (packet.family, packet.protocol) == (6, 58), where
                continue
            name = decider(resolved, direction, said.rule)
            assert (said.verdict == "allow", name) == (decision.allowed, oracle_decider(decision)), where
            logs = [decider(resolved, direction, index) for index in said.logs]
            assert logs == oracle_logs(decision), where
            assert optimised.judge(direction, parse_packet(frame)) == said, f"passes change it: {where}"


def test_oracle_and_model_agree_on_random_policy_sets() -> None:
    honesty = Honesty()
    for seed in range(FIRST_SEED, FIRST_SEED + WORLDS):
        _compare(build_world(seed, LARGE if seed % 20 == 19 else 1), honesty)
    assert honesty.kinds.total() >= WORLDS * PACKETS
    honesty.check()


def test_an_endpoint_of_labels_is_judged_as_the_pod_that_has_them() -> None:
    for seed in range(30):
        world = build_world(seed)
        entity = world.oracle.inventory.workloads[world.subject]
        if entity.kind != "Pod" or entity.labels["projectcalico.org/serviceaccount"] != "default":
            continue
        own = {
            key: text
            for key, text in entity.labels.items()
            if not key.startswith(("pcns.", "projectcalico.org/"))
        }
        asked = Asked(world.subject[0], labels=own)
        resolved = resolve(read_texts(files_of(world.objects, seed)), asked)
        model, rng = Model(resolved.program), Random(seed)
        readings = world.oracle.labelled(own, world.subject[0])
        for packet in world.packets(rng, "ingress", 20):
            said = model.judge(Direction.INGRESS, parse_packet(frame_of(packet)))
            if said.rule is None:
                continue
            name = decider(resolved, Direction.INGRESS, said.rule)
            decision = readings["ingress"].judge(packet)
            assert (said.verdict == "allow", name) == (decision.allowed, oracle_decider(decision)), seed
