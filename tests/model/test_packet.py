"""The model's parser finds the class, addresses and ports of a frame as dossier §11.3 and the RFCs say."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polc.compiler.model import Inner, Packet, parse_packet
from polc.pair.packet import PacketClass
from polc.tests.model.frames import (
    ACK,
    ETHER,
    PEER,
    PEER6,
    POD,
    POD6,
    SYN,
    ether,
    icmp,
    icmp_part,
    ip,
    tcp,
    tcp_part,
    udp,
    udp_part,
)

HOP, ROUTING, FRAGMENT, AUTH, NONE, DESTINATION = 0, 43, 44, 51, 59, 60


def number(text: str) -> int:
    return int(ip_address(text))


def cls(packet: bytes) -> PacketClass:
    return parse_packet(ether(packet)).cls


def v4(protocol: int, payload: bytes, **rest: object) -> PacketClass:
    return cls(ip(PEER, POD, protocol, payload, **rest))  # type: ignore[arg-type]


def v6(protocol: int, payload: bytes) -> PacketClass:
    return cls(ip(PEER6, POD6, protocol, payload))


def test_a_tcp_segment_gives_its_tuple_and_flags() -> None:
    assert parse_packet(tcp(PEER, POD, 4000, 80, SYN | ACK)) == Packet(
        PacketClass.TCP, 4, 6, number(PEER), number(POD), 4000, 80, tcp_flags=SYN | ACK
    )


def test_a_udp_datagram_over_ipv6_gives_its_tuple() -> None:
    assert parse_packet(udp(PEER6, POD6, 5, 6)) == Packet(
        PacketClass.UDP, 6, 17, number(PEER6), number(POD6), 5, 6
    )


def test_icmp_gives_type_code_and_the_identifier_of_a_query() -> None:
    echo = parse_packet(icmp(PEER, POD, 8, 3, identifier=77))
    assert (echo.cls, echo.icmp_type, echo.icmp_code, echo.identifier) == (PacketClass.QUERY, 8, 3, 77)
    assert (echo.sport, echo.dport) == (0, 0)


def test_sctp_has_ports_and_udplite_has_none() -> None:
    sctp = parse_packet(ether(ip(PEER, POD, 132, udp_part(7, 9))))
    assert (sctp.cls, sctp.sport, sctp.dport) == (PacketClass.GENERIC, 7, 9)
    lite = parse_packet(ether(ip(PEER, POD, 136, udp_part(7, 9))))
    assert (lite.cls, lite.sport, lite.dport) == (PacketClass.GENERIC, 0, 0)


@pytest.mark.parametrize(
    ("version", "kind", "expected"),
    [
        (4, 8, PacketClass.QUERY),
        (4, 13, PacketClass.QUERY),
        (4, 15, PacketClass.QUERY),
        (4, 17, PacketClass.QUERY),
        (4, 0, PacketClass.REPLY),
        (4, 14, PacketClass.REPLY),
        (4, 16, PacketClass.REPLY),
        (4, 18, PacketClass.REPLY),
        (4, 3, PacketClass.ERROR),
        (4, 4, PacketClass.ERROR),
        (4, 5, PacketClass.ERROR),
        (4, 11, PacketClass.ERROR),
        (4, 12, PacketClass.ERROR),
        (4, 9, PacketClass.ICMP),
        (4, 135, PacketClass.ICMP),
        (6, 128, PacketClass.QUERY),
        (6, 129, PacketClass.REPLY),
        (6, 0, PacketClass.ERROR),
        (6, 1, PacketClass.ERROR),
        (6, 127, PacketClass.ERROR),
        (6, 130, PacketClass.NEIGHBOUR),
        (6, 131, PacketClass.NEIGHBOUR),
        (6, 132, PacketClass.NEIGHBOUR),
        (6, 133, PacketClass.NEIGHBOUR),
        (6, 134, PacketClass.ICMP),
        (6, 135, PacketClass.NEIGHBOUR),
        (6, 136, PacketClass.NEIGHBOUR),
        (6, 137, PacketClass.ICMP),
    ],
)
def test_icmp_types_fall_into_the_dossier_s_classes(version: int, kind: int, expected: PacketClass) -> None:
    near, far = (PEER, POD) if version == 4 else (PEER6, POD6)
    assert parse_packet(icmp(near, far, kind)).cls is expected


def test_icmp_of_the_other_family_is_no_icmp() -> None:
    for packet in (ip(PEER, POD, 58, icmp_part(128)), ip(PEER6, POD6, 1, icmp_part(8))):
        found = parse_packet(ether(packet))
        assert (found.cls, found.icmp_type) == (PacketClass.GENERIC, None)


def test_arp_and_other_ethertypes_are_told_apart() -> None:
    assert parse_packet(ether(bytes(28), 0x0806)).cls is PacketClass.ARP
    assert parse_packet(ether(bytes(28), 0x8100)).cls is PacketClass.NOT_IP
    assert parse_packet(ETHER).cls is PacketClass.NOT_IP


def test_an_ipv4_header_that_contradicts_itself_is_malformed() -> None:
    good = ip(PEER, POD, 17, udp_part(1, 2))
    assert cls(good) is PacketClass.UDP
    assert parse_packet(ether(b"\x44" + good[1:], 0x0800)).cls is PacketClass.MALFORMED
    assert parse_packet(ether(b"\x65" + good[1:], 0x0800)).cls is PacketClass.MALFORMED
    assert parse_packet(ether(b"\x4f" + good[1:], 0x0800)).cls is PacketClass.SHORT
    assert parse_packet(ether(good, 0x86DD)).cls is PacketClass.SHORT
    assert parse_packet(ether(good + bytes(20), 0x86DD)).cls is PacketClass.MALFORMED


@pytest.mark.parametrize(("protocol", "least"), [(6, 20), (17, 8), (1, 8), (132, 8), (47, 8)])
def test_a_payload_below_its_least_length_is_short(protocol: int, least: int) -> None:
    for length in range(least):
        assert v4(protocol, bytes(length)) is PacketClass.SHORT
        assert v6(58 if protocol == 1 else protocol, bytes(length)) is PacketClass.SHORT
    assert v4(protocol, bytes(least)) is not PacketClass.SHORT
    assert v6(58 if protocol == 1 else protocol, bytes(least)) is not PacketClass.SHORT


def test_ipv4_options_are_parsed_past() -> None:
    found = parse_packet(ether(ip(PEER, POD, 17, udp_part(5, 6), options=bytes(40))))
    assert (found.cls, found.sport, found.dport) == (PacketClass.UDP, 5, 6)


def test_only_the_first_ipv4_fragment_has_ports() -> None:
    assert v4(17, udp_part(5, 6), fragment=0x2000) is PacketClass.UDP
    assert v4(17, udp_part(5, 6), fragment=0x2001) is PacketClass.FRAGMENT
    assert v4(17, b"", fragment=0x1FFF) is PacketClass.FRAGMENT


def extension(following: int, length: int, size: int, second: bytes = b"") -> bytes:
    return (bytes([following, length]) + second).ljust(size, b"\0")


def test_ipv6_extension_headers_have_the_lengths_of_the_rfcs() -> None:
    """QUIRK 15: AUTH counts 4-byte units, the fragment header is 8 bytes long."""
    chain = (
        extension(ROUTING, 1, 16)
        + extension(AUTH, 0, 8)
        + extension(FRAGMENT, 4, 24)
        + extension(DESTINATION, 99, 8, b"\0\1")
        + extension(17, 2, 24)
    )
    found = parse_packet(ether(ip(PEER6, POD6, HOP, chain + udp_part(5, 6))))
    assert (found.cls, found.protocol, found.sport, found.dport) == (PacketClass.UDP, 17, 5, 6)


def test_a_later_ipv6_fragment_is_a_fragment() -> None:
    assert v6(FRAGMENT, extension(17, 0, 8, b"\0\x08") + udp_part(1, 2)) is PacketClass.FRAGMENT
    assert v6(FRAGMENT, extension(17, 0, 8, b"\0\x07") + udp_part(1, 2)) is PacketClass.UDP


def test_eight_extension_headers_are_walked_and_no_more() -> None:
    def chain(count: int) -> bytes:
        headers = [extension(DESTINATION, 0, 8)] * (count - 1) + [extension(17, 0, 8)]
        return b"".join(headers) + udp_part(1, 2)

    assert v6(DESTINATION, chain(8)) is PacketClass.UDP
    assert v6(DESTINATION, chain(9)) is PacketClass.EXTENSION


def test_a_chain_that_ends_in_nothing_or_beyond_the_frame_is_dropped_as_such() -> None:
    assert v6(NONE, bytes(40)) is PacketClass.EXTENSION
    assert v6(HOP, extension(NONE, 0, 8) + bytes(40)) is PacketClass.EXTENSION
    assert v6(HOP, bytes(7)) is PacketClass.EXTENSION
    assert v6(HOP, extension(HOP, 9, 8)) is PacketClass.EXTENSION
    assert v6(HOP, extension(17, 9, 8) + udp_part(1, 2)) is PacketClass.SHORT


def test_an_icmp_error_tells_of_the_packet_inside() -> None:
    inside = ip(POD, PEER, 6, tcp_part(80, 4000, 0)[:8])
    found = parse_packet(icmp(PEER, POD, 3, 1, body=inside)).inner
    assert found == Inner(4, 6, number(POD), number(PEER), 80, 4000)
    inside = ip(POD6, PEER6, 58, icmp_part(128, identifier=9))
    found = parse_packet(icmp(PEER6, POD6, 1, body=inside)).inner
    assert found == Inner(6, 58, number(POD6), number(PEER6), query=True, identifier=9)
    inside = ip(POD, PEER, 47, bytes(8))
    assert parse_packet(icmp(PEER, POD, 11, body=inside)).inner == Inner(4, 47, number(POD), number(PEER))


@pytest.mark.parametrize(
    "inside",
    [
        b"",
        ip(POD, PEER, 17, udp_part(1, 2))[:-1],
        ip(POD, PEER, 17, udp_part(1, 2), options=bytes(4))[:-1],
        ip(POD, PEER, 17, udp_part(1, 2), fragment=1),
        b"\x44" + ip(POD, PEER, 17, udp_part(1, 2))[1:],
        ip(POD6, PEER6, 17, udp_part(1, 2)),
        ip(POD, PEER, 1, icmp_part(0)),
        ip(POD, PEER, 1, icmp_part(3)),
    ],
)
def test_an_icmp_error_about_nothing_usable_has_no_inner_packet(inside: bytes) -> None:
    found = parse_packet(icmp(PEER, POD, 3, body=inside))
    assert (found.cls, found.inner) == (PacketClass.ERROR, None)


def test_an_inner_ipv6_packet_with_extension_headers_is_of_no_use() -> None:
    inside = ip(POD6, PEER6, DESTINATION, extension(17, 0, 8) + udp_part(1, 2))
    assert parse_packet(icmp(PEER6, POD6, 1, body=inside)).inner is None


def test_the_link_layer_may_be_longer_or_missing() -> None:
    packet = ip(PEER, POD, 17, udp_part(5, 6))
    plain = parse_packet(ether(packet))
    assert parse_packet(bytes(4) + ether(packet), 18) == plain
    assert parse_packet(packet, 0) == plain
    assert parse_packet(bytes(14) + packet, 14, 0x0800) == plain
    assert parse_packet(b"", 0).cls is PacketClass.NOT_IP


def test_a_reply_reversed_is_the_request_it_answers() -> None:
    reply = parse_packet(icmp(PEER, POD, 14, 5, identifier=3))
    asked = reply.reversed()
    assert (asked.cls, asked.icmp_type, asked.icmp_code) == (PacketClass.QUERY, 13, 0)
    assert (asked.source, asked.destination) == (number(POD), number(PEER))


@given(st.binary(max_size=120), st.sampled_from([0x0800, 0x86DD]))
def test_any_bytes_are_some_class(data: bytes, ethertype: int) -> None:
    found = parse_packet(ether(data, ethertype))
    assert found.cls in PacketClass
    assert all(value >= 0 for value in found if isinstance(value, int))
