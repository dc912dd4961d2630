"""Packet parsing: Ethernet type, IPv4, IPv6 with its extension headers, the L4 header (pair/packet.py).

Direct packet access with a check before each read; a header outside the linear part of the skb is pulled in
once (helper 39), which is the slow path. Headers that few packets have are copied out instead (helper 26).
"""

from __future__ import annotations

from typing import Final

from ...pair import packet
from ...pair.flow import Event
from ...pair.layout import CONFIG_L2, L2_DEFAULT, L2_NONE, ConfigFlag
from ...pair.packet import Reason
from ..plan.tables import (
    CARRIER_ICMP,
    CARRIER_KIND,
    CARRIER_PORTS,
    CARRIER_TCP,
    EXTENSION_FINAL,
    EXTENSION_FRAGMENT_SHIFT,
    ICMP_KIND,
    ICMP_REPLY_SHIFT,
    IcmpKind,
)
from . import context as cx
from .body import Slot, Value
from .context import Code
from .machine import CONTEXT, Field, Helper

L2_MASK: Final = 0xFF
STEP_MASK: Final = 0xFFF
# Of the L4 header, from the frame's start: the longest link header, IPv6's, every extension at its longest.
OFFSET_MAX: Final = L2_MASK + 40 + packet.EXTENSION_LIMIT * (STEP_MASK + 8)


def in_memory(number: int) -> int:
    """A big-endian 16-bit number as a little-endian load sees it."""
    return int.from_bytes(number.to_bytes(2, "big"), "little")


def window(code: Code, offset: Value, need: int, fail: str) -> str:
    """A pointer to `need` readable bytes at `offset` (bytes from the frame's start, bounded); else `fail`."""
    b = code.body
    pointer = b.slot(b.name("window").replace(".", "_"), "ptr")
    have, slow, retry = b.name("have"), b.name("slow"), b.name("retry")

    def look(yes: str, no: str) -> None:
        data, limit = code.machine.bounds(b)
        at = b.address(data, offset)
        b.set(pointer, at)
        b.branch(b.test("ugt", b.address(at, need), limit, "ptr"), no, yes)

    look(have, slow)
    b.label(slow)
    length = b.narrow(b.op("add", offset, need), "i32")
    b.leave_if(b.test("ne", code.call(Helper.SKB_PULL_DATA, ("ptr", CONTEXT), ("i32", length)), 0), fail)
    b.go(retry)
    b.label(retry)
    look(have, fail)
    b.label(have)
    return b.get(pointer)


def peek(code: Code, offset: Value, need: int, fail: str) -> str:
    """A pointer to a copy of `need` bytes at `offset`, until the next peek; else `fail`. For headers that few
    packets have: a call costs them 20 ns, and the verifier sees one way where `window` has two."""
    b = code.body
    arguments = ("ptr", CONTEXT), ("i32", b.narrow(offset, "i32")), ("ptr", code.peeked.name), ("i32", need)
    b.leave_if(b.test("ne", code.call(Helper.SKB_LOAD_BYTES, *arguments), 0), fail)
    return code.peeked.name


def parse(code: Code) -> None:
    """From `start` to `l4`: the key's addresses, family and protocol, and the L4 header's offset."""
    b = code.body
    ethertype = code.field(Field.PROTOCOL)
    # skb->protocol holds the big-endian ethertype as it lies in memory
    cases = {
        in_memory(packet.ETH_IPV4): "ipv4",
        in_memory(packet.ETH_IPV6): "ipv6",
        in_memory(packet.ETH_ARP): "allow",
    }
    b.switch(ethertype, "not_ip", cases)
    b.label("not_ip")
    b.branch(code.flag(ConfigFlag.HOST), "allow", code.dropping(Reason.NOT_IP))
    _ipv4(code)
    _ipv6(code)
    _l4(code)


def link_length(code: Code) -> str:
    """Bytes before the IP header, from the config; masked so that the verifier sees a bound."""
    b = code.body
    raw = b.load("i32", code.config, CONFIG_L2, align=4)
    given = b.choose(b.test("eq", raw, L2_NONE), 0, raw)
    length = b.choose(b.test("eq", raw, 0), L2_DEFAULT, given)
    return b.op("and", length, L2_MASK)


