"""From a raw frame to the packet that policy and flow tracking speak of: the model's own parser.

Written from dossier §11.3, RFC 791, RFC 8200 and RFC 4302 and independent of the BPF parser on purpose.
Only bytes inside the frame count; the IP header's own length fields do not.
"""

from __future__ import annotations

from typing import NamedTuple

from ...pair import packet as names
from ...pair.layout import Direction
from ...pair.packet import PacketClass

_IPV4_HEADER = 20
_IPV6_HEADER = 40


class Inner(NamedTuple):
    """What an ICMP error says of the packet it carries, enough for a flow key.

    query: it is an ICMP query and `identifier` its identifier. Addresses are integers.
    """

    version: int
    protocol: int
    source: int
    destination: int
    sport: int = 0
    dport: int = 0
    query: bool = False
    identifier: int = 0


class Packet(NamedTuple):
    """One parsed packet. Fields after `cls` mean something only as far as the class knows them.

    version: 4 or 6. protocol: after extension headers. source, destination: addresses as integers.
    sport, dport: TCP, UDP and SCTP, else 0. icmp_type, icmp_code: None unless the packet is ICMP (protocol
    1 in IPv4, 58 in IPv6). identifier: of a query or reply. inner: of an error, None when unusable.
    """

    cls: PacketClass
    version: int = 0
    protocol: int = 0
    source: int = 0
    destination: int = 0
    sport: int = 0
    dport: int = 0
    tcp_flags: int = 0
    icmp_type: int | None = None
    icmp_code: int | None = None
    identifier: int = 0
    inner: Inner | None = None

    def local(self, direction: Direction) -> tuple[int, int]:
        """Address and port of the endpoint's side (`pair.flow`: ingress has local = destination)."""
        if direction is Direction.INGRESS:
            return self.destination, self.dport
        return self.source, self.sport

    def remote(self, direction: Direction) -> tuple[int, int]:
        """Address and port of the other side."""
        return self.local(direction.other)

    def reversed(self) -> Packet:
        """The packet that this one answers: addresses and ports swapped; of a reply the request (code 0)."""
        answered = self._replace(
            source=self.destination, destination=self.source, sport=self.dport, dport=self.sport
        )
        if self.cls is not PacketClass.REPLY:
            return answered
        queries = names.QUERY_TYPES_V4 if self.version == 4 else names.QUERY_TYPES_V6
        kind = next(query for query, reply in queries.items() if reply == self.icmp_type)
        return answered._replace(cls=PacketClass.QUERY, icmp_type=kind, icmp_code=0)


def parse_packet(frame: bytes, l2: int = 14, ethertype: int | None = None) -> Packet:
    """The packet of a frame.

    l2: bytes before the IP header. ethertype: what the kernel calls `skb->protocol`; when None it is read
    from the two bytes before the IP header, or, with no link-layer header, told from the version nibble.
    """
    if ethertype is None:
        ethertype = _ethertype(frame, l2)
    data = frame[l2:]
    if ethertype == names.ETH_ARP:
        return Packet(PacketClass.ARP)
    if ethertype == names.ETH_IPV4:
        return _parse_v4(data)
    if ethertype == names.ETH_IPV6:
        return _parse_v6(data)
    return Packet(PacketClass.NOT_IP)


def _ethertype(frame: bytes, l2: int) -> int:
    if l2 >= 2:
        return int.from_bytes(frame[l2 - 2 : l2], "big")
    return {4: names.ETH_IPV4, 6: names.ETH_IPV6}.get(frame[0] >> 4 if frame else 0, 0)


def _number(data: bytes, start: int, size: int) -> int:
    return int.from_bytes(data[start : start + size], "big")


def _parse_v4(data: bytes) -> Packet:
    known = Packet(PacketClass.SHORT, version=4)
    if len(data) < _IPV4_HEADER:
        return known
    header = (data[0] & 0x0F) * 4
    if data[0] >> 4 != 4 or header < _IPV4_HEADER:
        return known._replace(cls=PacketClass.MALFORMED)
    if len(data) < header:
        return known
    known = known._replace(protocol=data[9], source=_number(data, 12, 4), destination=_number(data, 16, 4))
    if _number(data, 6, 2) & 0x1FFF:
        return known._replace(cls=PacketClass.FRAGMENT)
    return _parse_payload(known, data[header:])


def _parse_v6(data: bytes) -> Packet:
    known = Packet(PacketClass.SHORT, version=6)
    if len(data) < _IPV6_HEADER:
        return known
    if data[0] >> 4 != 6:
        return known._replace(cls=PacketClass.MALFORMED)
    known = known._replace(protocol=data[6], source=_number(data, 8, 16), destination=_number(data, 24, 16))
    return _walk_extensions(known, data)


