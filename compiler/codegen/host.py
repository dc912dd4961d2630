"""The host as a machine: context by a struct of pointers, helpers by stand-ins, both directions together.

The judges are the same text as in the BPF objects (design §9). The stand-ins keep flows in a hash table with
linear probing and write events one after the other into the caller's buffer; `batch` runs many packets.
"""

from __future__ import annotations

import struct
from typing import Final

from ...pair import layout
from ...pair.layout import Direction
from ..plan.plan import Plan
from .body import Body, Slot, Value
from .judge import write_judge
from .machine import CONTEXT, Field, Helper

FLOW_SLOTS: Final = 1 << 17  # of the hash table; twice the kernel map's capacity
FLOW_SLOT: Final = struct.Struct(f"<Q{layout.FLOW_KEY_SIZE}s{layout.FLOW_ENTRY_SIZE}s")  # in use, key, entry

# One packet to judge: address, length, direction, ethertype (big-endian as it lies in memory), jiffies.
PACKET: Final = struct.Struct("<QIIQQ")
# Its result: the program's answer, events so far in the buffer, and, when a rule lets it through, that rule
# (else NO_RULE) and its direction.
RESULT: Final = struct.Struct("<iIII")

SYMBOL_BATCH: Final = "polc_native_batch"
SYMBOL_FIND: Final = "polc_native_find"
SYMBOL_FLOWS: Final = "polc_native_flows"


class HostMachine:
    """Context: {data, data end, length, protocol, ifindex, resume, now, rule, owner, ingress ifindex} as i64
    each."""

    listens = True

    FIELDS: Final = {
        Field.DATA: 0,
        Field.DATA_END: 8,
        Field.LENGTH: 16,
        Field.PROTOCOL: 24,
        Field.IFINDEX: 32,
        Field.RESUME: 40,
        Field.INGRESS_IFINDEX: 72,
    }
    NOW: Final = 48
    RULE: Final = 56
    OWNER: Final = 64
    SIZE: Final = 80

    def global_name(self, symbol: str, direction: Direction) -> str:
        shared = symbol in (layout.SYMBOL_CONFIG, layout.MAP_FLOWS, layout.MAP_EVENTS, layout.MAP_SLOTS)
        return f"@{symbol}" if shared else f"@{symbol}_{direction.word}"

    def header(self, direction: Direction) -> str:
        return f"{layout.program_symbol(direction)}(ptr {CONTEXT}) nounwind"

    def bounds(self, body: Body) -> tuple[str, str]:
        data, end = (
            body.load("ptr", CONTEXT, self.FIELDS[which], align=8) for which in (Field.DATA, Field.DATA_END)
        )
        return data, end

    def field(self, body: Body, field: Field) -> str:
        return body.load("i64", CONTEXT, self.FIELDS[field], align=8)

    def set_field(self, body: Body, field: Field, value: Value) -> None:
        body.store("i64", value, CONTEXT, self.FIELDS[field], align=8)

    def call(self, body: Body, helper: Helper, *arguments: tuple[str, Value]) -> str:
        if helper in (Helper.JIFFIES, Helper.KTIME):
            return body.load("i64", CONTEXT, self.NOW, align=8)
        _, result = helper.value
        return body.call(result, f"@polc_native_{helper.name.lower()}", *arguments)

    def counter(self, body: Body, hits: str, key: Slot) -> str:
        index = body.load("i32", key.name, align=4)
        return body.address(hits, body.op("mul", index, layout.HIT.size))

    def ask_peer(self, body: Body, slots: str, direction: Direction, generation: str, absent: str) -> None:
        """A plain call; `absent` is never gone to, and a tail call does not return either."""
        del slots, generation
        answer = body.call("i32", f"@{layout.program_symbol(direction.other)}", ("ptr", CONTEXT))
        never = body.test("eq", answer, -0x80000000, "i32")
        body.leave_if(never, absent)
        body.do(f"ret i32 {answer}")

    def decided(self, body: Body, rule: Value, owner: Value) -> None:
        body.store("i64", rule, CONTEXT, self.RULE, align=8)
        body.store("i64", owner, CONTEXT, self.OWNER, align=8)