def store_sides(
    code: Code, key: Slot, source: Value, destination: Value, type: str, near: int, far: int
) -> None:
    """Writes a packet's source and destination into a flow key as local and remote, by orientation."""
    b = code.body
    to_local, to_remote = (destination, source) if code.ingress else (source, destination)
    to_local, to_remote = b.exchanged(b.get(code.resumed), to_local, to_remote)
    align = 8 if type == "i64" else 2
    b.store(type, to_local, key.name, near, align)
    b.store(type, to_remote, key.name, far, align)


def _ipv4(code: Code) -> None:
    b = code.body
    b.label("ipv4")
    l2 = link_length(code)
    header = window(code, l2, 20, code.dropping(Reason.SHORT))
    first = b.load("i8", header)
    b.leave_if(b.test("ne", b.op("lshr", first, 4), 4), code.dropping(Reason.MALFORMED))
    words = b.op("and", first, 15)
    b.leave_if(b.test("ult", words, 5), code.dropping(Reason.MALFORMED))
    end = b.op("add", l2, b.op("shl", words, 2))
    length = code.field(Field.LENGTH)
    b.leave_if(b.test("ult", length, end), code.dropping(Reason.SHORT))
    fragment = b.op("and", b.load("i16", header, 6), in_memory(0x1FFF))
    protocol = b.load("i8", header, 9)
    source, destination = b.load("i32", header, 12), b.load("i32", header, 16)
    store_sides(code, code.key, source, destination, "i64", cx.KEY_LOCAL, cx.KEY_REMOTE)
    b.store("i8", 4, code.key.name, cx.KEY_FAMILY)
    b.store("i8", protocol, code.key.name, cx.KEY_PROTOCOL)
    b.leave_if(b.test("ne", fragment, 0), code.dropping(Reason.FRAGMENT))
    b.set(code.six, 0)
    b.set(code.protocol, protocol)
    b.set(code.offset, end)
    b.go("l4")


def _ipv6(code: Code) -> None:
    b = code.body
    b.label("ipv6")
    l2 = link_length(code)
    header = window(code, l2, 40, code.dropping(Reason.SHORT))
    b.leave_if(b.test("ne", b.op("lshr", b.load("i8", header), 4), 6), code.dropping(Reason.MALFORMED))
    for half in (0, 8):
        source, destination = b.load("i64", header, 8 + half), b.load("i64", header, 24 + half)
        store_sides(code, code.key, source, destination, "i64", cx.KEY_LOCAL + half, cx.KEY_REMOTE + half)
    b.store("i8", 6, code.key.name, cx.KEY_FAMILY)
    b.set(code.six, 1)
    b.set(code.protocol, b.load("i8", header, 6))
    b.set(code.offset, b.op("add", l2, 40))
    _extensions(code)
    b.label("upper")
    b.leave_if(b.test("eq", b.get(code.protocol), packet.EXT_NONE), code.dropping(Reason.EXTENSION))
    b.store("i8", b.get(code.protocol), code.key.name, cx.KEY_PROTOCOL)
    b.go("l4")


def _extensions(code: Code) -> None:
    """Walks at most EXTENSION_LIMIT headers. What differs between kinds comes from a table, so that the
    verifier sees one path a header, and one out of all of them."""
    b = code.body
    left = b.slot("extensions_left")
    b.set(left, packet.EXTENSION_LIMIT)
    b.go("extension")
    b.label("extension")
    number = b.op("and", b.get(code.protocol), 0xFF)
    kind = code.table(code.plan.fixed.extensions, number, "i8", 1)
    b.leave_if(b.test("eq", kind, EXTENSION_FINAL), "upper")
    remaining = b.get(left)
    b.leave_if(b.test("eq", remaining, 0), code.dropping(Reason.EXTENSION))
    b.set(left, b.op("sub", remaining, 1))
    offset = b.get(code.offset)
    header = peek(code, offset, 8, code.dropping(Reason.EXTENSION))
    following, length = b.load("i8", header), b.load("i8", header, 1)
    place = b.op("and", b.load("i16", header, 2), in_memory(0xFFF8))
    is_fragment = b.op("lshr", kind, EXTENSION_FRAGMENT_SHIFT)
    place = b.op("and", place, b.op("sub", 0, is_fragment))  # others have none
    b.leave_if(b.test("ne", place, 0), code.dropping(Reason.FRAGMENT))
    b.set(code.protocol, following)
    step = b.bounded(b.op("mul", length, b.op("and", kind, 15)), STEP_MASK)
    b.set(code.offset, b.op("add", offset, b.op("add", step, 8)))
    code.forget(code.offset)
    b.go("extension")


