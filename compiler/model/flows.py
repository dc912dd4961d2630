"""The model's flow map: keys, entries, idleness and generations, as `pair.flow` words them."""

from __future__ import annotations

from typing import NamedTuple

from ...pair.flow import TIMEOUTS, ProtocolClass, State, Timeout, timeout_of
from ...pair.layout import FLOW_KEY, Config, Direction
from ...pair.packet import PacketClass
from .packet import Inner, Packet

# Classes whose packets have flows, and the rows of the transition table that are theirs.
FLOW_CLASSES = {
    PacketClass.TCP: ProtocolClass.TCP,
    PacketClass.UDP: ProtocolClass.UDP,
    PacketClass.QUERY: ProtocolClass.QUERY,
    PacketClass.REPLY: ProtocolClass.QUERY,
    PacketClass.GENERIC: ProtocolClass.GENERIC,
}


class Entry(NamedTuple):
    """seen: seconds. generation and rule: of the judgement that allowed the flow. owner: its direction."""

    seen: float
    generation: int
    rule: int
    owner: Direction
    state: State


def older(generation: int, than: int) -> bool:
    """Whether a stamp is older than `than`, by the sign of the 32-bit difference."""
    return (generation - than) & 0xFFFFFFFF >= 0x80000000


def _bytes(version: int, address: int) -> bytes:
    return address.to_bytes(4 if version == 4 else 16, "big")


def _key(
    version: int, protocol: int, local: tuple[int, int], remote: tuple[int, int], initiator: int = 0
) -> bytes:
    """`layout.FLOW_KEY` of (address, port) pairs; struct pads IPv4 addresses with zeros to 16 bytes."""
    return FLOW_KEY.pack(
        _bytes(version, local[0]),
        _bytes(version, remote[0]),
        local[1],
        remote[1],
        protocol,
        version,
        initiator,
    )


def flow_key(direction: Direction, packet: Packet) -> bytes:
    """The key of a packet of one of `FLOW_CLASSES`."""
    local, remote = packet.local(direction), packet.remote(direction)
    if packet.cls not in (PacketClass.QUERY, PacketClass.REPLY):
        return _key(packet.version, packet.protocol, local, remote)
    asker = direction if packet.cls is PacketClass.QUERY else direction.other
    return _key(
        packet.version, packet.protocol, (local[0], packet.identifier), (remote[0], 0), 1 + int(asker)
    )


def inner_key(direction: Direction, inner: Inner) -> bytes:
    """The key of the flow an ICMP error of `direction` speaks of: its packet went the opposite way."""
    source, destination = (inner.source, inner.sport), (inner.destination, inner.dport)
    local, remote = (source, destination) if direction is Direction.INGRESS else (destination, source)
    if not inner.query:
        return _key(inner.version, inner.protocol, local, remote)
    initiator = 1 + int(direction.other)
    return _key(inner.version, inner.protocol, (local[0], inner.identifier), (remote[0], 0), initiator)


def _class_of(key: bytes) -> ProtocolClass:
    protocol, initiator = FLOW_KEY.unpack(key)[4], FLOW_KEY.unpack(key)[6]
    if initiator:
        return ProtocolClass.QUERY
    return {6: ProtocolClass.TCP, 17: ProtocolClass.UDP}.get(protocol, ProtocolClass.GENERIC)


class Flows:
    """Key → entry. An idle entry counts as absent but stays until something replaces it.

    Unlike the kernel's LRU map it never evicts: an evicted flow is one more absent entry.
    """

    def __init__(self, config: Config) -> None:
        self._timeouts = config.timeouts
        self.entries: dict[bytes, Entry] = {}

    def seconds(self, timeout: Timeout) -> int:
        """What the attachment set, or the default."""
        return self._timeouts[timeout] or TIMEOUTS[timeout]

    def live(self, key: bytes, now: float) -> Entry | None:
        """The entry, unless it has been idle for longer than its state's time-out."""
        entry = self.entries.get(key)
        if entry is None:
            return None
        idle = now - entry.seen
        return None if idle > self.seconds(timeout_of(_class_of(key), entry.state)) else entry

    def touch(self, key: bytes, entry: Entry, state: State, now: float) -> None:
        """Stores the entry with a new state, seen now."""
        self.entries[key] = entry._replace(state=state, seen=now)