HOST: Final = HostMachine()


def write_host_module(plan: Plan, triple: str) -> str:
    """LLVM IR of both judges, the stand-ins and the batch function. The tables and the config are zero bytes
    that the caller fills after the code is in memory."""
    lines = [f'target triple = "{triple}"']
    for direction in Direction:
        size = len(plan.judge(direction).tables)
        lines.append(_global(HOST.global_name(layout.SYMBOL_TABLES, direction), size))
        lines.append(_global(HOST.global_name(layout.SYMBOL_ID, direction), 65))
        hits = layout.hits_size(plan.judge(direction).index_count)
        lines.append(_global(HOST.global_name(layout.hits_map(direction), direction), hits * layout.HIT.size))
    lines.append(_global(f"@{layout.SYMBOL_CONFIG}", layout.CONFIG_FORMAT.size))
    lines.append(_global(f"@{layout.MAP_FLOWS}", 8))
    lines.append(_global(f"@{layout.MAP_SLOTS}", 8))
    lines.append(_global(f"@{layout.MAP_EVENTS}", 24))  # buffer, room in records, records written
    lines.append(_global(f"@{SYMBOL_FLOWS}", FLOW_SLOTS * FLOW_SLOT.size))
    lines += [f"declare i{bits} @llvm.bswap.i{bits}(i{bits})" for bits in (16, 32, 64)]
    for direction in Direction:
        judge = plan.judge(direction)
        body = write_judge(judge, {}, None, HOST)
        lines.append(f"define i32 @{HOST.header(direction)} {{\n{body}}}")
    lines += [_find(), _lookup(), _update(), _delete(), _ring(), _load(), _PULL, _batch()]
    return "\n".join(lines) + "\n"


def _global(name: str, size: int) -> str:
    return f"{name} = global [{size} x i8] zeroinitializer, align 16"


def _load() -> str:
    """Copies bytes of the packet, all or none (net/core/filter.c, bpf_skb_load_bytes)."""
    b = Body()
    at = b.slot("at")
    offset, length = b.widen("%offset", "i32"), b.widen("%length", "i32")
    size = b.load("i64", "%skb", HostMachine.FIELDS[Field.LENGTH], align=8)
    b.leave_if(b.test("ugt", b.op("add", offset, length), size), "outside")
    start = b.address(b.load("ptr", "%skb", HostMachine.FIELDS[Field.DATA], align=8), offset)
    b.set(at, 0)
    b.go("each")
    b.label("each")
    number = b.get(at)
    b.leave_if(b.test("uge", number, length), "done")
    b.store("i8", b.load("i8", b.address(start, number)), b.address("%to", number))
    b.set(at, b.op("add", number, 1))
    b.go("each")
    b.label("done")
    b.do("ret i64 0")
    b.label("outside")
    b.do("ret i64 -14")
    return _function("i64 @polc_native_skb_load_bytes(ptr %skb, i32 %offset, ptr %to, i32 %length)", b)


# The host's packets are whole: nothing to pull in.
_PULL = "define i64 @polc_native_skb_pull_data(ptr %skb, i32 %length) nounwind { ret i64 -1 }"


def _function(header: str, body: Body) -> str:
    return f"define {header} nounwind {{\n{body.text()}}}"


