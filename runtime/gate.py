"""The gate: the program that is attached once and hands each packet to the program in force (design §6).

It reads the commit word once. 0: not armed, the packet goes on as if no gate were there. Otherwise the word's
low bit chooses one of two tail calls, each with a constant index, which the JIT turns into a direct jump; an
empty slot falls through to a drop. A gate is known again by the text in its frozen `.rodata`, by the maps
behind it and by its tag.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from ..pair import layout
from ..pair.btf import metadata_btf
from ..pair.layout import Direction
from .assembler import (
    Helper,
    Insn,
    Item,
    Label,
    Register,
    arithmetic,
    assemble,
    call,
    encode,
    jump,
    jump_if,
    leave,
    load,
    map_reference,
    map_value,
    move,
    store,
)
from .bpf import Bpf, Fd, MapShape, MapType, Object, ProgramCode
from .section import section_data, section_map
from .word import WORD_BYTES, create_word

GATE_VERSION: Final = 1
RODATA_MAP: Final = "gate.rodata"  # bpftool prints metadata of the first map with `.rodata` in its name
GATE_PREFIX: Final = "polc_gate_"
TAG_BYTES: Final = 8
_SHAPES: Final = sorted([(4, 4, layout.SLOT_COUNT), (4, WORD_BYTES, 1)])  # of slot map and word
_SKB_CB: Final = 48  # offsetof(struct __sk_buff, cb)


def gate_text(direction: Direction) -> str:
    """What a gate's `.rodata` says: its version and direction."""
    return f"{GATE_VERSION} {direction.word}"


def _said(text: str) -> tuple[int, Direction] | None:
    """(version, direction) of a gate's text, whichever version wrote it."""
    number, _, word = text.partition(" ")
    direction = next((one for one in Direction if one.word == word), None)
    return (int(number), direction) if number.isdecimal() and direction is not None else None


def gate_name(direction: Direction) -> str:
    """The program's name in the kernel."""
    return f"{GATE_PREFIX}{direction.word[:2]}"


def gate_code(direction: Direction, between: Sequence[Item] = ()) -> tuple[Insn, ...]:
    """The instructions. between: put in after the word was read (it is in r7; r6 must stay the context), so
    that a test can stretch the moment between reading the word and the tail call."""
    r0, r1, r2, r3 = Register.R0, Register.R1, Register.R2, Register.R3
    context, word = Register.R6, Register.R7
    return assemble(
        [
            move(context, r1),
            move(r1, 0),
            store(context, _SKB_CB + 4 * layout.CB_WORD, r1, 4),
            map_value(r1, RODATA_MAP, 0),  # the code must refer to it, or the program would not list it first
            load(r1, r1, 0, 1),
            map_value(r1, layout.MAP_WORD, 0),
            load(word, r1, 0, 8),
            jump_if(word, "==", 0, "next"),
            *between,
            arithmetic(word, "&", 1),
            move(r1, context),
            map_reference(r2, layout.MAP_SLOTS),
            jump_if(word, "!=", 0, "odd"),
            move(r3, layout.slot(0, direction)),
            call(Helper.TAIL_CALL),
            jump("drop"),
            Label("odd"),
            move(r3, layout.slot(1, direction)),
            call(Helper.TAIL_CALL),
            Label("drop"),
            move(r0, layout.TC_DROP),
            leave(),
            Label("next"),
            move(r0, layout.TC_NEXT),
            leave(),
        ]
    )


def create_slots(bpf: Bpf) -> Fd:
    """An empty slot map; raises BpfError. It is emptied when its last user-space reference goes: pin it."""
    return bpf.map_create(MapShape(layout.MAP_SLOTS, MapType.PROG_ARRAY, 4, 4, layout.SLOT_COUNT))


@dataclass(frozen=True, slots=True)
class FoundGate:
    """A program that says it is a gate. text: its `.rodata`. direction: None for a version not known here.

    genuine: of this version, its `.rodata` frozen, its code the one assembled here. slots, word: map ids,
    0 when they are missing. elder: made by another version of polc, as its frozen `.rodata` and the shapes of
    the two maps say; its code is not known here. loaded: when, CLOCK_BOOTTIME ns.
    """

    program: int
    loaded: int
    text: str
    direction: Direction | None
    genuine: bool
    slots: int
    word: int
    elder: bool = False


