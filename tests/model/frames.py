"""Raw frames for the model's traces, packed by hand from RFC 791, 792, 768, 4443, 8200, 9293."""

from __future__ import annotations

from ipaddress import ip_address
from struct import pack

ETHER = bytes(12)
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

POD, PEER, OTHER = "10.1.0.7", "10.2.0.9", "10.3.0.3"
POD6, PEER6 = "fd00:1::7", "fd00:2::9"


def ip(
    source: str, destination: str, protocol: int, payload: bytes, *, fragment: int = 0, options: bytes = b""
) -> bytes:
    """An IPv4 or IPv6 packet, by the kind of the addresses; checksums are zero, nobody looks at them."""
    near, far = ip_address(source).packed, ip_address(destination).packed
    if len(near) == 16:
        return pack(">IHBB", 6 << 28, len(payload), protocol, 64) + near + far + payload
    head = 0x45 + len(options) // 4
    size = 20 + len(options) + len(payload)
    return pack(">BBHHHBBH", head, 0, size, 1, fragment, 64, protocol, 0) + near + far + options + payload


def ether(packet: bytes, ethertype: int | None = None) -> bytes:
    """The frame of an IP packet."""
    if ethertype is None:
        ethertype = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    return ETHER + pack(">H", ethertype) + packet


def tcp_part(sport: int, dport: int, flags: int) -> bytes:
    return pack(">HHIIBBHHH", sport, dport, 0, 0, 0x50, flags, 0, 0, 0)


def udp_part(sport: int, dport: int) -> bytes:
    return pack(">HHHH", sport, dport, 8, 0)


def icmp_part(kind: int, code: int = 0, identifier: int = 0) -> bytes:
    return pack(">BBHHH", kind, code, 0, identifier, 0)


def tcp(source: str, destination: str, sport: int, dport: int, flags: int) -> bytes:
    return ether(ip(source, destination, 6, tcp_part(sport, dport, flags)))


def udp(source: str, destination: str, sport: int, dport: int) -> bytes:
    return ether(ip(source, destination, 17, udp_part(sport, dport)))


def icmp(
    source: str, destination: str, kind: int, code: int = 0, identifier: int = 0, body: bytes = b""
) -> bytes:
    protocol = 58 if ":" in source else 1
    return ether(ip(source, destination, protocol, icmp_part(kind, code, identifier) + body))