def _find() -> str:
    """The slot of a key: the one that holds it, else (wanted = 1) the first free one on its way, else the
    key's home, whose flow is forgotten as the kernel's LRU map forgets one. Null when not wanted."""
    b = Body()
    at, left, spare = b.slot("at"), b.slot("left"), b.slot("spare", "ptr")
    mixed: Value = 0
    for word in range(0, layout.FLOW_KEY_SIZE, 8):
        mixed = b.op("xor", mixed, b.load("i64", "%key", word, align=8))
        mixed = b.op("mul", mixed, -0x61C8864680B583EB)  # 2^64 / golden ratio
        mixed = b.op("xor", mixed, b.op("lshr", mixed, 29))
    home = b.op("and", mixed, FLOW_SLOTS - 1)
    b.set(at, home)
    b.set(left, 64)
    b.set(spare, "null")
    b.go("probe")
    b.label("probe")
    slot = b.address(f"@{SYMBOL_FLOWS}", b.op("mul", b.get(at), FLOW_SLOT.size))
    used = b.load("i64", slot, align=8)
    b.leave_if(b.test("eq", used, 0), "free")
    b.leave_if(b.test("ne", used, 1), "forgotten")
    differs: Value = 0
    for word in range(0, layout.FLOW_KEY_SIZE, 8):
        here = b.load("i64", slot, 8 + word, align=8)
        differs = b.op("or", differs, b.op("xor", here, b.load("i64", "%key", word, align=8)))
    b.leave_if(b.test("ne", differs, 0), "next")
    b.do(f"ret ptr {slot}")
    b.label("forgotten")
    b.leave_if(b.test("ne", b.get(spare), "null", "ptr"), "next")
    b.set(spare, slot)
    b.go("next")
    b.label("next")
    b.set(at, b.op("and", b.op("add", b.get(at), 1), FLOW_SLOTS - 1))
    b.set(left, b.op("sub", b.get(left), 1))
    b.leave_if(b.test("ne", b.get(left), 0), "probe")
    b.set(spare, b.choose(b.test("eq", b.get(spare), "null", "ptr"), _home(b, home), b.get(spare), "ptr"))
    b.go("absent")
    b.label("free")
    b.set(spare, b.choose(b.test("eq", b.get(spare), "null", "ptr"), slot, b.get(spare), "ptr"))
    b.go("absent")
    b.label("absent")
    b.do(f"ret ptr {b.choose(b.test('ne', '%wanted', 0), b.get(spare), 'null', 'ptr')}")
    return _function(f"ptr @{SYMBOL_FIND}(ptr %key, i64 %wanted)", b)


def _home(b: Body, home: Value) -> str:
    return b.address(f"@{SYMBOL_FLOWS}", b.op("mul", home, FLOW_SLOT.size))


def _entry_of(b: Body, slot: str) -> str:
    return b.address(slot, 8 + layout.FLOW_KEY_SIZE)


def _lookup() -> str:
    b = Body()
    slot = b.call("ptr", f"@{SYMBOL_FIND}", ("ptr", "%key"), ("i64", 0))
    b.leave_if(b.test("eq", slot, "null", "ptr"), "none")
    b.do(f"ret ptr {_entry_of(b, slot)}")
    b.label("none")
    b.do("ret ptr null")
    return _function("ptr @polc_native_map_lookup(ptr %map, ptr %key)", b)


def _update() -> str:
    b = Body()
    slot = b.call("ptr", f"@{SYMBOL_FIND}", ("ptr", "%key"), ("i64", 1))
    b.store("i64", 1, slot, align=8)
    for word in range(0, layout.FLOW_KEY_SIZE, 8):
        b.store("i64", b.load("i64", "%key", word, align=8), slot, 8 + word, align=8)
    entry = _entry_of(b, slot)
    for word in range(0, layout.FLOW_ENTRY_SIZE, 8):
        b.store("i64", b.load("i64", "%value", word, align=8), entry, word, align=8)
    b.do("ret i64 0")
    return _function("i64 @polc_native_map_update(ptr %map, ptr %key, ptr %value, i64 %flags)", b)


