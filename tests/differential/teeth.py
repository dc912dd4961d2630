"""Samples of right verdicts, to show that a wrong reading of the dossier changes one of them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from polc.tests.generators.worlds import World, build_world
from polc.tests.oracle.rule_reading import Packet
from polc.tests.oracle.verdict_reading import Oracle

WORLDS = 120
PACKETS = 60  # a direction
FIRST_SEED = 1000  # as in test_oracle_model


@dataclass(frozen=True)
class Sample:
    """A world, and packets with their direction and the right verdict."""

    world: World
    packets: tuple[tuple[str, Packet, bool], ...]


def samples(language: str) -> list[Sample]:
    """language: as of build_world."""
    found = []
    for seed in range(FIRST_SEED, FIRST_SEED + WORLDS):
        world, rng = build_world(seed, language=language), Random(seed)
        packets = tuple(
            (way, packet, world.readings[way].judge(packet).allowed)
            for way in ("ingress", "egress")
            for packet in world.packets(rng, way, PACKETS)
        )
        found.append(Sample(world, packets))
    return found


def differs(sample: Sample) -> bool:
    """Whether the oracle, as it reads now, gives another verdict for some packet."""
    readings = Oracle(sample.world.objects).endpoint(*sample.world.subject)
    return any(readings[way].judge(packet).allowed is not allowed for way, packet, allowed in sample.packets)
