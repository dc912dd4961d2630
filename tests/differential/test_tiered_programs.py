"""Random tiered programs with staged judges beside: model, native and kernel say the same of every packet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from polc.compiler.backend import build_native, build_pair
from polc.compiler.ir.nodes import Program
from polc.compiler.ir.text import dump
from polc.compiler.model import Model, Packet
from polc.compiler.resolve import Provenance, Resolved
from polc.compiler.source import Source
from polc.judge.kernel import KernelEngine
from polc.judge.native import NativeEngine
from polc.judge.outcome import Run
from polc.pair.layout import Config, Direction, EventKind
from polc.pair.object import read_pair
from polc.runtime.bpf import Bpf
from polc.tests.generators.frames import frame_of
from polc.tests.oracle.rule_reading import Packet as Wire
from polc.tests.passes.programs import random_packet, random_program

SOURCES = (Source.of("x.yaml", "policy\n"),)
PATIENCE = 4000.0  # seconds after which every flow is idle
CONFIG = Config(generation=1)


def _resolved(program: Program) -> Resolved:
    known = Provenance("rule", "deny", None)
    provenance = {d: (known,) * program.judge(d).index_count for d in Direction}
    return Resolved("x", "", (), program, provenance)


def _frame(packet: Packet) -> bytes:
    kind, code = packet.icmp_type or 0, packet.icmp_code or 0
    ends = packet.source, packet.destination, packet.sport, packet.dport
    return frame_of(Wire(packet.version, packet.protocol, *ends, kind, code))


def _packets(random: Random, count: int) -> Iterator[tuple[Direction, bytes]]:
    for _ in range(count):
        yield random.choice(list(Direction)), _frame(random_packet(random))


def _compare(program: Program, direction: Direction, frame: bytes, run: Run, seen: Counter[str]) -> None:
    """One packet, the first of its flow. The kernel tells of no rule that lets a packet through."""
    wanted = Model(program, CONFIG).step(direction, frame, 0.0)
    said = (run.allowed, run.reason, run.logs, run.staged)
    assert said == (wanted.verdict == "allow", wanted.reason, wanted.logs, wanted.staged), dump(program)
    if run.rule is not None:
        assert run.rule == wanted.rule, dump(program)
    if wanted.staged is not None:
        seen["would deny" if run.allowed else "would allow"] += 1
        kinds = [event.kind for event in run.events]
        assert kinds.count(EventKind.STAGED) == 1
    seen["allow" if run.allowed else "deny"] += 1


def test_native_judges_what_is_in_force_and_tells_what_is_staged_as_the_model_does() -> None:
    random, seen, now = Random("staged native"), Counter[str](), 0.0
    for _ in range(25):
        program = random_program(random, staged=True)
        resolved = _resolved(program)
        engine = NativeEngine(*build_native(SOURCES, resolved))
        frames = list(_packets(random, 200))
        asked = [(direction, frame, now + n * PATIENCE) for n, (direction, frame) in enumerate(frames)]
        for (direction, frame), run in zip(frames, engine.run_all(asked), strict=True):
            _compare(program, direction, frame, run, seen)
    assert min(seen.values()) > 200, seen
    assert len(seen) == 4


@pytest.mark.kernel
def test_the_kernel_judges_what_is_in_force_and_tells_what_is_staged_as_the_model_does() -> None:
    random, seen = Random("staged kernel"), Counter[str]()
    for _ in range(14):
        program = random_program(random, staged=True)
        made = build_pair(SOURCES, _resolved(program))
        pair = read_pair(made.ingress, made.egress, "x.ingress.o", "x.egress.o")
        with KernelEngine(Bpf(), pair, CONFIG) as engine:
            for direction, frame in _packets(random, 120):
                engine.forget()
                _compare(program, direction, frame, engine.run(direction, frame), seen)
    assert min(seen.values()) > 30, seen
    assert len(seen) == 4