def _delete() -> str:
    b = Body()
    slot = b.call("ptr", f"@{SYMBOL_FIND}", ("ptr", "%key"), ("i64", 0))
    b.leave_if(b.test("eq", slot, "null", "ptr"), "none")
    b.store("i64", 2, slot, align=8)
    b.do("ret i64 0")
    b.label("none")
    b.do("ret i64 -2")
    return _function("i64 @polc_native_map_delete(ptr %map, ptr %key)", b)


def _ring() -> str:
    """Reserve: the next record of the buffer, or null when it is full. Submit: nothing is left to do."""
    b = Body()
    written = b.load("i64", "%ring", 16, align=8)
    room = b.load("i64", "%ring", 8, align=8)
    b.leave_if(b.test("uge", written, room), "full")
    b.store("i64", b.op("add", written, 1), "%ring", 16, align=8)
    buffer = b.load("ptr", "%ring", align=8)
    b.do(f"ret ptr {b.address(buffer, b.op('mul', written, layout.EVENT_SIZE))}")
    b.label("full")
    b.do("ret ptr null")
    reserve = _function("ptr @polc_native_ring_reserve(ptr %ring, i64 %size, i64 %flags)", b)
    return f"{reserve}\ndefine void @polc_native_ring_submit(ptr %record, i64 %flags) nounwind {{ ret void }}"


def _batch() -> str:
    """Judges %count packets; the answers go to %results, the events to the ring's buffer."""
    b = Body()
    context = b.slot("context", f"[{HOST.SIZE} x i8]").name
    at, left = b.slot("at"), b.slot("left")
    b.set(at, 0)
    b.set(left, "%count")
    b.go("each")
    b.label("each")
    b.leave_if(b.test("eq", b.get(left), 0), "done")
    number = b.get(at)
    packet = b.address("%packets", b.op("mul", number, PACKET.size))
    result = b.address("%results", b.op("mul", number, RESULT.size))
    data = b.load("ptr", packet, align=8)
    length = b.load("i32", packet, 8, align=4)
    b.store("ptr", data, context, HostMachine.FIELDS[Field.DATA], align=8)
    b.store("ptr", b.address(data, length), context, HostMachine.FIELDS[Field.DATA_END], align=8)
    b.store("i64", length, context, HostMachine.FIELDS[Field.LENGTH], align=8)
    b.store("i64", b.load("i64", packet, 16, align=8), context, HostMachine.FIELDS[Field.PROTOCOL], align=8)
    b.store("i64", b.load("i64", packet, 24, align=8), context, HostMachine.NOW, align=8)
    for field in (Field.IFINDEX, Field.RESUME, Field.INGRESS_IFINDEX):
        b.store("i64", 0, context, HostMachine.FIELDS[field], align=8)
    b.store("i64", layout.NO_RULE, context, HostMachine.RULE, align=8)
    b.store("i64", 0, context, HostMachine.OWNER, align=8)
    answer = b.slot("answer", "i32")
    outward = b.test("ne", b.load("i32", packet, 12, align=4), 0)
    b.branch(outward, "egress", "ingress")
    for direction in Direction:
        b.label(direction.word)
        said = b.call("i32", f"@{layout.program_symbol(direction)}", ("ptr", context))
        b.set(answer, said)
        b.go("judged")
    b.label("judged")
    b.do(f"store i32 {b.get(answer)}, ptr {result}, align 4")
    b.store("i32", b.load("i64", f"@{layout.MAP_EVENTS}", 16, align=8), result, 4, align=4)
    b.store("i32", b.load("i64", context, HostMachine.RULE, align=8), result, 8, align=4)
    b.store("i32", b.load("i64", context, HostMachine.OWNER, align=8), result, 12, align=4)
    b.set(at, b.op("add", number, 1))
    b.set(left, b.op("sub", b.get(left), 1))
    b.go("each")
    b.label("done")
    b.do("ret void")
    return _function(f"void @{SYMBOL_BATCH}(ptr %packets, i64 %count, ptr %results)", b)
