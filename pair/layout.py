"""The bytes both sides agree on: sections, symbols, maps, config, flow, event and `skb->cb` layouts.

Everything here is little-endian, as BPF on the supported machines (`bpfel`). A change of any of these
bytes is a new `LAYOUT_VERSION`; the runtime refuses objects of a version it does not know.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

LAYOUT_VERSION: Final = 1
LICENSE: Final = "Dual BSD/GPL"  # one of the kernel's license_is_gpl_compatible() strings


class Direction(IntEnum):
    """The policy's words: ingress is towards the endpoint. Never the tc hook's direction."""

    INGRESS = 0
    EGRESS = 1

    @property
    def word(self) -> str:
        return self.name.lower()

    @property
    def other(self) -> Direction:
        return Direction(1 - self)


# --- ELF sections and symbols -------------------------------------------------------------------

SECTION_PROGRAM: Final = "tc"
SECTION_LICENSE: Final = "license"
SECTION_MAPS: Final = ".maps"
SECTION_RODATA: Final = ".rodata"
SECTION_TABLES: Final = ".rodata.tables"
SECTION_CONFIG: Final = ".rodata.config"
SECTION_PROVENANCE: Final = ".rodata.prov"
SECTION_NOTE: Final = ".note.polc"

SYMBOL_ID: Final = "bpf_metadata_polc_id"
SYMBOL_DIRECTION: Final = "bpf_metadata_polc_direction"
SYMBOL_LAYOUT: Final = "bpf_metadata_polc_layout"
SYMBOL_TABLES: Final = "polc_tables"
SYMBOL_CONFIG: Final = "polc_config"
SYMBOL_PROVENANCE: Final = "polc_prov"
SYMBOL_NOTE: Final = "polc_note"
SYMBOL_GATE: Final = "bpf_metadata_polc_gate"


def program_symbol(direction: Direction) -> str:
    """Function and (kernel, 15 characters) program name of one direction's judge."""
    return f"polc_{direction.word}"


class Rodata(NamedTuple):
    """`.rodata`: three NUL-terminated texts that `bpftool prog show` prints as metadata."""

    identity: str
    direction: str
    layout: str

    def pack(self) -> bytes:
        return RODATA_FORMAT.pack(self.identity.encode(), self.direction.encode(), self.layout.encode())

    @classmethod
    def unpack(cls, data: bytes) -> Rodata:
        """Reads the texts; raises struct.error when `data` has another size."""
        texts = (part.split(b"\0", 1)[0].decode("ascii", "replace") for part in RODATA_FORMAT.unpack(data))
        return cls(*texts)


# id 64 hex digits + NUL, direction, layout version in decimal, in this order and at align 1.
RODATA_FORMAT: Final = struct.Struct("<65s8s8s")

# --- maps -----------------------------------------------------------------------------------------

MAP_SLOTS: Final = "polc_slots"  # PROG_ARRAY[4], index = slot(bank, direction)
MAP_FLOWS: Final = "polc_flows"  # LRU_HASH, FlowKey → FlowEntry
MAP_EVENTS: Final = "polc_events"  # RINGBUF of Event
MAP_WORD: Final = "polc_word"  # ARRAY[1] of u64, mmapable: the commit word; only gates refer to it

# PERCPU_ARRAY of Hit, one a direction: index = packet.Reason or hit_of_rule
MAP_HITS_INGRESS: Final = "polc_hits_in"
MAP_HITS_EGRESS: Final = "polc_hits_out"
# Frozen ARRAY[1] of as many Hits: what the programs before this one had counted for the same rules. The
# runtime makes it at a swap and binds it to the program, whose code does not know it.
MAP_HITS_BEFORE: Final = "polc_hits_past"

SLOT_COUNT: Final = 4
FLOW_CAPACITY: Final = 65536
EVENT_BYTES: Final = 1 << 18


def bank_of(word: int) -> int:
    """The bank (0 or 1) that a commit word, or a generation, selects."""
    return word & 1


def slot(bank: int, direction: Direction) -> int:
    """Index into the slot map."""
    return bank * 2 + int(direction)


# --- .rodata.config: what an attachment decides ---------------------------------------------------


class ConfigFlag(IntFlag):
    HOST = 1  # the interface is the host's own: non-IP frames pass (dossier §11.3)
    KEEP_ESTABLISHED = 2  # a newer generation does not judge established flows again
    HOST_ACCESS = 4  # what the host itself sends to its workload passes (dossier §6.4)


_NO_FLAGS: Final = ConfigFlag(0)
L2_DEFAULT: Final = 14  # Ethernet
L2_NONE: Final = 0xFFFFFFFF  # the device has no link-layer header
HZ_DEFAULT: Final = 250
TIMEOUT_CLASSES: Final = 8


