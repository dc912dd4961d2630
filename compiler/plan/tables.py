"""The table section's builder, and the tables that do not depend on the policy: flow transitions, ICMP kinds,
IPv6 extension headers, the position of a word's lowest bit."""

from __future__ import annotations

import struct
from enum import IntEnum
from functools import cache
from typing import Final

from ...pair import flow, packet
from .plan import Fixed

DE_BRUIJN: Final = 0x03F79D71B4CB0A89  # a 64-bit de Bruijn sequence: every 6-bit window is different

TRANSITION_STATE: Final = 0x07  # a transition byte: state | step << 3 | adopt << 5
TRANSITION_STEP_SHIFT: Final = 3
TRANSITION_ADOPT_SHIFT: Final = 5
EVENT_SLOTS: Final = 8  # transitions are indexed ((class * 8 + state) * 2 + who) * 8 + event
STATE_SLOTS: Final = 8

EXTENSION_FINAL: Final = 0xFF  # extension table: no extension header; otherwise bytes a length unit, and
EXTENSION_FRAGMENT_SHIFT: Final = 4  # whether it is a fragment header

CARRIER_KIND: Final = 0x03  # a carrier byte: flow.ProtocolClass and what follows the IP header
CARRIER_PORTS_SHIFT: Final = 2
CARRIER_PORTS: Final = 1 << CARRIER_PORTS_SHIFT
CARRIER_TCP: Final = 0x08
CARRIER_ICMP: Final = 0x10


ICMP_KIND: Final = 0x7F  # low byte of an ICMP table entry: IcmpKind, and whether it is a reply
ICMP_REPLY_SHIFT: Final = 7


class IcmpKind(IntEnum):
    OTHER = 0
    ECHO = 1  # a request or a reply that a flow is kept for
    ERROR = 2
    NEIGHBOUR = 3


class TableBuilder:
    """Appends named parts, each aligned, and remembers nothing but bytes."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: bytes, align: int = 8) -> int:
        """Appends `data`; returns its byte offset."""
        self._data.extend(bytes(-len(self._data) % align))
        offset = len(self._data)
        self._data.extend(data)
        return offset

    @property
    def size(self) -> int:
        return len(self._data)

    def finish(self) -> bytes:
        self._data.extend(bytes(-len(self._data) % 8))
        return bytes(self._data)


def add_fixed(builder: TableBuilder) -> Fixed:
    return Fixed(
        transitions=builder.add(transition_table()),
        timeouts=builder.add(timeout_table()),
        timeout_defaults=builder.add(struct.pack("<8I", *_timeout_defaults())),
        tcp_events=builder.add(tcp_event_table()),
        icmp=builder.add(icmp_table()),
        carriers=builder.add(carrier_table()),
        extensions=builder.add(extension_table()),
        first_bit=builder.add(first_bit_table()),
    )


@cache
def transition_table() -> bytes:
    out = bytearray(len(flow.ProtocolClass) * STATE_SLOTS * 2 * EVENT_SLOTS)
    for (cls, state, who, event), row in flow.TRANSITIONS.items():
        if row.step is flow.Step.DROP and row.reason is not packet.Reason.NO_FLOW:
            raise ValueError(f"the lowering knows one drop reason, not {row.reason}")
        at = ((cls * STATE_SLOTS + state) * 2 + who) * EVENT_SLOTS + event
        out[at] = row.state | row.step << TRANSITION_STEP_SHIFT | row.adopt << TRANSITION_ADOPT_SHIFT
    return bytes(out)


@cache
def timeout_table() -> bytes:
    """Time-out class by class * 8 + state."""
    return bytes(flow.timeout_of(cls, state) for cls in flow.ProtocolClass for state in flow.State)


def _timeout_defaults() -> list[int]:
    known = {int(timeout): seconds for timeout, seconds in flow.TIMEOUTS.items()}
    return [known.get(index, 0) for index in range(8)]


@cache
def tcp_event_table() -> bytes:
    """flow.Event by the low five TCP flags: RST wins, then SYN, then FIN."""
    out = bytearray(32)
    for flags in range(32):
        if flags & packet.TCP_RST:
            out[flags] = flow.Event.RST
        elif flags & packet.TCP_SYN:
            out[flags] = flow.Event.SYN_ACK if flags & packet.TCP_ACK else flow.Event.SYN
        elif flags & packet.TCP_FIN:
            out[flags] = flow.Event.FIN
    return bytes(out)


@cache
def icmp_table() -> bytes:
    """Two bytes by family (v6 = 1) << 8 | type: kind and reply, and the type as judged (the request's)."""
    entries = [(int(IcmpKind.OTHER), at & 0xFF) for at in range(512)]
    for base, queries in ((0, packet.QUERY_TYPES_V4), (256, packet.QUERY_TYPES_V6)):
        for request, reply in queries.items():
            entries[base + request] = (IcmpKind.ECHO, request)
            entries[base + reply] = (IcmpKind.ECHO | 1 << ICMP_REPLY_SHIFT, request)
    for kind in packet.ERROR_TYPES_V4:
        entries[kind] = (IcmpKind.ERROR, kind)
    for kind in range(packet.ERROR_TYPES_V6_BELOW):
        entries[256 + kind] = (IcmpKind.ERROR, kind)
    for kind in packet.NEIGHBOUR_TYPES:
        entries[256 + kind] = (IcmpKind.NEIGHBOUR, kind)
    return b"".join(bytes(entry) for entry in entries)


@cache
def carrier_table() -> bytes:
    """CARRIER_… by family (v6 = 1) << 8 | protocol; ICMP over the other family is carried like any other."""
    out = bytearray([flow.ProtocolClass.GENERIC]) * 512
    for base, icmp in ((0, packet.PROTO_ICMP), (256, packet.PROTO_ICMPV6)):
        out[base + packet.PROTO_TCP] = flow.ProtocolClass.TCP | CARRIER_PORTS | CARRIER_TCP
        out[base + packet.PROTO_UDP] = flow.ProtocolClass.UDP | CARRIER_PORTS
        out[base + packet.PROTO_SCTP] = flow.ProtocolClass.GENERIC | CARRIER_PORTS
        out[base + icmp] = flow.ProtocolClass.QUERY | CARRIER_ICMP
    return bytes(out)


@cache
def extension_table() -> bytes:
    """EXTENSION_… by next-header number: an extension header is `8 + unit * length` bytes long."""
    out = bytearray([EXTENSION_FINAL]) * 256
    for number in (packet.EXT_HOP_BY_HOP, packet.EXT_ROUTING, packet.EXT_DESTINATION):
        out[number] = 8
    out[packet.EXT_AUTH] = 4
    out[packet.EXT_FRAGMENT] = 1 << EXTENSION_FRAGMENT_SHIFT
    return bytes(out)


@cache
def first_bit_table() -> bytes:
    """Bit position by (lowest bit * DE_BRUIJN mod 2^64) >> 58."""
    out = bytearray(64)
    for bit in range(64):
        out[((1 << bit) * DE_BRUIJN & (1 << 64) - 1) >> 58] = bit
    return bytes(out)
