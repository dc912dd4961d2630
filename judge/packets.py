"""Packets as people name them (`TCP 10.0.0.1:49152 > 10.0.0.2:80`), and the frames that say the same.

Headers by RFC 791, 8200, 9293, 768, 9260, 792 and 4443. Checksums are right, so that a frame can be written
to a capture and read elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from struct import pack
from typing import Final

from ..compiler.model import Packet
from ..pair.packet import (
    ETH_IPV4,
    ETH_IPV6,
    PORT_PROTOCOLS,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    PROTO_UDPLITE,
    QUERY_TYPES_V4,
    QUERY_TYPES_V6,
    TCP_ACK,
    TCP_FIN,
    TCP_RST,
    TCP_SYN,
    PacketClass,
)

Address = IPv4Address | IPv6Address

PROTOCOL_NAMES: Final = {
    PROTO_TCP: "TCP",
    PROTO_UDP: "UDP",
    PROTO_ICMP: "ICMP",
    PROTO_ICMPV6: "ICMPv6",
    PROTO_SCTP: "SCTP",
    PROTO_UDPLITE: "UDPLite",
}
EPHEMERAL: Final = 49152  # the first port that clients take (RFC 6335 §6)
_FLAGS: Final = {TCP_SYN: "syn", TCP_FIN: "fin", TCP_RST: "rst", TCP_ACK: "ack"}
_ETHER: Final = bytes.fromhex("020000000002020000000001")
_ICMP_OF: Final = {4: PROTO_ICMP, 6: PROTO_ICMPV6}
_BODY: Final = b"polc-test"


def protocol_text(number: int) -> str:
    """The name that policies use, else the number."""
    return PROTOCOL_NAMES.get(number, str(number))


def parse_protocol(text: str) -> int:
    """A protocol by name, in any case, or by number 0–255; ValueError otherwise."""
    names = {name.lower(): number for number, name in PROTOCOL_NAMES.items()}
    if text.lower() in names:
        return names[text.lower()]
    if text.isascii() and text.isdigit() and len(text) < 4 and int(text) < 256:
        return int(text)
    raise ValueError(
        f"{text!r} is no protocol: it is {', '.join(PROTOCOL_NAMES.values())} or a number to 255"
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """One packet. Ports: of TCP, UDP and SCTP. icmp_type, icmp_code: of ICMP (1 in IPv4, 58 in IPv6).

    flags: of TCP. identifier: of an ICMP query or its reply. about: the packet that an ICMP error carries.
    """

    protocol: int
    source: Address
    destination: Address
    sport: int = 0
    dport: int = 0
    flags: int = TCP_SYN
    icmp_type: int = 0
    icmp_code: int = 0
    identifier: int = 1
    about: Wanted | None = None

    @property
    def version(self) -> int:
        return self.source.version

    @property
    def is_icmp(self) -> bool:
        return self.protocol == _ICMP_OF[self.version]

    def answer(self, flags: int = TCP_SYN | TCP_ACK) -> Wanted:
        """The packet that the other side sends back: addresses and ports swapped, an ICMP query's reply."""
        turned = replace(
            self,
            source=self.destination,
            destination=self.source,
            sport=self.dport,
            dport=self.sport,
            flags=flags,
        )
        replies = QUERY_TYPES_V4 if self.version == 4 else QUERY_TYPES_V6
        return (
            replace(turned, icmp_type=replies.get(self.icmp_type, self.icmp_type)) if self.is_icmp else turned
        )

    def unreachable(self) -> Wanted:
        """The ICMP error by which the receiver refuses this packet (port unreachable: RFC 792, RFC 4443)."""
        kind, code = (3, 3) if self.version == 4 else (1, 4)
        return Wanted(
            _ICMP_OF[self.version],
            self.destination,
            self.source,
            icmp_type=kind,
            icmp_code=code,
            about=self,
        )

    def text(self) -> str:
        """`TCP 10.0.0.1:49152 > 10.0.0.2:80 syn`."""
        ports = self.protocol in PORT_PROTOCOLS
        words = [
            protocol_text(self.protocol),
            endpoint_text(self.source, self.sport if ports else None),
            ">",
            endpoint_text(self.destination, self.dport if ports else None),
        ]
        if self.protocol == PROTO_TCP:
            words.append(flags_text(self.flags))
        if self.is_icmp:
            words.append(f"type {self.icmp_type} code {self.icmp_code}")
        return " ".join(words)

    def frame(self) -> bytes:
        """The packet behind an Ethernet header."""
        ethertype = ETH_IPV4 if self.version == 4 else ETH_IPV6
        return _ETHER + pack(">H", ethertype) + self._datagram()

    def _datagram(self) -> bytes:
        ends = self.source.packed + self.destination.packed
        payload = self._payload()
        if self.version == 4:
            head = pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, self.protocol, 0) + ends
            return head[:10] + pack(">H", _checksum(head)) + head[12:] + payload
        return pack(">IHBB", 6 << 28, len(payload), self.protocol, 64) + ends + payload

    def _payload(self) -> bytes:
        if self.protocol == PROTO_TCP:
            made = pack(">HHIIBBHHH", self.sport, self.dport, 1, 0, 5 << 4, self.flags, 64240, 0, 0)
            return self._summed(made, 16)
        if self.protocol == PROTO_UDP:
            return self._summed(pack(">HHHH", self.sport, self.dport, 8 + len(_BODY), 0) + _BODY, 6)
        if self.protocol == PROTO_SCTP:
            return pack(">HHII", self.sport, self.dport, 1, 0) + _BODY
        if self.is_icmp:
            rest = pack(">HH", 0, 0) + self.about._datagram() if self.about else self._query()
            return self._summed(pack(">BBH", self.icmp_type, self.icmp_code, 0) + rest, 2)
        return _BODY

    def _query(self) -> bytes:
        return pack(">HH", self.identifier, 1) + _BODY

    def _summed(self, payload: bytes, at: int) -> bytes:
        """The payload with its checksum, over the pseudo header too where the protocol has one."""
        pseudo = b""
        if self.protocol != PROTO_ICMP:
            pseudo = self.source.packed + self.destination.packed + pack(">II", len(payload), self.protocol)
        return payload[:at] + pack(">H", _checksum(pseudo + payload)) + payload[at + 2 :]


