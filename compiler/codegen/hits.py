"""Hits a rule: packets and bytes in a per-CPU array, one look-up for a packet that was judged or dropped.

Packets of a flow that is remembered are not judged, and not counted: their path stays as short as it is. The
kernel checks the index against the map's size (percpu_array_map_lookup_elem and its inlined form), so that
the verifier needs no bound.
"""

from __future__ import annotations

from ...pair.layout import HIT_REASONS, NO_RULE, hits_map
from .body import Value
from .context import Code
from .machine import Field

_PACKETS, _BYTES = 0, 8  # offsets inside layout.HIT


def count_rule(code: Code, rule: Value) -> None:
    """One more packet for that rule index."""
    _count(code, code.body.op("add", rule, HIT_REASONS), 1)


def count_drop(code: Code) -> None:
    """One more packet for the rule that drops it or, when none does, for the reason."""
    b = code.body
    rule = b.get(code.rule)
    nobody = b.test("eq", rule, NO_RULE)
    _count(code, b.choose(nobody, b.get(code.reason), b.op("add", rule, HIT_REASONS)), 1)


def count_marked(code: Code, rules: tuple[int, ...], marks: Value) -> None:
    """One more packet for each rule whose bit is set. No branch depends on a bit: each would double the
    verifier's paths."""
    b = code.body
    for bit, rule in enumerate(rules):
        _count(code, HIT_REASONS + rule, b.op("and", b.op("lshr", marks, bit), 1))


def _count(code: Code, index: Value, packets: Value) -> None:
    """Adds 0 or 1 packet to a counter."""
    b = code.body
    b.store("i32", index, code.hit_key.name, align=4)
    counter = code.machine.counter(b, code.map(hits_map(code.direction)), code.hit_key)
    counted = b.name("counted")
    b.leave_if(b.test("eq", counter, "null", "ptr"), counted)
    length = b.op("mul", code.field(Field.LENGTH), packets)
    for at, more in ((_PACKETS, packets), (_BYTES, length)):
        b.store("i64", b.op("add", b.load("i64", counter, at, align=8), more), counter, at, align=8)
    b.go(counted)
    b.label(counted)
