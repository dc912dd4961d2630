"""Programs that record each packet for the atomicity rig, written with the gate's own assembler.

A stamper runs first on the hook and puts the time into skb->cb[1..2], before any gate reads the word. A
recorder, in a slot or straight on the hook, appends (start, end, generation, direction, resumed) to a board:
one array element, mapped into the test, whose first word counts the records. A witness does the same in a
slot, and then lets the policy program judge whose place it took.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from polc.pair.layout import CB_RESUME, LICENSE, TC_DROP, Direction
from polc.runtime.assembler import (
    Helper,
    Insn,
    Item,
    Label,
    Register,
    arithmetic,
    assemble,
    call,
    encode,
    jump_if,
    leave,
    load,
    map_reference,
    map_value,
    move,
    store,
)
from polc.runtime.bpf import Bpf, Fd, MapFlag, MapShape, MapType, ProgramCode
from polc.runtime.bpf.memory import PAGE, Memory

CAPACITY: Final = 1 << 20
_RECORD: Final = struct.Struct("<QQIII4x")  # start ns, end ns, generation, direction, cb[0]
_SHIFT: Final = 5
_HEADER: Final = PAGE
_CB_0: Final = 48  # offsetof(struct __sk_buff, cb[0]); the gate owns no other
_CB_1: Final = 52
_CB_2: Final = 56
_SIZE: Final = _HEADER + (CAPACITY << _SHIFT)

assert _RECORD.size == 1 << _SHIFT
R = Register


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """One judged packet; times in ns of CLOCK_MONOTONIC. resumed: the other direction's judge had it."""

    start: int
    end: int
    generation: int
    direction: int
    resumed: bool = False


class Board:
    """Where recorders write."""

    def __init__(self, bpf: Bpf) -> None:
        self.map = bpf.map_create(MapShape("board", MapType.ARRAY, 4, _SIZE, 1, MapFlag.MMAPABLE))
        self._memory = Memory(self.map, _SIZE)

    @property
    def full(self) -> bool:
        return self._memory.load(0) >= CAPACITY

    def records(self) -> Iterator[Record]:
        """Every finished record (one that was only begun has no end yet)."""
        count = min(self._memory.load(0), CAPACITY)
        for start, end, generation, direction, mark in _RECORD.iter_unpack(
            self._memory.copy(_HEADER, count << _SHIFT)
        ):
            if end:
                yield Record(start, end, generation, direction, mark == CB_RESUME)

    def close(self) -> None:
        self._memory.close()
        self.map.close()


def stamper(bpf: Bpf) -> Fd:
    """Puts the time into cb[1] (low) and cb[2] (high) and lets the next program run."""
    code = [
        move(R.R6, R.R1),
        call(Helper.KTIME_GET_NS),
        store(R.R6, _CB_1, R.R0, 4),
        Insn("r0 >>= 32", 0x77, R.R0, imm=32),
        store(R.R6, _CB_2, R.R0, 4),
        move(R.R0, -1),
        leave(),
    ]
    return bpf.prog_load(ProgramCode("stamper", encode(assemble(code), {}), LICENSE))[0]


def recorder(bpf: Bpf, board: Board, generation: int, direction: Direction, verdict: int) -> Fd:
    """Records each packet under a generation that, as in a policy program, is fixed when it is loaded."""
    code = [*_recording(generation, direction), move(R.R0, verdict), leave()]
    insns = encode(assemble(code), {"board": board.map})
    return bpf.prog_load(ProgramCode(f"recorder_{direction.word[:2]}", insns, LICENSE))[0]


def witness(
    bpf: Bpf, board: Board, generation: int, direction: Direction, judges: Fd, between: Sequence[Item] = ()
) -> Fd:
    """Records as `recorder`, then hands the packet to the program array's program of its direction.

    The record's end is when judging begins: a later packet that begins after it must not be judged under an
    older generation either. between: put in before judging begins; it may use r9.
    """
    code = [
        move(R.R6, R.R1),
        *_recording(generation, direction),
        *between,
        move(R.R1, R.R6),
        map_reference(R.R2, "judges"),
        move(R.R3, int(direction)),
        call(Helper.TAIL_CALL),
        move(R.R0, TC_DROP),
        leave(),
    ]
    insns = encode(assemble(code), {"board": board.map, "judges": judges})
    return bpf.prog_load(ProgramCode(f"witness_{direction.word[:2]}", insns, LICENSE))[0]


def _recording(generation: int, direction: Direction) -> list[Item]:
    """r1: the context. r7 to r9 are used."""
    return [
        load(R.R7, R.R1, _CB_1, 4),
        load(R.R8, R.R1, _CB_2, 4),
        load(R.R5, R.R1, _CB_0, 4),
        map_value(R.R2, "board", 0),
        move(R.R1, 1),
        Insn("r1 = atomic_fetch_add((u64 *)(r2 + 0), r1)", 0xDB, R.R2, R.R1, 0, 0x01),
        jump_if(R.R1, ">", CAPACITY - 1, "out"),
        Insn(f"r1 <<= {_SHIFT}", 0x67, R.R1, imm=_SHIFT),
        map_value(R.R9, "board", _HEADER),
        arithmetic(R.R9, "+", R.R1),
        store(R.R9, 0, R.R7, 4),
        store(R.R9, 4, R.R8, 4),
        move(R.R1, generation),
        store(R.R9, 16, R.R1, 4),
        move(R.R1, int(direction)),
        store(R.R9, 20, R.R1, 4),
        store(R.R9, 24, R.R5, 4),
        call(Helper.KTIME_GET_NS),
        store(R.R9, 8, R.R0, 8),
        Label("out"),
    ]


def violations(records: list[Record]) -> int:
    """Packets judged under an older generation that started after one judged under a newer had finished."""
    by_end = sorted(records, key=lambda record: record.end)
    finished = newest = found = 0
    for record in sorted(records):
        while by_end[finished].end < record.start:
            newest = max(newest, by_end[finished].generation)
            finished += 1
        found += record.generation < newest
    return found