def echo_type(version: int) -> int:
    """The ICMP type of an echo request in IPv4 or IPv6."""
    return 8 if version == 4 else 128


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def endpoint_text(address: Address, port: int | None) -> str:
    """`10.0.0.1:80`, `[2001:db8::1]:80`, or the address alone."""
    if port is None:
        return str(address)
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def flags_text(flags: int) -> str:
    """`syn`, `syn-ack`, `ack`, …; `none` for a segment without any of the four that matter."""
    return "-".join(word for flag, word in _FLAGS.items() if flags & flag) or "none"


def packet_address(packet: Packet, address: int) -> Address:
    """An address of a parsed packet."""
    return IPv4Address(address) if packet.version == 4 else IPv6Address(address)


_UNREAD: Final = {
    PacketClass.ARP: "ARP",
    PacketClass.NOT_IP: "no IP packet",
    PacketClass.MALFORMED: "malformed IP packet",
}


def packet_text(packet: Packet) -> str:
    """A parsed packet in one line, as far as it could be read."""
    if packet.cls in _UNREAD:
        return _UNREAD[packet.cls]
    if packet.cls is PacketClass.SHORT and not (packet.source or packet.destination):
        return f"IPv{packet.version} packet, cut short"
    ports = packet.cls in (PacketClass.TCP, PacketClass.UDP) or packet.sport or packet.dport
    source, destination = (packet_address(packet, one) for one in (packet.source, packet.destination))
    words = [
        protocol_text(packet.protocol),
        endpoint_text(source, packet.sport if ports else None),
        ">",
        endpoint_text(destination, packet.dport if ports else None),
    ]
    if packet.cls is PacketClass.TCP:
        words.append(flags_text(packet.tcp_flags))
    if packet.icmp_type is not None:
        words.append(f"type {packet.icmp_type} code {packet.icmp_code}")
    if packet.cls in (PacketClass.FRAGMENT, PacketClass.SHORT, PacketClass.EXTENSION):
        words.append(f"({packet.cls.name.lower()})")
    return " ".join(words)
