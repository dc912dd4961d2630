"""What a judge's code asks of the machine it runs on, bound in the last step.

BPF by context offsets and helper numbers, here; the host by pointers and stand-ins, in host.py. The judge's
own code is the same for both.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from ...pair.layout import CB_WORD, SECTION_PROGRAM, Direction, program_symbol, slot
from .body import Body, Slot, Value

CONTEXT: Final = "%skb"


class Helper(Enum):
    """The kernel helpers a judge calls; value: number in include/uapi/linux/bpf.h, result type."""

    MAP_LOOKUP = (1, "ptr")
    MAP_UPDATE = (2, "i64")
    MAP_DELETE = (3, "i64")
    KTIME = (5, "i64")
    TAIL_CALL = (12, "i64")
    SKB_PULL_DATA = (39, "i64")
    SKB_LOAD_BYTES = (26, "i64")
    JIFFIES = (118, "i64")
    RING_RESERVE = (131, "ptr")
    RING_SUBMIT = (132, "void")


class Field(Enum):
    """Fields of the packet's context; value: offset in struct __sk_buff (include/uapi/linux/bpf.h)."""

    LENGTH = 0
    PROTOCOL = 16  # the ethertype, big-endian as it lies in memory
    INGRESS_IFINDEX = 36  # where it came in; 0: made by this host
    IFINDEX = 40
    RESUME = 48 + 4 * CB_WORD  # a cb word
    DATA = 76
    DATA_END = 80


class Machine(Protocol):
    listens: bool  # whether `decided` wants to be told

    def global_name(self, symbol: str, direction: Direction) -> str:
        """A global of one direction's object."""

    def header(self, direction: Direction) -> str:
        """What follows `define i32 @` up to the body, without debug reference."""

    def bounds(self, body: Body) -> tuple[str, str]:
        """Pointers to the packet's first byte and past its last readable one."""

    def field(self, body: Body, field: Field) -> str:
        """A 32-bit context field as i64."""

    def set_field(self, body: Body, field: Field, value: Value) -> None:
        """Writes a context field."""

    def call(self, body: Body, helper: Helper, *arguments: tuple[str, Value]) -> str:
        """A helper call; the result's name (empty for none)."""

    def counter(self, body: Body, hits: str, key: Slot) -> str:
        """A pointer to the counter (layout.HIT) whose index stands in `key`, or null."""

    def ask_peer(self, body: Body, slots: str, direction: Direction, generation: str, absent: str) -> None:
        """Ends the block: the other direction's judge takes over, or `absent` is gone to."""

    def decided(self, body: Body, rule: Value, owner: Value) -> None:
        """Tells that a rule of the owner's direction lets the packet through."""


class BpfMachine:
    """The kernel: helpers by number, context by offset, one object a direction."""

    listens = False

    def global_name(self, symbol: str, direction: Direction) -> str:  # noqa: ARG002 (an object has one)
        return f"@{symbol}"

    def header(self, direction: Direction) -> str:
        return f'{program_symbol(direction)}(ptr {CONTEXT}) nounwind section "{SECTION_PROGRAM}"'

    def bounds(self, body: Body) -> tuple[str, str]:
        data, end = (self.field(body, which) for which in (Field.DATA, Field.DATA_END))
        return body.let(f"inttoptr i64 {data} to ptr"), body.let(f"inttoptr i64 {end} to ptr")

    def field(self, body: Body, field: Field) -> str:
        return body.load("i32", CONTEXT, field.value, align=4)

    def set_field(self, body: Body, field: Field, value: Value) -> None:
        body.store("i32", value, CONTEXT, field.value, align=4)

    def call(self, body: Body, helper: Helper, *arguments: tuple[str, Value]) -> str:
        number, result = helper.value
        return body.call(result, f"inttoptr (i64 {number} to ptr)", *arguments)

    def counter(self, body: Body, hits: str, key: Slot) -> str:
        """Recent kernels inline this look-up: four loads and a comparison."""
        return self.call(body, Helper.MAP_LOOKUP, ("ptr", hits), ("ptr", key.name))

    def ask_peer(self, body: Body, slots: str, direction: Direction, generation: str, absent: str) -> None:
        """A tail call in the generation's bank, by a constant index that the JIT makes a direct jump."""
        banks = ("peer_0", "peer_1")
        body.branch(body.test("eq", body.op("and", generation, 1), 0), *banks)
        for bank, label in enumerate(banks):
            body.label(label)
            index = slot(bank, direction.other)
            self.call(body, Helper.TAIL_CALL, ("ptr", CONTEXT), ("ptr", slots), ("i32", index))
            # An asm of its own after each call keeps LLVM from merging both into one variable index.
            body.do(f'call void asm sideeffect "", "i"(i32 {index})')
            body.go(absent)

    def decided(self, body: Body, rule: Value, owner: Value) -> None:
        """The flow entry tells; the kernel makes no event of it."""


BPF: Final = BpfMachine()
