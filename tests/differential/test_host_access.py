"""What a host sends to its own workload passes, and its flows are answered: model, native and kernel agree.

BPF_PROG_TEST_RUN runs frames that came in nowhere, as those a host makes itself, so that here every frame of
direction ingress is the host's own. tests/kernel shows the difference to forwarded ones on a real interface.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
from polc.compiler.backend import build_native, build_pair
from polc.compiler.codegen.native import NativeCode
from polc.compiler.ir.nodes import Action, End, Judge, Program
from polc.compiler.ir.text import dump
from polc.compiler.model import Model, parse_packet
from polc.compiler.resolve import Provenance, Resolved
from polc.compiler.source import Source
from polc.judge.engines import key_of
from polc.judge.kernel import KernelEngine
from polc.judge.native import NativeEngine
from polc.pair.layout import NO_RULE, Config, ConfigFlag, Direction
from polc.pair.object import ObjectPair, read_pair
from polc.pair.packet import Reason
from polc.pair.provenance import ProvenanceTable
from polc.runtime.bpf import Bpf
from polc.tests.differential.tally import Tally
from polc.tests.generators.frames import ACK, FIN, RST, SYN, frame_of
from polc.tests.oracle.rule_reading import Packet as Wire
from polc.tests.passes.programs import random_program

SOURCES = (Source.of("x.yaml", "policy\n"),)
HOST, WORKLOAD = 8, 9
DENIED = Program((), *(Judge(direction, (), End(Action.DENY, 0)) for direction in Direction))
ACCESS = Config(generation=1, flags=ConfigFlag.HOST_ACCESS)


def _resolved(program: Program) -> Resolved:
    known = Provenance("rule", "deny", None)
    provenance = {d: (known,) * program.judge(d).index_count for d in Direction}
    return Resolved("x", "", (), program, provenance)


def _pair(program: Program) -> ObjectPair:
    made = build_pair(SOURCES, _resolved(program))
    return read_pair(made.ingress, made.egress, "x.ingress.o", "x.egress.o")


def _frame(direction: Direction, protocol: int, port: int, flags: int = SYN) -> bytes:
    """Between the host and the workload, of the workload's direction; port: the workload's."""
    if direction is Direction.INGRESS:
        return frame_of(Wire(4, protocol, HOST, WORKLOAD, 80, port, 8, 0), flags=flags)
    return frame_of(Wire(4, protocol, WORKLOAD, HOST, port, 80, 0, 0), flags=flags)


def test_without_the_flag_the_host_is_judged_as_anybody() -> None:
    frame = _frame(Direction.INGRESS, 17, 81)
    assert Model(DENIED).step(Direction.INGRESS, frame, 0.0, host_made=True).verdict == "drop"
    assert NativeEngine(*_native(DENIED)).run(Direction.INGRESS, frame).allowed is False


def _native(program: Program) -> tuple[NativeCode, Mapping[Direction, ProvenanceTable]]:
    return build_native(SOURCES, _resolved(program))


def test_what_is_forwarded_is_judged_although_the_host_has_access() -> None:
    frame = _frame(Direction.INGRESS, 17, 81)
    assert Model(DENIED, ACCESS).step(Direction.INGRESS, frame, 0.0).verdict == "drop"
    assert Model(DENIED, ACCESS).step(Direction.EGRESS, frame, 0.0, host_made=True).verdict == "drop"


def test_the_host_reaches_its_workload_and_is_answered_also_after_a_swap() -> None:
    model = Model(DENIED, ACCESS)
    ask = _frame(Direction.INGRESS, 6, 81)
    answer = _frame(Direction.EGRESS, 6, 81, SYN | ACK)
    assert model.step(Direction.EGRESS, answer, 0.0).verdict == "drop"
    assert model.step(Direction.INGRESS, ask, 0.0, host_made=True).verdict == "allow"
    assert [entry.rule for entry in model.flows.values()] == [NO_RULE]
    assert model.step(Direction.EGRESS, answer, 0.0).verdict == "allow"
    model.swap(DENIED, 2)
    assert model.step(Direction.EGRESS, answer, 0.0).verdict == "allow"


def test_on_a_hosts_interface_an_open_connection_goes_on_as_far_as_the_policy_allows() -> None:
    """pair.flow: mid-stream TCP is judged as new there, and dropped on a workload's."""
    allowed = Program((), *(Judge(d, (), End(Action.ALLOW, 0)) for d in Direction))
    middle = _frame(Direction.INGRESS, 6, 81, ACK)
    host = Config(generation=1, flags=ConfigFlag.HOST)
    for config, program, verdict in (
        (Config(generation=1), allowed, "drop"),
        (host, allowed, "allow"),
        (host, DENIED, "drop"),
    ):
        model, native = Model(program, config), NativeEngine(*_native(program), config)
        assert model.step(Direction.INGRESS, middle, 0.0).verdict == verdict
        assert native.run(Direction.INGRESS, middle).allowed is (verdict == "allow")
    model = Model(allowed, host)
    for flags in (SYN | ACK, RST, FIN):
        frame = _frame(Direction.INGRESS, 6, 82, flags)
        assert model.step(Direction.INGRESS, frame, 0.0).reason is Reason.NO_FLOW


