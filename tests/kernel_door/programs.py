"""Tiny programs for the tests of the doors, written with the runtime's own assembler."""

from __future__ import annotations

from collections.abc import Mapping

from polc.pair.layout import LICENSE
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
from polc.runtime.bpf import Bpf, Fd, ProgramCode

FRAME = bytes(12) + b"\x08\x00" + bytes(46)
R = Register


def load_code(bpf: Bpf, items: list[Item], maps: Mapping[str, Fd] | None = None) -> Fd:
    insns: tuple[Insn, ...] = assemble(items)
    return bpf.prog_load(ProgramCode("polc_test", encode(insns, maps or {}), LICENSE))[0]


def answering(bpf: Bpf, number: int) -> Fd:
    """A program that answers `number`."""
    return load_code(bpf, [move(R.R0, number), leave()])


def answering_cb(bpf: Bpf) -> Fd:
    """A program that answers skb->cb[0]."""
    return load_code(bpf, [load(R.R0, R.R1, 48, 4), leave()])


def clock_reading(bpf: Bpf, board: Fd, rounds: int) -> Fd:
    """Writes 1 into the board's first word, reads the clock `rounds` times, writes 1 into the second."""
    return load_code(
        bpf,
        [
            map_value(R.R6, "board", 0),
            move(R.R1, 1),
            store(R.R6, 0, R.R1, 8),
            move(R.R7, 0),
            Label("again"),
            call(Helper.KTIME_GET_NS),
            arithmetic(R.R7, "+", 1),
            jump_if(R.R7, "<", rounds, "again"),
            move(R.R1, 1),
            store(R.R6, 8, R.R1, 8),
            move(R.R0, 0),
            leave(),
        ],
        {"board": board},
    )


def emitting(bpf: Bpf, ring: Fd, words: tuple[int, ...]) -> Fd:
    """Puts one ring record of these u64 words; answers the helper's answer."""
    size = 8 * len(words)
    items: list[Item] = []
    for at, word in enumerate(words):
        # A move takes a signed 32-bit immediate, so that a word goes in as two halves.
        for half, place in ((word & 0xFFFFFFFF, 0), (word >> 32, 4)):
            signed = half - (1 << 32) if half >> 31 else half
            items += [move(R.R1, signed), store(R.R10, -size + 8 * at + place, R.R1, 4)]
    items += [
        map_reference(R.R1, "ring"),
        move(R.R2, R.R10),
        arithmetic(R.R2, "+", -size),
        move(R.R3, size),
        move(R.R4, 0),
        call(Helper.RINGBUF_OUTPUT),
        leave(),
    ]
    return load_code(bpf, items, {"ring": ring})


def delaying(reads: int, every: int = 16) -> list[Item]:
    """For `gate_code(between=…)`: on about one packet in 16, waits between word and tail call.

    every: one packet in so many, a power of two. reads: of the clock, some 36 ns each. The count is a
    constant so that the verifier follows one path only. r9 is used.
    """
    return [
        call(Helper.GET_PRANDOM_U32),
        arithmetic(R.R0, "&", every - 1),
        jump_if(R.R0, "!=", 0, "on"),
        move(R.R9, 0),
        Label("wait"),
        call(Helper.KTIME_GET_NS),
        arithmetic(R.R9, "+", 1),
        jump_if(R.R9, "<", reads, "wait"),
        Label("on"),
    ]
