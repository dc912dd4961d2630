"""The fuzzer finds what is planted, makes it small, and leaves a case that fails with the fault only."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from random import Random

import pytest
from polc.compiler.ir.nodes import Criterion, MatchPort
from polc.compiler.model import Packet
from polc.compiler.model.walk import Walk
from polc.tests.differential.traces import contradicted, trace
from polc.tests.fuzz import run
from polc.tests.fuzz.barrage import barrage, talks
from polc.tests.fuzz.case import Case, read_case
from polc.tests.fuzz.run import complaints, drive, keep
from polc.tests.fuzz.shrinking import difference
from polc.tests.fuzz.worlds import Finding, Size, Tally, fuzz
from polc.tests.generators.worlds import build_world

SIZE = Size(talks=30, steps=500, traced=0)


def _loses_the_last_port(patch: pytest.MonkeyPatch) -> None:
    right = Walk.holds

    def holds(self: Walk, criterion: Criterion, packet: Packet) -> bool:
        if isinstance(criterion, MatchPort) and not criterion.negated:
            port = packet.sport if criterion.side.value == "src" else packet.dport
            if port == criterion.ranges[-1][1]:
                return False
        return right(self, criterion, packet)

    patch.setattr(Walk, "holds", holds)


def test_a_planted_fault_becomes_a_small_case(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _loses_the_last_port(monkeypatch)
    found = ((seed, fuzz(seed, SIZE)[1]) for seed in range(100, 120))
    seed, finding = next((seed, finding) for seed, finding in found if finding is not None)
    path = keep(finding, seed, tmp_path, tries=60)
    case = read_case(path.read_text())
    assert f"seed {seed}" in case.found
    assert len(case.steps) == 1
    assert len(case.objects) <= 3
    assert "ports:" in path.read_text()
    assert difference(case, "model/native") is not None
    monkeypatch.undo()
    assert difference(case, "model/native") is None


def test_a_case_reads_back_as_it_was_written() -> None:
    world = build_world(3)
    steps = tuple(trace(world, Random(3), 120))
    assert {step.kind for step in steps} == {"frame", "age", "swap"}
    case = Case("by hand", world.subject, tuple(world.objects), tuple(contradicted(world)), steps)
    assert read_case(case.text()) == case


def test_the_same_seed_gives_the_same_steps_and_all_kinds_of_them() -> None:
    once, again = (list(barrage(talks(build_world(9), rng, 20), rng, 4000)) for rng in (Random(9), Random(9)))
    assert once == again
    assert {step.kind for step in once} == {"frame", "age", "swap"}
    words = {step.what.partition(" ")[0] for step in once if step.kind == "frame"}
    assert words == {"sent", "back", "stray", "error", "dressed", "odd", "spoilt"}


def test_a_run_prints_its_seeds_and_fails_when_engines_differ(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = build_world(5)
    finding = Finding(Case("x", world.subject, (), (), ()), "model/native", "they differ")

    def one(seed: int, kernel: bool, native: bool) -> run.Result:
        assert (kernel, native) == (False, True)
        return seed, Tally(), finding if seed == 8 else None

    monkeypatch.setattr(run, "one", one)
    monkeypatch.setattr(run, "keep", lambda finding, seed, folder: folder / f"{finding.kind}-{seed}")
    given = Namespace(seed=7, minutes=0.005, jobs=1, kernel=False, native=True, cases=tmp_path, verdicts=0)
    assert drive(given) == 1
    told = capsys.readouterr().out
    assert "seeds from 7" in told
    assert "DIFFERENCE model/native they differ" in told


def test_a_run_that_met_too_little_is_dishonest() -> None:
    tally = Tally(rules=100, decided=80)
    tally.kinds.update(allow=50, deny=50, default=50, **{"pass": 1})
    assert complaints(tally) == ["pass: under 10%", "80 of 100 rules decided, under 90%"]
