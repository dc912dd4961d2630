"""One direction's judge function: variables, the parts in order, and the two ways out."""

from __future__ import annotations

from collections.abc import Mapping

from ...pair.layout import (
    CB_RESUME,
    FLOW_KEY_SIZE,
    SYMBOL_ID,
    TC_DROP,
    TC_NEXT,
    EventKind,
)
from ...pair.packet import Reason
from ..plan.plan import JudgePlan
from .body import Body
from .classify import classify
from .context import Code, begin
from .events import emit
from .flow import related, settle, track
from .hits import count_drop
from .machine import BPF, Field, Machine
from .own_host import spare_own
from .parse import parse


def write_judge(
    plan: JudgePlan, locations: Mapping[int, int], default: int | None, machine: Machine = BPF
) -> str:
    """The body of the judge's function as LLVM IR. locations: DILocation by rule index; default: the one for
    code that belongs to no rule. Neither is needed where nobody reads debug lines."""
    body = Body()
    code = begin(body, machine, plan, locations)
    with body.at(default):
        _start(code)
        parse(code)
        track(code)
        related(code)
        classify(code)
        settle(code)
        _finish(code)
    return body.text()


def _start(code: Code) -> None:
    b = code.body
    # bpftool prints the metadata of the first .rodata map the code refers to: touch it before any table.
    touched = b.load("i8", code.map(SYMBOL_ID))
    b.do(f'call void asm sideeffect "", "r"(i64 {touched})')
    for at in range(0, FLOW_KEY_SIZE, 8):
        b.store("i64", 0, code.key.name, at, align=8)
    zeroed = (
        code.six,
        code.protocol,
        code.offset,
        code.kind,
        code.event,
        code.judged_sport,
        code.judged_dport,
        code.icmp,
        code.shown_sport,
        code.shown_dport,
        code.tcp_flags,
        code.mode,
        code.next_state,
        code.unruled,
    )
    for variable in zeroed:
        b.set(variable, 0)
    b.set(code.entry, "null")
    # A packet's length is below 2^31, which the verifier does not know: its sign is 0, or -1 for all it sees.
    b.set(code.nought, b.op("ashr", b.op("shl", code.field(Field.LENGTH), 32), 63))
    # The gate cleared this word: it is 0 or CB_RESUME, and only for the latter is the difference's sign set.
    other = b.op("xor", code.field(Field.RESUME), CB_RESUME)
    b.set(code.resumed, b.op("lshr", b.opaque(b.op("sub", other, 1)), 63))
    code.machine.set_field(b, Field.RESUME, 0)


def _finish(code: Code) -> None:
    b = code.body
    b.label("corrupt")  # the tables contradict themselves: never reached, and fails closed
    code.drop(Reason.POLICY)
    code.place_drops(
        Reason.NOT_IP,
        Reason.MALFORMED,
        Reason.SHORT,
        Reason.FRAGMENT,
        Reason.EXTENSION,
        Reason.NO_FLOW,
        Reason.UNRELATED,
        Reason.NO_PEER,
    )
    b.label("drop")
    code.forget(code.rule)
    spare_own(code, "allow")
    count_drop(code)
    emit(code, EventKind.DENY, b.get(code.rule), b.get(code.reason), 0, "dropped")
    b.label("dropped")
    b.do(f"ret i32 {TC_DROP}")
    b.label("allow")
    b.do(f"ret i32 {TC_NEXT}")