class Gates:
    """Loads gates and knows them again. between: see `gate_code`; for tests."""

    def __init__(self, between: Sequence[Item] = ()) -> None:
        self._between = tuple(between)
        self._loaded_tags: dict[Direction, bytes] = {}
        self._tags: dict[Direction, tuple[bytes, ...]] = {}

    def code(self, direction: Direction) -> tuple[Insn, ...]:
        return gate_code(direction, self._between)

    def load(self, bpf: Bpf, direction: Direction, slots: Fd, word: Fd) -> Fd:
        """Loads one gate over the given maps; raises BpfError."""
        text = gate_text(direction)
        btf_data, datasec = metadata_btf(layout.SYMBOL_GATE, text)
        with (
            bpf.btf_load(btf_data) as btf,
            section_map(bpf, RODATA_MAP, _value(text), btf, datasec) as rodata,
        ):
            maps = {RODATA_MAP: rodata, layout.MAP_WORD: word, layout.MAP_SLOTS: slots}
            insns = encode(self.code(direction), maps)
            program, _ = bpf.prog_load(ProgramCode(gate_name(direction), insns, layout.LICENSE))
            return program

    def recognise(
        self, bpf: Bpf, program: Fd, held: ExitStack | None = None, before: FoundGate | None = None
    ) -> FoundGate | None:
        """What the program says of itself, None when it is no gate; raises BpfError (EPERM without root).

        held: keeps its program arrays open; see readback.read. before: what a program of that id said once;
        if it still is the same, it says the same for ever.
        """
        info = bpf.prog_info(program)
        if before is not None and before.genuine and info.is_still(before.program, before.loaded):
            return before if _is_held(bpf, before.slots, held) else None
        text: str | None = None
        frozen = False
        slots = word = 0
        shapes = []
        for number in info.map_ids:
            map_ = bpf.fd_by_id(Object.MAP, number)
            if map_ is None:  # not while the program lives
                return None
            with ExitStack() as own:
                own.enter_context(map_)
                shape = bpf.map_info(map_)
                if shape.type == MapType.PROG_ARRAY and held is not None:
                    held.enter_context(own.pop_all())
                if shape.name == RODATA_MAP and text is None:
                    data = section_data(bpf, map_, shape)
                    frozen = data is not None
                    text = (data or b"").split(b"\0", 1)[0].decode("ascii", "replace")
                elif shape.name == layout.MAP_SLOTS and shape.type == MapType.PROG_ARRAY:
                    slots = number
                    shapes.append((shape.key_size, shape.value_size, shape.max_entries))
                elif shape.name == layout.MAP_WORD and shape.type == MapType.ARRAY:
                    word = number
                    shapes.append((shape.key_size, shape.value_size, shape.max_entries))
        if text is None:
            return None
        direction = next((one for one in Direction if gate_text(one) == text), None)
        whole = bool(frozen and slots and word and direction is not None)
        genuine = whole and direction is not None and self._is_ours(bpf, direction, info.tag)
        said = _said(text)
        elder = frozen and said is not None and said[0] != GATE_VERSION and sorted(shapes) == _SHAPES
        if elder and said is not None:
            direction = said[1]
        return FoundGate(info.id, info.load_time, text, direction, genuine, slots, word, elder)

    def _is_ours(self, bpf: Bpf, direction: Direction, tag: bytes) -> bool:
        """Whether the tag is this gate's.

        The kernel's hash is computed here (kernel/bpf/core.c, bpf_prog_calc_tag: SHA-1 before 6.18, SHA-256
        since), so that a look writes nothing; a tag of neither kind is compared with the gate loaded once by
        this process.
        """
        if direction not in self._tags:
            image = encode(self.code(direction))
            self._tags[direction] = hashlib.sha256(image).digest(), hashlib.sha1(image).digest()
        if tag in [one[:TAG_BYTES] for one in self._tags[direction]]:
            return True
        if direction not in self._loaded_tags:
            with (
                create_slots(bpf) as slots,
                create_word(bpf) as word,
                self.load(bpf, direction, slots, word) as program,
            ):
                self._loaded_tags[direction] = bpf.prog_info(program).tag
        return tag == self._loaded_tags[direction]


def _value(text: str) -> bytes:
    return text.encode() + b"\0"


def _is_held(bpf: Bpf, slots: int, held: ExitStack | None) -> bool:
    """Opens the slot map for who wants it held; false when it is gone, and the gate with it."""
    if held is None:
        return True
    map_ = bpf.fd_by_id(Object.MAP, slots)
    if map_ is not None:
        held.enter_context(map_)
    return map_ is not None
