"""Calico's own kinds mean what the dossier says: verdicts by hand, asked of oracle, model, native and kernel.

The format is that of verdict_cases.py; ` ~ VERDICT DECIDER` after a packet says what would be decided were
the staged policies in force, when that is something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from polc.compiler.backend import build_native
from polc.compiler.model import Model, Outcome
from polc.compiler.resolve import Resolved
from polc.compiler.source import CompileError
from polc.judge.kernel import KernelEngine
from polc.judge.native import NativeEngine
from polc.judge.outcome import Run
from polc.pair.layout import Config, Direction
from polc.pair.object import read_pair
from polc.runtime.bpf import Bpf
from polc.tests.differential.subjects import (
    DIRECTIONS,
    Asked,
    compiled,
    decider,
    findings,
    read_texts,
    resolve,
)
from polc.tests.generators.frames import frame_of
from polc.tests.golden.verdict_cases import Expected, read_packet
from polc.tests.oracle.verdict_reading import Oracle

FOLDER = Path(__file__).parent / "calico"
FIELDS = {
    *("tiers", "profiles", "staged", "service_account_selector"),
    *("host_policies", "host_policies_of_workloads"),
}
CONFIG = Config(generation=1)


@dataclass(frozen=True)
class Wanted:
    """One packet line. staged: verdict and decider, `` when nothing else would be decided."""

    line: str
    direction: Direction
    frame: bytes
    allowed: bool
    decider: str
    logs: tuple[str, ...]
    staged: str
    read: Expected

    @classmethod
    def of(cls, line: str) -> Wanted:
        real, _, staged = line.partition(" ~ ")
        read = read_packet(real)
        direction, frame = DIRECTIONS[read.direction], frame_of(read.packet)
        return cls(line, direction, frame, read.allowed, read.decider, read.logs, staged, read)


@dataclass(frozen=True)
class Case:
    file: str
    promise: str
    dossier: str
    text: str
    asked: Asked
    packets: tuple[Wanted, ...]


def read_cases() -> list[Case]:
    cases = []
    for path in sorted(FOLDER.glob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        for raw in content["cases"]:
            namespace, _, name = raw.get("endpoint", content["endpoint"]).partition("/")
            text = content["inventory"] + "---\n" + raw["policies"]
            packets = tuple(map(Wanted.of, raw["packets"]))
            asked = Asked(namespace, name)
            cases.append(Case(path.stem, raw["promise"], raw["dossier"], text, asked, packets))
    return cases


CASES = read_cases()
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file}-{case.promise}")


def test_every_field_has_golden_cases() -> None:
    assert {case.file for case in CASES} == FIELDS
    assert all(case.packets and "§" in case.dossier for case in CASES)


def _name(resolved: Resolved, direction: Direction, index: int | None) -> str:
    """A decider as the golden files write it: without the policy's kind."""
    word = decider(resolved, direction, index)
    word = word.partition("/")[2] if "/" in word else word
    return {"tier-default": "default"}.get(word, word)


def _check(resolved: Resolved, wanted: Wanted, said: Run | Outcome, *, allowed: bool) -> None:
    def name(index: int | None) -> str:
        return _name(resolved, wanted.direction, index)

    decided = wanted.decider if wanted.decider != "tier-default" else "default"
    assert (allowed, name(said.rule)) == (wanted.allowed, decided), wanted.line
    assert tuple(map(name, said.logs)) == wanted.logs, wanted.line
    staged = "" if said.staged is None else f"{'deny' if allowed else 'allow'} {name(said.staged)}"
    assert staged == wanted.staged, wanted.line


@every_case
def test_the_oracle_gives_the_verdict_written_by_hand(case: Case) -> None:
    objects = [one for one in yaml.load_all(case.text, Loader=yaml.BaseLoader) if one]
    readings = Oracle(objects).endpoint(case.asked.namespace, case.asked.name)
    for wanted in case.packets:
        reading, packet = readings[wanted.read.direction], wanted.read.packet
        said = reading.judge(packet)
        assert (said.allowed, said.decider) == (wanted.allowed, wanted.decider), wanted.line
        # polc's IR leaves the tiers for what is forwarded by a rule of its own.
        via = tuple(one for one in wanted.read.via if one != "not-forwarded")
        assert tuple(map(str, said.passes)) == via, wanted.line
        assert tuple(map(str, said.logged)) == wanted.logs, wanted.line
        would = said if reading.staged is None else reading.staged.judge(packet)
        word = f"{'allow' if would.allowed else 'deny'} {would.decider.replace('tier-default', 'default')}"
        assert (word if would.allowed is not said.allowed else "") == wanted.staged, wanted.line


@every_case
def test_model_and_native_give_the_verdict_written_by_hand(case: Case) -> None:
    try:
        inventory = read_texts({"case.yaml": case.text})
        resolved = resolve(inventory, case.asked)
    except CompileError as error:
        pytest.fail(findings(error))
    native = NativeEngine(*build_native(inventory.sources, resolved), CONFIG)
    for number, wanted in enumerate(case.packets):
        outcome = Model(resolved.program, CONFIG).step(wanted.direction, wanted.frame, 0.0)
        _check(resolved, wanted, outcome, allowed=outcome.verdict == "allow")
        run = native.run(wanted.direction, wanted.frame, 4000.0 * number)
        _check(resolved, wanted, run, allowed=run.allowed)


@pytest.mark.kernel
@every_case
def test_the_kernel_gives_the_verdict_written_by_hand(case: Case) -> None:
    pair = compiled(read_texts({"case.yaml": case.text}), case.asked)
    with KernelEngine(Bpf(), read_pair(pair.ingress, pair.egress)) as engine:
        for wanted in case.packets:
            engine.forget()
            run = engine.run(wanted.direction, wanted.frame)
            assert run.allowed is wanted.allowed, wanted.line
            assert (run.staged is not None) is bool(wanted.staged), wanted.line
            if not run.allowed:
                _check(pair.resolved, wanted, run, allowed=False)
