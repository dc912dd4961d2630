"""One seed of fuzzing: a random world, its steps, every engine there is, and the case when they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from polc.tests.differential.subjects import DIRECTIONS
from polc.tests.differential.traces import Step, contradicted, trace
from polc.tests.fuzz.barrage import barrage, talks
from polc.tests.fuzz.case import Case
from polc.tests.fuzz.engines import Difference, Policy, on_kernel, on_native
from polc.tests.generators.frames import frame_of, odd_frame
from polc.tests.generators.honesty import Honesty, kind_of
from polc.tests.generators.styles import plain_text
from polc.tests.generators.worlds import World, build_world
from polc.tests.oracle.verdict_reading import Decision

LARGE = 6  # one world in eight has lists that many times longer


@dataclass(frozen=True)
class Size:
    """talks: begun in each direction. steps: for model and native. traced, lone: steps and single packets
    for model and kernel. No steps leave native out, nothing traced the kernel."""

    talks: int = 400
    steps: int = 24_000
    traced: int = 250
    lone: int = 400


@dataclass
class Tally:
    """What seeds met: frames by engine pair and by what became of them, verdicts of policy by kind, rules."""

    frames: Counter[str] = field(default_factory=Counter)
    sorts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    rules: int = 0
    decided: int = 0

    def add(self, other: Tally) -> None:
        self.frames += other.frames
        self.sorts += other.sorts
        self.kinds += other.kinds
        self.rules += other.rules
        self.decided += other.decided


@dataclass(frozen=True)
class Finding:
    """A case on which two engines differ, as it was found."""

    case: Case
    kind: str
    what: str


def fuzz(seed: int, size: Size) -> tuple[Tally, Finding | None]:
    """Everything of one seed: the same on any machine."""
    world, rng, tally = build_world(seed, LARGE if seed % 8 == 7 else 1), Random(seed), Tally()
    turned = contradicted(world)
    policies = [Policy(plain_text(objects), world.subject) for objects in (world.objects, turned)]
    pool = talks(world, rng, size.talks)
    _be_honest(world, rng, size.talks, tally)
    lanes = {}
    if size.steps:
        lanes["model/native"] = list(barrage(pool, rng, size.steps))
    if size.traced:
        lanes["model/kernel"] = [*_single(world, rng, size.lone), *trace(world, rng, size.traced)]
    for kind, steps in lanes.items():
        counts: Counter[str] = Counter()
        run = on_native if kind == "model/native" else on_kernel
        found: Difference | None = run(policies, steps, counts)
        tally.frames[kind] += counts.total()
        tally.sorts += counts
        if found:
            case = Case(
                f"fuzz seed {seed}: {found.pair} differ",
                world.subject,
                tuple(world.objects),
                tuple(turned),
                tuple(steps),
            )
            return tally, Finding(case, kind, f"seed {seed}, step {found.at}: {found.what}")
    return tally, None


def _single(world: World, rng: Random, count: int) -> Iterator[Step]:
    """First packets of many flows, some of them odd, for the engine that is asked one by one."""
    for word in DIRECTIONS:
        for packet in world.packets(rng, word, count // 2):
            if rng.random() < 0.2:
                yield Step("frame", f"odd {word} {packet}", word, odd_frame(rng, packet))
            else:
                yield Step("frame", f"lone {word} {packet}", word, frame_of(packet))


def _be_honest(world: World, rng: Random, count: int, tally: Tally) -> None:
    """Counts, by the oracle, the verdicts and the deciding rules of packets aimed as those of the talks."""
    honesty = Honesty()
    honesty.expect((0, rule.name) for rule in world.rules())
    for word in DIRECTIONS:
        for packet in world.packets(rng, word, count // 2):
            decision: Decision = world.readings[word].judge(packet)
            honesty.note(0, decision)
            tally.kinds[kind_of(decision)] += 1
    expected = len(world.rules())
    tally.rules += expected
    tally.decided += round(honesty.decided * expected)
