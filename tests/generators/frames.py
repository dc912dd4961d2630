"""Five-tuples as raw Ethernet frames, packed by hand from the RFCs, and frames that are odd on purpose."""

from __future__ import annotations

from random import Random
from struct import pack

from polc.tests.oracle.rule_reading import Packet

ETHER = bytes.fromhex("020000000002020000000001")
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10


def address_bytes(family: int, address: int) -> bytes:
    return address.to_bytes(4 if family == 4 else 16, "big")


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def transport(packet: Packet, flags: int = SYN, identifier: int = 1, body: bytes = b"polc-test") -> bytes:
    """What stands behind the IP header (RFC 9293, 768, 9260, 792, 4443); `body` for other protocols.

    Protocol 1 in IPv6 and 58 in IPv4 look like ICMP here, and are not.
    """
    if packet.protocol == 6:
        return pack(">HHIIBBHHH", packet.sport, packet.dport, 1, 0, 5 << 4, flags, 64240, 0, 0) + body
    if packet.protocol == 17:
        return pack(">HHHH", packet.sport, packet.dport, 8 + len(body), 0) + body
    if packet.protocol == 132:
        return pack(">HHII", packet.sport, packet.dport, 1, 0) + body
    if packet.protocol in (1, 58):
        return pack(">BBHHH", packet.icmp_type, packet.icmp_code, 0, identifier, 1) + body
    return body.ljust(8, b"\0")


def ipv4(packet: Packet, payload: bytes, options: bytes = b"", fragment: int = 0, identity: int = 7) -> bytes:
    """RFC 791. options: a multiple of 4 bytes. fragment: the flags and offset field."""
    head = pack(
        ">BBHHHBBH4s4s",
        0x45 + len(options) // 4,
        0,
        20 + len(options) + len(payload),
        identity,
        fragment,
        64,
        packet.protocol,
        0,
        address_bytes(4, packet.source),
        address_bytes(4, packet.destination),
    )
    head += options
    return head[:10] + pack(">H", checksum(head)) + head[12:] + payload


def ipv6(packet: Packet, payload: bytes, extensions: tuple[tuple[int, bytes], ...] = ()) -> bytes:
    """RFC 8200. extensions: (header number, its bytes, the first of which is set to the next number)."""
    chain = b""
    following = packet.protocol
    for number, data in reversed(extensions):
        chain = bytes([following]) + data[1:] + chain
        following = number
    addresses = address_bytes(6, packet.source) + address_bytes(6, packet.destination)
    return pack(">IHBB", 0x60000000, len(chain) + len(payload), following, 64) + addresses + chain + payload


def ether(family: int, data: bytes) -> bytes:
    return ETHER + pack(">H", 0x0800 if family == 4 else 0x86DD) + data


def frame_of(packet: Packet, flags: int = SYN, identifier: int = 1) -> bytes:
    """The plain frame of a five-tuple."""
    payload = transport(packet, flags, identifier)
    data = ipv4(packet, payload) if packet.family == 4 else ipv6(packet, payload)
    return ether(packet.family, data)


def dressed_frame(rng: Random, packet: Packet, flags: int = SYN, identifier: int = 1) -> bytes:
    """The same five-tuple with IPv4 options, or IPv6 extension headers, that must not change its verdict."""
    payload = transport(packet, flags, identifier)
    if packet.family == 4:
        options = b"\x01" * (4 * rng.choice([1, 2, 10]))
        first = rng.choice([0, 0x4000, 0x2000])  # none, don't fragment, the first of several
        return ether(4, ipv4(packet, payload, options, first))
    kinds = {
        0: b"\0\0" + b"\x01\x04" + b"\0" * 4,
        60: b"\0\x01" + b"\x01\x0c" + b"\0" * 12,
        43: b"\0\x02\x04\x00" + b"\0" * 20,
        44: b"\0\0\0\x01\0\0\0\x07",
        51: b"\0\x04" + b"\0" * 22,
    }
    chosen = rng.sample(sorted(kinds), rng.choice([1, 2, 3]))
    return ether(6, ipv6(packet, payload, tuple((number, kinds[number]) for number in chosen)))


def odd_frame(rng: Random, packet: Packet) -> bytes:
    """A frame that no rule should ever see, or that is cut short somewhere."""
    plain = frame_of(packet)
    shape = rng.choice(["cut", "cut", "arp", "foreign", "version", "ihl", "fragment", "chain", "none"])
    if shape == "cut":
        return plain[: rng.randrange(15, len(plain))]
    if shape == "arp":
        return ETHER + b"\x08\x06" + bytes.fromhex("0001080006040001") + b"\0" * 20
    if shape == "foreign":
        return ETHER + pack(">H", rng.choice([0x88CC, 0x8847, 0x0805, 0x86DC])) + plain[14:]
    if shape == "version":
        return plain[:14] + bytes([plain[14] ^ rng.choice([0x20, 0x10, 0x80])]) + plain[15:]
    if shape == "ihl" and packet.family == 4:
        return plain[:14] + bytes([0x40 + rng.choice([0, 4, 15])]) + plain[15:]
    payload = transport(packet)
    if packet.family == 4:
        return ether(4, ipv4(packet, payload, fragment=rng.choice([1, 0x2001, 0x1FFF])))
    later = b"\0\0" + pack(">H", rng.choice([8, 9, 0xFFF8])) + b"\0\0\0\x07"
    hop = b"\0\0\x01\x04\0\0\0\0"
    chains = {
        "fragment": ((44, later),),
        "chain": ((60, hop),) * rng.choice([8, 9, 12]),
        "none": ((60, hop), (59, hop)),
    }
    return ether(6, ipv6(packet, payload, chains.get(shape, chains["fragment"])))