def _l4(code: Code) -> None:
    """From `l4` to `track` (or `judge`, `allow`, `error`): ports, class and event."""
    b = code.body
    b.label("l4")
    code.forget(code.six, code.offset)
    b.set(code.offset, b.at_most(b.get(code.offset), OFFSET_MAX, code.dropping(Reason.SHORT)))  # never more
    header = window(code, b.get(code.offset), packet.MIN_L4, code.dropping(Reason.SHORT))
    index = b.op("or", b.op("shl", b.get(code.six), 8), b.get(code.protocol))
    carrier = code.table(code.plan.fixed.carriers, b.bounded(index, 0x1FF), "i8", 1)
    b.set(code.kind, b.op("and", carrier, CARRIER_KIND))
    b.leave_if(b.test("ne", b.op("and", carrier, CARRIER_ICMP), 0), "icmp")
    b.leave_if(b.test("eq", b.op("and", carrier, CARRIER_PORTS), 0), "track")
    ports = [b.let(f"load i16, ptr {b.address(header, at)}, align 1") for at in (0, 2)]
    sport, dport = (b.widen(b.swap(raw, "i16"), "i16") for raw in ports)
    b.leave_if(b.test("eq", b.op("and", carrier, CARRIER_TCP), 0), "ports")
    whole = window(code, b.get(code.offset), packet.MIN_TCP, code.dropping(Reason.SHORT))
    flags = b.load("i8", whole, 13)
    b.set(code.tcp_flags, flags)
    b.set(code.event, code.table(code.plan.fixed.tcp_events, b.op("and", flags, 31), "i8", 1))
    b.go("ports")
    b.label("ports")
    store_sides(code, code.key, sport, dport, "i16", cx.KEY_LOCAL_PORT, cx.KEY_REMOTE_PORT)
    sport, dport = b.exchanged(b.get(code.resumed), sport, dport)
    b.set(code.judged_sport, sport)
    b.set(code.judged_dport, dport)
    b.set(code.shown_sport, sport)
    b.set(code.shown_dport, dport)
    b.go("track")
    _icmp(code, header)


def _icmp(code: Code, header: str) -> None:
    b = code.body
    b.label("icmp")
    type_, subtype = b.load("i8", header), b.load("i8", header, 1)
    raw = b.let(f"load i16, ptr {b.address(header, 4)}, align 1")
    identifier = b.widen(b.swap(raw, "i16"), "i16")
    b.set(code.icmp, 1)
    b.set(code.shown_sport, type_)
    b.set(code.shown_dport, subtype)
    index = b.op("or", b.op("shl", b.get(code.six), 8), type_)
    entry = code.table(code.plan.fixed.icmp, b.bounded(index, 0x1FF), "i16", 2)
    kind = b.op("and", entry, ICMP_KIND)
    answers = b.op("and", b.op("lshr", entry, ICMP_REPLY_SHIFT), 1)
    # An answer is judged, if at all, as the request it answers, whose code is 0.
    asked = b.op("and", subtype, b.op("sub", answers, 1))
    b.set(code.judged_dport, b.op("or", b.op("and", entry, 0xFF00), asked))
    cases = {
        int(IcmpKind.ECHO): "echo",
        int(IcmpKind.ERROR): "error",
        int(IcmpKind.NEIGHBOUR): "allow",
    }
    b.switch(kind, "icmp_other", cases)
    b.label("icmp_other")
    b.set(code.mode, cx.Mode.UNTRACKED)
    b.go("judge")
    b.label("echo")
    b.store("i16", identifier, code.key.name, cx.KEY_LOCAL_PORT, align=2)
    orientation = b.op("xor", b.op("xor", b.get(code.resumed), int(code.direction)), answers)
    b.store("i8", b.op("add", orientation, 1), code.key.name, cx.KEY_INITIATOR)
    b.set(code.event, b.op("mul", answers, int(Event.REPLY)))  # else PACKET, which is 0
    b.go("track")
