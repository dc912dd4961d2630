"""The gate: it does what design §6 says, and only a real one counts as one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from polc.pair import layout
from polc.pair.btf import metadata_btf
from polc.pair.layout import CB_RESUME, TC_DROP, TC_NEXT, Direction, slot
from polc.runtime.assembler import Register, assemble, encode, leave, map_value, move
from polc.runtime.assembler import load as load_insn
from polc.runtime.bpf import Bpf, Fd, MapFlag, MapShape, MapType, ProgramCode
from polc.runtime.bpf.programs import SkbContext
from polc.runtime.gate import RODATA_MAP, Gates, create_slots, gate_text
from polc.runtime.section import section_map
from polc.runtime.word import Word, create_word
from polc.tests.kernel_door.programs import FRAME, answering, answering_cb, delaying

pytestmark = pytest.mark.kernel


@dataclass
class Stage:
    """A slot map, a commit word, and a gate of each direction over them."""

    bpf: Bpf
    slots: Fd
    word_map: Fd
    word: Word
    gates: dict[Direction, Fd]

    def put(self, index: int, program: Fd) -> None:
        self.bpf.map_update(self.slots, index.to_bytes(4, "little"), program.number.to_bytes(4, "little"))

    def answer(self, direction: Direction, cb: int = 0) -> int:
        return self.bpf.test_run(self.gates[direction], FRAME, SkbContext(cb=(cb, 0, 0, 0, 0))).retval


@pytest.fixture
def stage(bpf: Bpf) -> Iterator[Stage]:
    with create_slots(bpf) as slots, create_word(bpf) as word_map, Word(bpf, word_map, writable=True) as word:
        gates = {direction: Gates().load(bpf, direction, slots, word_map) for direction in Direction}
        yield Stage(bpf, slots, word_map, word, gates)
        for gate in gates.values():
            gate.close()


@pytest.mark.parametrize("direction", Direction)
def test_word_zero_lets_everything_through_as_if_absent(stage: Stage, direction: Direction) -> None:
    assert stage.answer(direction) == TC_NEXT
    with answering(stage.bpf, TC_DROP) as program:
        for index in range(4):
            stage.put(index, program)
        assert stage.answer(direction) == TC_NEXT


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("word", [1, 2, 1 << 32, (1 << 64) - 1])
def test_an_armed_gate_with_an_empty_slot_drops(stage: Stage, direction: Direction, word: int) -> None:
    stage.word.store(word)
    assert stage.answer(direction) == TC_DROP


def test_the_low_bit_of_the_word_chooses_the_bank_and_the_gate_the_direction(stage: Stage) -> None:
    for bank in (0, 1):
        for direction in Direction:
            with answering(stage.bpf, 100 + slot(bank, direction)) as program:
                stage.put(slot(bank, direction), program)
    for word in (1, 2, 3, 1 << 32, (1 << 32) + 1):
        stage.word.store(word)
        for direction in Direction:
            assert stage.answer(direction) == 100 + slot(word & 1, direction)


def test_the_gate_clears_the_word_by_which_judges_ask_each_other(stage: Stage) -> None:
    with answering_cb(stage.bpf) as program:
        stage.put(slot(1, Direction.INGRESS), program)
    stage.word.store(1)
    assert stage.answer(Direction.INGRESS, cb=CB_RESUME) == 0


def test_bpftool_prints_the_gates_version_and_direction(stage: Stage) -> None:
    for direction, gate in stage.gates.items():
        number = str(stage.bpf.prog_info(gate).id)
        done = subprocess.run(
            ["bpftool", "-j", "prog", "show", "id", number], capture_output=True, check=True
        )
        assert json.loads(done.stdout)["metadata"] == {"polc_gate": gate_text(direction)}


def test_a_gate_is_known_again_without_a_write(stage: Stage) -> None:
    ids = stage.bpf.map_info(stage.slots).id, stage.bpf.map_info(stage.word_map).id
    before = dict(stage.bpf.writes)
    for direction, gate in stage.gates.items():
        found = Gates().recognise(stage.bpf, gate)
        assert found is not None
        assert found.genuine
        assert (found.direction, found.text) == (direction, gate_text(direction))
        assert (found.slots, found.word) == ids
        assert found.program == stage.bpf.prog_info(gate).id
    assert dict(stage.bpf.writes) == before


def test_the_tag_computed_here_is_the_tag_of_the_gate_loaded_here(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a kernel whose hash is unknown here the gate is loaded once and compared."""
    monkeypatch.setattr("polc.runtime.gate.TAG_BYTES", 0)  # no computed tag is equal any more
    known = Gates()
    before = stage.bpf.writes["PROG_LOAD"]
    for _ in range(2):
        for gate in stage.gates.values():
            found = known.recognise(stage.bpf, gate)
            assert found is not None
            assert found.genuine
    assert stage.bpf.writes["PROG_LOAD"] == before + 2


