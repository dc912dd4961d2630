"""LLVM works in a child: its deaths are our errors, and its output is the same every time."""

from __future__ import annotations

import pytest
from polc.compiler.codegen.emit import EmitError, Emitter

GOOD = 'target triple = "bpfel"\ndefine i32 @f(ptr %skb) section "tc" {\n  ret i32 2\n}\n'
# A non-constant memcpy: LLVM's BPF backend prints a diagnostic and ends the process.
DEADLY = (
    'target triple = "bpfel"\n'
    "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n"
    'define i32 @f(ptr %skb, ptr %b, i64 %n) section "tc" {\n'
    "  call void @llvm.memcpy.p0.p0.i64(ptr %skb, ptr %b, i64 %n, i1 false)\n  ret i32 2\n}\n"
)


def test_text_that_is_no_ir_is_an_error_with_llvms_words() -> None:
    emitter = Emitter()
    with pytest.raises(EmitError, match="expected top-level entity"):
        emitter.emit("nonsense")
    emitter.close()


def test_the_death_of_llvm_is_an_error_and_the_next_module_still_works() -> None:
    emitter = Emitter()
    with pytest.raises(EmitError, match="memcpy"):
        emitter.emit(DEADLY)
    assert emitter.emit(GOOD).data.startswith(b"\x7fELF")
    emitter.close()


def test_equal_text_gives_equal_bytes_in_one_child_and_in_another() -> None:
    first, second = Emitter(), Emitter()
    one = first.emit(GOOD, assembly=True)
    assert one == first.emit(GOOD, assembly=True) == second.emit(GOOD, assembly=True)
    assert "exit" in one.assembly
    first.close()
    second.close()
