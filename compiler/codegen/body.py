"""A function body written as LLVM IR text, instruction by instruction.

Text rather than llvmlite's object layer: that one hashes debug metadata recursively and types pointers, and
the judge's code needs exact control over both. Values are names (`%v12`) or decimal constants; everything is
i64 unless a type is named. Variables are stack slots (`Slot`), which LLVM's SROA turns into registers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Value = str | int


@dataclass(frozen=True, slots=True)
class Slot:
    """A variable: the name of its alloca and its type."""

    name: str
    type: str


class Body:
    def __init__(self) -> None:
        self._head: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self._debug = ""

    # --- instructions -----------------------------------------------------------------------------

    def do(self, text: str) -> None:
        self._lines.append(f"  {text}{self._debug}")

    def let(self, text: str) -> str:
        self._count += 1
        name = f"%v{self._count}"
        self.do(f"{name} = {text}")
        return name

    @contextmanager
    def at(self, location: int | None) -> Iterator[None]:
        """Instructions written inside carry the DILocation of that number; None: no change."""
        before = self._debug
        if location is not None:
            self._debug = f", !dbg !{location}"
        yield
        self._debug = before

    def op(self, name: str, left: Value, right: Value, type: str = "i64") -> str:
        return self.let(f"{name} {type} {left}, {right}")

    def test(self, predicate: str, left: Value, right: Value, type: str = "i64") -> str:
        return self.let(f"icmp {predicate} {type} {left}, {right}")

    def choose(self, condition: Value, yes: Value, no: Value, type: str = "i64") -> str:
        return self.let(f"select i1 {condition}, {type} {yes}, {type} {no}")

    def widen(self, value: Value, narrow: str) -> str:
        return self.let(f"zext {narrow} {value} to i64")

    def narrow(self, value: Value, type: str) -> str:
        return self.let(f"trunc i64 {value} to {type}")

    def swap(self, value: Value, type: str) -> str:
        """Byte order of an integer reversed."""
        return self.let(f"call {type} @llvm.bswap.{type}({type} {value})")

    def opaque(self, value: Value) -> str:
        """The same value through an empty asm, so LLVM knows nothing of it (verifier traps, notes §7)."""
        return self.let(f'call i64 asm sideeffect "", "=r,0"(i64 {value})')

    def bounded(self, value: Value, mask: int) -> str:
        """value & mask, as an instruction that LLVM cannot prove away: Linux 6.1 forgets what it knows of a
        register after or, xor, mul and shifts by a register that holds no constant (6.12 does not)."""
        return self.op("and", self.opaque(value), mask)

    def at_most(self, value: Value, limit: int, label: str) -> str:
        """The value, when it is not over the limit; else goes to `label`. Opaque, so that LLVM keeps this one
        and not the one before the comparison: Linux 6.1 knows no bound of a copy that was put away before."""
        self.leave_if(self.test("ugt", value, limit), label)
        return self.opaque(value)

    def exchanged(self, flag: Value, left: Value, right: Value) -> tuple[str, str]:
        """(left, right) when the flag is 0, (right, left) when it is 1, without a branch."""
        unlike = self.op("and", self.op("xor", left, right), self.op("sub", 0, flag))
        return self.op("xor", left, unlike), self.op("xor", right, unlike)

    # --- memory -------------------------------------------------------------------------------------

    def slot(self, name: str, type: str = "i64") -> Slot:
        self._head.append(f"  %{name} = alloca {type}, align 8")
        return Slot(f"%{name}", type)

    def get(self, slot: Slot) -> str:
        return self.let(f"load {slot.type}, ptr {slot.name}, align 8")

    def set(self, slot: Slot, value: Value) -> None:
        self.do(f"store {slot.type} {value}, ptr {slot.name}, align 8")

    def address(self, base: str, offset: Value) -> str:
        return base if offset == 0 else self.let(f"getelementptr i8, ptr {base}, i64 {offset}")

    def load(self, type: str, base: str, offset: Value = 0, align: int = 1) -> str:
        """The value at base + offset, zero-extended to i64 when narrower."""
        value = self.let(f"load {type}, ptr {self.address(base, offset)}, align {align}")
        return value if type in ("i64", "ptr") else self.widen(value, type)

    def store(self, type: str, value: Value, base: str, offset: Value = 0, align: int = 1) -> None:
        """Stores the low bits of an i64 (or a ptr) at base + offset."""
        if type not in ("i64", "ptr") and isinstance(value, str):
            value = self.narrow(value, type)
        self.do(f"store {type} {value}, ptr {self.address(base, offset)}, align {align}")

    def call(self, result: str, callee: str, *arguments: tuple[str, Value]) -> str:
        """A call; the result's name, or nothing for void."""
        text = f"call {result} {callee}({', '.join(f'{type} {value}' for type, value in arguments)})"
        if result == "void":
            self.do(text)
            return ""
        return self.let(text)

    # --- control flow -------------------------------------------------------------------------------

    def name(self, hint: str) -> str:
        """A label that is not in use yet."""
        self._count += 1
        return f"{hint}.{self._count}"

    def label(self, name: str) -> None:
        self._lines.append(f"{name}:")

    def go(self, label: str) -> None:
        self.do(f"br label %{label}")

    def branch(self, condition: Value, yes: str, no: str) -> None:
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")

    def leave_if(self, condition: Value, label: str) -> None:
        """Goes to `label` when the condition holds, and on otherwise."""
        on = self.name("on")
        self.branch(condition, label, on)
        self.label(on)

    def switch(self, value: Value, default: str, cases: dict[int, str]) -> None:
        arms = " ".join(f"i64 {number}, label %{label}" for number, label in cases.items())
        self.do(f"switch i64 {value}, label %{default} [{arms}]")

    def text(self) -> str:
        """The body: allocas in `entry`, as BPF demands, then the code, whose first block is `start`."""
        head = "\n".join(self._head)
        code = "\n".join(self._lines)
        return f"entry:\n{head}\n  br label %start\nstart:\n{code}\n"