def _walk_extensions(known: Packet, data: bytes) -> Packet:
    """Follows the chain of next headers (RFC 8200 §4) to the protocol; `known.protocol` is where it is."""
    header, at, seen = known.protocol, _IPV6_HEADER, 0
    while header in names.EXTENSIONS:
        seen += 1
        if seen > names.EXTENSION_LIMIT or len(data) < at + 8:
            return known._replace(cls=PacketClass.EXTENSION, protocol=header)
        length = 8
        if header == names.EXT_FRAGMENT:
            if _number(data, at + 2, 2) >> 3:
                return known._replace(cls=PacketClass.FRAGMENT, protocol=data[at])
        elif header == names.EXT_AUTH:
            length = (data[at + 1] + 2) * 4
        else:
            length = (data[at + 1] + 1) * 8
        header, at = data[at], at + length
    if header == names.EXT_NONE:
        return known._replace(cls=PacketClass.EXTENSION, protocol=header)
    return _parse_payload(known._replace(protocol=header), data[at:])


def _parse_payload(known: Packet, payload: bytes) -> Packet:
    """The packet, given its IP part and the bytes after all IP headers."""
    least = names.MIN_TCP if known.protocol == names.PROTO_TCP else names.MIN_L4
    if len(payload) < least:
        return known
    if known.protocol in names.PORT_PROTOCOLS:
        known = known._replace(sport=_number(payload, 0, 2), dport=_number(payload, 2, 2))
    if known.protocol == names.PROTO_TCP:
        return known._replace(cls=PacketClass.TCP, tcp_flags=payload[13])
    if known.protocol == names.PROTO_UDP:
        return known._replace(cls=PacketClass.UDP)
    if known.protocol == _icmp_protocol(known.version):
        return _parse_icmp(known, payload)
    return known._replace(cls=PacketClass.GENERIC)


def _icmp_protocol(version: int) -> int:
    return names.PROTO_ICMP if version == 4 else names.PROTO_ICMPV6


def _parse_icmp(known: Packet, payload: bytes) -> Packet:
    kind = payload[0]
    known = known._replace(cls=_icmp_class(known.version, kind), icmp_type=kind, icmp_code=payload[1])
    if known.cls in (PacketClass.QUERY, PacketClass.REPLY):
        return known._replace(identifier=_number(payload, 4, 2))
    if known.cls is PacketClass.ERROR:
        inner = _inner_v4(payload[8:]) if known.version == 4 else _inner_v6(payload[8:])
        return known._replace(inner=inner)
    return known


def _icmp_class(version: int, kind: int) -> PacketClass:
    queries = names.QUERY_TYPES_V4 if version == 4 else names.QUERY_TYPES_V6
    if version == 6 and kind in names.NEIGHBOUR_TYPES:
        return PacketClass.NEIGHBOUR
    if kind in queries:
        return PacketClass.QUERY
    if kind in queries.values():
        return PacketClass.REPLY
    error = kind in names.ERROR_TYPES_V4 if version == 4 else kind < names.ERROR_TYPES_V6_BELOW
    return PacketClass.ERROR if error else PacketClass.ICMP


def _inner_v4(data: bytes) -> Inner | None:
    """The packet inside an ICMP error; None when it is cut, malformed or a later fragment."""
    header = (data[0] & 0x0F) * 4 if data else 0
    if header < _IPV4_HEADER or data[0] >> 4 != 4 or len(data) < header + names.MIN_L4:
        return None
    if _number(data, 6, 2) & 0x1FFF:
        return None
    found = Inner(4, data[9], _number(data, 12, 4), _number(data, 16, 4))
    return _inner_payload(found, data[header:])


def _inner_v6(data: bytes) -> Inner | None:
    """As `_inner_v4`; extension headers are not walked, so a packet that has one is of no use."""
    if len(data) < _IPV6_HEADER + names.MIN_L4 or data[0] >> 4 != 6 or data[6] in names.EXTENSIONS:
        return None
    found = Inner(6, data[6], _number(data, 8, 16), _number(data, 24, 16))
    return _inner_payload(found, data[_IPV6_HEADER:])


def _inner_payload(found: Inner, payload: bytes) -> Inner | None:
    if found.protocol in names.PORT_PROTOCOLS:
        return found._replace(sport=_number(payload, 0, 2), dport=_number(payload, 2, 2))
    if found.protocol == _icmp_protocol(found.version):
        if _icmp_class(found.version, payload[0]) is not PacketClass.QUERY:
            return None
        return found._replace(query=True, identifier=_number(payload, 4, 2))
    return found
