"""Ring events: one record a dropped packet or matching Log rule (layout.Event)."""

from __future__ import annotations

from ...pair.layout import EVENT_SIZE, MAP_EVENTS, EventKind
from . import context as cx
from .body import Value
from .context import Code
from .machine import Field, Helper

# offsets inside layout.EVENT_FORMAT
TIME, GENERATION, RULE, IFINDEX, DIRECTION, KIND, REASON, FAMILY, PROTOCOL, FLAGS, SPORT, DPORT = (
    0,
    8,
    12,
    16,
    20,
    21,
    22,
    23,
    24,
    25,
    26,
    28,
)
PADDING, SOURCE, DESTINATION, LOGS = 30, 32, 48, 64


def emit(code: Code, kind: EventKind, rule: Value, reason: Value, logs: Value, after: str) -> None:
    """Ends the block: writes the record if the ring has room and goes to `after`."""
    b = code.body
    record = code.call(Helper.RING_RESERVE, ("ptr", code.map(MAP_EVENTS)), ("i64", EVENT_SIZE), ("i64", 0))
    b.leave_if(b.test("eq", record, "null", "ptr"), after)
    key = code.key.name
    b.store("i64", code.call(Helper.KTIME), record, TIME, align=8)
    b.store("i32", code.generation(), record, GENERATION, align=4)
    b.store("i32", rule, record, RULE, align=4)
    b.store("i32", code.field(Field.IFINDEX), record, IFINDEX, align=4)
    b.store("i8", int(code.direction), record, DIRECTION)
    b.store("i8", int(kind), record, KIND)
    b.store("i8", reason, record, REASON)
    b.store("i8", b.load("i8", key, cx.KEY_FAMILY), record, FAMILY)
    b.store("i8", b.load("i8", key, cx.KEY_PROTOCOL), record, PROTOCOL)
    b.store("i8", b.get(code.tcp_flags), record, FLAGS)
    b.store("i16", b.get(code.shown_sport), record, SPORT, align=2)
    b.store("i16", b.get(code.shown_dport), record, DPORT, align=2)
    b.store("i16", 0, record, PADDING, align=2)
    source, destination = (cx.KEY_REMOTE, cx.KEY_LOCAL) if code.ingress else (cx.KEY_LOCAL, cx.KEY_REMOTE)
    for half in (0, 8):
        b.store("i64", b.load("i64", key, source + half, align=8), record, SOURCE + half, align=8)
        b.store("i64", b.load("i64", key, destination + half, align=8), record, DESTINATION + half, align=8)
    b.store("i64", logs, record, LOGS, align=8)
    code.call(Helper.RING_SUBMIT, ("ptr", record), ("i64", 0))
    b.go(after)