@dataclass(frozen=True, slots=True)
class Config:
    """One attachment's settings; an all-zero image (as in the file) means the defaults.

    generation: the commit word under which the program is in force, 0 when loaded alone.
    l2_header: bytes before the IP header, 0 = 14, `L2_NONE` = none.
    hz: jiffies a second, 0 = 250.
    timeouts: seconds by `flow.Timeout`, 0 = that class's default.
    """

    generation: int = 0
    l2_header: int = 0
    hz: int = 0
    flags: ConfigFlag = _NO_FLAGS
    timeouts: tuple[int, ...] = (0,) * TIMEOUT_CLASSES

    def pack(self) -> bytes:
        return CONFIG_FORMAT.pack(self.generation, self.l2_header, self.hz, int(self.flags), *self.timeouts)

    @classmethod
    def unpack(cls, data: bytes) -> Config:
        generation, l2_header, hz, flags, *timeouts = CONFIG_FORMAT.unpack(data)
        return cls(generation, l2_header, hz, ConfigFlag(flags), tuple(timeouts))


CONFIG_FORMAT: Final = struct.Struct(f"<IIII{TIMEOUT_CLASSES}I")
CONFIG_GENERATION: Final = 0  # byte offsets inside the image, for code generation
CONFIG_L2: Final = 4
CONFIG_HZ: Final = 8
CONFIG_FLAGS: Final = 12
CONFIG_TIMEOUTS: Final = 16

# --- the flow map -----------------------------------------------------------------------------------

# local address 16, remote address 16 (IPv4 in the first 4 bytes, rest 0), local port, remote port
# (host order), protocol, family (4 or 6), initiator (0, or 1 + Direction for ICMP queries), pad.
FLOW_KEY: Final = struct.Struct("<16s16sHHBBBx")
FLOW_KEY_SIZE: Final = FLOW_KEY.size
# seen (jiffies), generation that allowed it, rule that allowed it (NO_RULE: the host's access to its own
# workload), owner Direction, state, pad.
FLOW_ENTRY: Final = struct.Struct("<QIIBB6x")
FLOW_ENTRY_SIZE: Final = FLOW_ENTRY.size
ENTRY_SEEN: Final = 0
ENTRY_GENERATION: Final = 8
ENTRY_RULE: Final = 12
ENTRY_OWNER: Final = 16
ENTRY_STATE: Final = 17

# --- the hit counters ---------------------------------------------------------------------------------


class Hit(NamedTuple):
    """One counter. octets: skb->len of those packets, link-layer header included."""

    packets: int = 0
    octets: int = 0

    def __add__(self, other: object) -> Hit:
        """Both together (not, as of other tuples, one behind the other)."""
        if not isinstance(other, Hit):
            return NotImplemented
        return Hit(self.packets + other.packets, self.octets + other.octets)

    def pack(self) -> bytes:
        return HIT.pack(*self)


HIT: Final = struct.Struct("<QQ")
HIT_REASONS: Final = 16  # before the rules' counters stand those of packet.Reason, for drops without a rule


def hits_map(direction: Direction) -> str:
    """The name of one direction's counters."""
    return MAP_HITS_INGRESS if direction is Direction.INGRESS else MAP_HITS_EGRESS


def hits_size(rules: int) -> int:
    """How many counters a direction with so many rule indices has."""
    return HIT_REASONS + rules


def hit_of_rule(index: int) -> int:
    """The counter of a rule index, staged ones included (those count the packets they would decide
    otherwise)."""
    return HIT_REASONS + index


# --- events -----------------------------------------------------------------------------------------

NO_RULE: Final = 0xFFFFFFFF


class EventKind(IntEnum):
    DENY = 1
    LOG = 2
    STAGED = 3  # the verdict would be another were the staged policies in force: NONE allow, POLICY deny


class Event(NamedTuple):
    """One ring record, 72 bytes.

    time: CLOCK_MONOTONIC ns. rule: index into that direction's provenance, or NO_RULE when the packet
    never reached a rule (then `reason` says why). direction: whose policy judged. ports: host order;
    for ICMP sport = type and dport = code. Addresses: 16 bytes, IPv4 in the first four. A LOG event stands
    for all Log rules of one tier that matched: rule is the tier's first Log rule, logs a bit for each (see
    provenance.logged_rules); other events have logs 0. A STAGED event names the rule that would decide.
    """

    time: int
    generation: int
    rule: int
    ifindex: int
    direction: int
    kind: int
    reason: int
    family: int
    protocol: int
    tcp_flags: int
    sport: int
    dport: int
    source: bytes
    destination: bytes
    logs: int = 0

    def pack(self) -> bytes:
        return EVENT_FORMAT.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> Event:
        return cls(*EVENT_FORMAT.unpack(data))


EVENT_FORMAT: Final = struct.Struct("<QIIIBBBBBBHHxx16s16sQ")
EVENT_SIZE: Final = EVENT_FORMAT.size

# --- skb->cb ------------------------------------------------------------------------------------------

# cb[0] carries CB_RESUME while one judge asks the other direction's judge to judge the reversed tuple and
# resume the flow (design §7). The gate clears it before every tail call.
CB_WORD: Final = 0
CB_RESUME: Final = 0x706C6331

# --- verdicts (kernel include/uapi/linux/pkt_cls.h, and TCX_* of include/uapi/linux/bpf.h) -----------------

TC_NEXT: Final = -1  # TC_ACT_UNSPEC = TCX_NEXT: later programs still run
TC_DROP: Final = 2  # TC_ACT_SHOT = TCX_DROP
