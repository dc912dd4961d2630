"""A small eBPF assembler: for the gate and the probes, which the runtime writes itself, without LLVM.

Source of the encoding: RFC 9669. Only what those programs need is here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from .bpf import Fd

_INSN: Final = struct.Struct("<BBhi")
_PSEUDO_MAP_FD: Final = 1  # src_reg of a 64-bit immediate: include/uapi/linux/bpf.h
_PSEUDO_MAP_VALUE: Final = 2


class Register(IntEnum):
    """r1–r5 are a helper's arguments and, like r0, its to destroy; r6–r9 survive calls; r10 is the frame."""

    R0 = 0
    R1 = 1
    R2 = 2
    R3 = 3
    R4 = 4
    R5 = 5
    R6 = 6
    R7 = 7
    R8 = 8
    R9 = 9
    R10 = 10

    def __str__(self) -> str:
        return f"r{self.value}"


class Helper(IntEnum):
    KTIME_GET_NS = 5
    GET_PRANDOM_U32 = 7
    TAIL_CALL = 12
    JIFFIES64 = 118
    RINGBUF_OUTPUT = 130


@dataclass(frozen=True, slots=True)
class Label:
    name: str


@dataclass(frozen=True, slots=True)
class Insn:
    """One instruction. goto: the label it may jump to. map: the map whose descriptor its immediate becomes
    (such an instruction is 16 bytes; `high` is its second immediate, the offset into the map's value)."""

    text: str
    code: int
    dst: int = 0
    src: int = 0
    offset: int = 0
    imm: int = 0
    goto: str = ""
    map: str = ""
    high: int = 0

    @property
    def slots(self) -> int:
        return 2 if self.map else 1


Item = Insn | Label

_SIZES: Final = {1: (0x10, "u8"), 4: (0x00, "u32"), 8: (0x18, "u64")}
_JUMPS: Final = {"==": 0x10, ">": 0x20, "!=": 0x50, "s<": 0xC0, "<": 0xA0}
_ARITHMETIC: Final = {"+": 0x00, "-": 0x10, "&": 0x50}


def move(dst: Register, source: Register | int) -> Insn:
    if isinstance(source, Register):
        return Insn(f"{dst} = {source}", 0xBF, dst, source)
    return Insn(f"{dst} = {source}", 0xB7, dst, imm=source)


def arithmetic(dst: Register, operator: str, source: Register | int) -> Insn:
    code = _ARITHMETIC[operator]
    if isinstance(source, Register):
        return Insn(f"{dst} {operator}= {source}", 0x0F | code, dst, source)
    return Insn(f"{dst} {operator}= {source}", 0x07 | code, dst, imm=source)


def load(dst: Register, base: Register, offset: int, size: int) -> Insn:
    code, kind = _SIZES[size]
    return Insn(f"{dst} = *({kind} *)({base} {offset:+d})", 0x61 | code, dst, base, offset)


def store(base: Register, offset: int, source: Register, size: int) -> Insn:
    code, kind = _SIZES[size]
    return Insn(f"*({kind} *)({base} {offset:+d}) = {source}", 0x63 | code, base, source, offset)


def map_reference(dst: Register, name: str) -> Insn:
    return Insn(f"{dst} = map[{name}]", 0x18, dst, _PSEUDO_MAP_FD, map=name)


def map_value(dst: Register, name: str, offset: int) -> Insn:
    return Insn(f"{dst} = map[{name}][0]{offset:+d}", 0x18, dst, _PSEUDO_MAP_VALUE, map=name, high=offset)


def jump(label: str) -> Insn:
    return Insn("goto", 0x05, goto=label)


def jump_if(left: Register, operator: str, right: Register | int, label: str) -> Insn:
    code, text = _JUMPS[operator], f"if {left} {operator} {right} goto"
    if isinstance(right, Register):
        return Insn(text, 0x0D | code, left, right, goto=label)
    return Insn(text, 0x05 | code, left, imm=right, goto=label)


def call(helper: Helper) -> Insn:
    return Insn(f"call {helper.name.lower()}#{helper.value}", 0x85, imm=helper)


def leave() -> Insn:
    return Insn("exit", 0x95)


def assemble(items: Sequence[Item]) -> tuple[Insn, ...]:
    """Puts jump distances in; raises KeyError for a label that is not there."""
    places: dict[str, int] = {}
    position = 0
    for item in items:
        if isinstance(item, Label):
            places[item.name] = position
        else:
            position += item.slots
    done = []
    position = 0
    for item in items:
        if isinstance(item, Insn):
            distance = places[item.goto] - position - 1 if item.goto else item.offset
            done.append(replace(item, offset=distance))
            position += item.slots
    return tuple(done)


def encode(insns: Sequence[Insn], maps: Mapping[str, Fd] | None = None) -> bytes:
    """The bytes to load; without `maps`, map references are zero, as in the kernel's tag of a program."""
    out = bytearray()
    for insn in insns:
        number = maps[insn.map].number if insn.map and maps is not None else insn.imm
        out += _INSN.pack(insn.code, insn.dst | insn.src << 4, insn.offset, number)
        if insn.map:
            out += _INSN.pack(0, 0, 0, insn.high if maps is not None else 0)
    return bytes(out)


def listing(insns: Sequence[Insn]) -> str:
    """A line an instruction, numbered as the verifier does."""
    lines = []
    position = 0
    for insn in insns:
        target = f" {position + 1 + insn.offset}" if insn.goto else ""
        lines.append(f"{position:4}: ({insn.code:02x}) {insn.text}{target}")
        position += insn.slots
    return "\n".join(lines) + "\n"