def _play(
    random: Random,
    model: Model,
    program: Program,
    engine: NativeEngine | KernelEngine,
    seen: Counter[str],
    *,
    access: bool = True,
) -> None:
    tally = Tally()
    for _ in range(60):
        direction = random.choice(list(Direction))
        frame = _frame(
            direction,
            random.choice((6, 17, 1, 47)),
            random.choice((79, 80, 81)),
            random.choice((SYN, SYN | ACK, ACK)),
        )
        own = access and direction is Direction.INGRESS
        wanted = model.step(direction, frame, 0.0, host_made=own)
        run = engine.run(direction, frame)
        tally.note(wanted, len(frame))
        assert run.allowed is (wanted.verdict == "allow"), f"{wanted} {run}\n{dump(program)}"
        key = key_of(direction, parse_packet(frame))
        if key is not None:
            entry, known = engine.flow(key), model.flows.get(key)
            found = entry and (entry.generation, entry.rule, entry.owner, entry.state)
            assert found == (known and (known.generation, known.rule, known.owner, known.state))
        assert run.allowed or not own
        seen[f"{direction.word} {wanted.verdict}"] += 1
        if wanted.verdict == "allow" and wanted.key and wanted.entry and wanted.entry.rule == NO_RULE:
            seen[f"{direction.word} own"] += 1
    tally.check(engine, dump(program))


def _enough(seen: Counter[str]) -> bool:
    words = ("ingress allow", "ingress own", "egress own", "egress allow", "egress drop")
    return all(seen[word] > 20 for word in words)


def test_native_lets_the_host_through_as_the_model_does() -> None:
    random, seen = Random("own native"), Counter[str]()
    for _ in range(10):
        program, later = random_program(random), random_program(random)
        engine, model = NativeEngine(*_native(program), ACCESS), Model(program, ACCESS)
        _play(random, model, program, engine, seen)
        engine.swap(*_native(later))
        model.swap(later, 2)
        _play(random, model, later, engine, seen)
    assert _enough(seen), seen


@pytest.mark.kernel
def test_the_kernel_lets_the_host_through_as_the_model_does() -> None:
    random, seen = Random("own kernel"), Counter[str]()
    for _ in range(5):
        program, later = random_program(random), random_program(random)
        model = Model(program, ACCESS)
        with KernelEngine(Bpf(), _pair(program), ACCESS) as engine:
            _play(random, model, program, engine, seen)
            engine.swap(_pair(later))
            model.swap(later, 2)
            _play(random, model, later, engine, seen)
    assert _enough(seen), seen


@pytest.mark.kernel
def test_native_and_kernel_pick_up_a_hosts_connections_as_the_model_does() -> None:
    random, seen = Random("picked up"), Counter[str]()
    config = Config(generation=1, flags=ConfigFlag.HOST)
    for _ in range(4):
        program = random_program(random)
        native = NativeEngine(*_native(program), config)
        state = random.getstate()
        _play(random, Model(program, config), program, native, seen, access=False)
        random.setstate(state)
        with KernelEngine(Bpf(), _pair(program), config) as engine:
            _play(random, Model(program, config), program, engine, seen, access=False)
    assert min(seen[f"{word} allow"] for word in ("ingress", "egress")) > 20, seen