def test_a_foreign_program_is_no_gate(bpf: Bpf) -> None:
    with answering(bpf, 0) as program:
        assert Gates().recognise(bpf, program) is None


def _pretender(stage: Stage, rodata: Fd) -> Fd:
    """Lets everything through, but holds a gate's maps."""
    code = [map_value(Register.R1, RODATA_MAP, 0), load_insn(Register.R1, Register.R1, 0, 1)]
    insns = encode(assemble([*code, move(Register.R0, TC_NEXT), leave()]), {RODATA_MAP: rodata})
    program, _ = stage.bpf.prog_load(ProgramCode("polc_gate_in", insns, layout.LICENSE))
    for map_ in (stage.slots, stage.word_map):
        stage.bpf.prog_bind_map(program, map_)
    return program


def test_other_code_with_a_gates_text_and_maps_is_not_genuine(stage: Stage) -> None:
    text = gate_text(Direction.INGRESS)
    data, datasec = metadata_btf(layout.SYMBOL_GATE, text)
    with stage.bpf.btf_load(data) as btf:
        rodata = section_map(stage.bpf, RODATA_MAP, text.encode() + b"\0", btf, datasec)
    with rodata, _pretender(stage, rodata) as program:
        found = Gates().recognise(stage.bpf, program)
    assert found is not None
    assert (found.direction, found.genuine) == (Direction.INGRESS, False)


def test_a_text_that_could_still_be_changed_is_not_a_gates(stage: Stage) -> None:
    text = gate_text(Direction.INGRESS).encode() + b"\0"
    shape = MapShape(RODATA_MAP, MapType.ARRAY, 4, len(text), 1, MapFlag.RDONLY_PROG)
    with stage.bpf.map_create(shape) as rodata:
        stage.bpf.map_update(rodata, bytes(4), text)
        with _pretender(stage, rodata) as program:
            found = Gates().recognise(stage.bpf, program)
    assert found is not None
    assert (found.direction, found.genuine) == (None, False)


def test_a_gate_that_waits_loads_judges_alike_and_is_not_taken_for_a_plain_one(stage: Stage) -> None:
    slow = Gates(delaying(reads=10_000))
    with (
        slow.load(stage.bpf, Direction.EGRESS, stage.slots, stage.word_map) as gate,
        answering(stage.bpf, 9) as program,
    ):
        stage.put(slot(0, Direction.EGRESS), program)
        assert stage.bpf.test_run(gate, FRAME).retval == TC_NEXT
        stage.word.store(2)
        answers = [stage.bpf.test_run(gate, FRAME) for _ in range(200)]
        assert {one.retval for one in answers} == {9}
        assert max(one.nanoseconds for one in answers) > 200_000, "no packet waited"
        mine, plain = slow.recognise(stage.bpf, gate), Gates().recognise(stage.bpf, gate)
        assert mine is not None
        assert mine.genuine
        assert plain is not None
        assert not plain.genuine
