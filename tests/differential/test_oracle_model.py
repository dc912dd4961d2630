"""Two readings of the dossier agree: the oracle's from raw objects, the model's through the compiler."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import pytest
from polc.compiler.model import Model, parse_packet
from polc.compiler.passes import run_passes
from polc.compiler.resolve import Resolved
from polc.compiler.source import CompileError
from polc.pair.layout import Direction
from polc.tests.differential.shrink import report, shrink
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
from polc.tests.generators.styles import files_of, plain_text
from polc.tests.generators.worlds import World, build_world
from polc.tests.oracle.inventory_reading import Unsupported
from polc.tests.oracle.rule_reading import Packet
from polc.tests.oracle.verdict_reading import Decision, Oracle, Reading

WORLDS = int(os.environ.get("POLC_ORACLE_WORLDS", "90"))  # of either language
PACKETS = 40  # a direction
FIRST_SEED = 1000
LARGE = 8  # one world in twenty has lists that many times longer


@dataclass(frozen=True)
class Judges:
    """The model of one endpoint's IR, and the model of the same IR after the passes."""

    resolved: Resolved
    model: Model
    optimised: Model


def _disagreement(judges: Judges, reading: Reading, packet: Packet, frame: bytes, decision: Decision) -> str:
    """What model, or the model of the optimised IR, says otherwise than the oracle; empty when nothing."""
    direction, parsed, resolved = DIRECTIONS[reading.direction], parse_packet(frame), judges.resolved
    said = judges.model.judge(direction, parsed)
    if said.rule is None:
        # ICMPv6 that finds neighbours passes unjudged (dossier §11.3); policy has no word in it.
        neighbour = (packet.family, packet.protocol) == (6, 58) and said.verdict == "allow"
        return "" if neighbour else f"the model does not judge: {said}"
    name = decider(resolved, direction, said.rule)
    logs = [decider(resolved, direction, index) for index in said.logs]
    if (said.verdict == "allow", name, logs) != (
        decision.allowed,
        oracle_decider(decision),
        oracle_logs(decision),
    ):
        return f"oracle: {decision}\nmodel: {said.verdict} {name} {logs}"
    would = None if said.staged is None else decider(resolved, direction, said.staged)
    if would != _staged_decider(reading, packet, decision):
        return f"oracle, were the staged policies in force: {reading.staged}\nmodel: {would}"
    again = judges.optimised.judge(direction, parsed)
    return "" if again == said else f"before the passes: {said}\nafter: {again}"


def _staged_decider(reading: Reading, packet: Packet, decision: Decision) -> str | None:
    """What would decide otherwise were the staged policies in force ("would deny")."""
    if reading.staged is None:
        return None
    staged = reading.staged.judge(packet)
    return oracle_decider(staged) if staged.allowed is not decision.allowed else None


def _judges(texts: Mapping[str, str], subject: tuple[str, str]) -> Judges:
    resolved = resolve(read_texts(texts), Asked(*subject))
    return Judges(resolved, Model(resolved.program), Model(run_passes(resolved.program)))


def _still_differs(
    objects: list[dict[str, Any]], world: World, word: str, packet: Packet, frame: bytes
) -> bool:
    """Whether smaller objects show a disagreement too."""
    try:
        judges = _judges({"small.yaml": plain_text(objects)}, world.subject)
        reading = Oracle(objects).endpoint(*world.subject)[word]
    except (CompileError, KeyError, Unsupported):
        return False
    return bool(_disagreement(judges, reading, packet, frame, reading.judge(packet)))


def _compare(world: World, honesty: Honesty, count: int) -> None:
    """Every packet of the world, asked of oracle, model, and the model of the optimised IR."""
    try:
        judges = _judges(files_of(world.objects, world.seed), world.subject)
    except CompileError as error:
        pytest.fail(f"seed {world.seed}: the compiler refuses a valid world\n{findings(error)}")
    honesty.expect((world.seed, rule.name) for rule in world.rules())
    rng = Random(world.seed)
    for word in DIRECTIONS:
        for packet in world.packets(rng, word, count):
            decision = world.readings[word].judge(packet)
            honesty.note(world.seed, decision)
            frame = frame_of(packet) if rng.random() < 0.8 else dressed_frame(rng, packet)
            what = _disagreement(judges, world.readings[word], packet, frame, decision)
            if what:
                small = shrink(
                    world.objects, partial(_still_differs, world=world, word=word, packet=packet, frame=frame)
                )
                pytest.fail(report(small, word, packet, f"seed {world.seed}: {what}"))


@pytest.mark.parametrize("language", ["narrow", "whole"])
def test_oracle_and_model_agree_on_random_policy_sets(language: str) -> None:
    honesty = Honesty()
    for seed in range(FIRST_SEED, FIRST_SEED + WORLDS):
        scale = LARGE if seed % 20 == 19 else 1
        _compare(build_world(seed, scale, language), honesty, PACKETS * scale)
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
