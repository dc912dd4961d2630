"""The packets that people name and the frames made of them are the same, as the model reads them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from polc.compiler.model import Packet, parse_packet
from polc.judge.packets import Wanted, packet_text, parse_protocol
from polc.pair.packet import TCP_ACK, TCP_RST, TCP_SYN, PacketClass

A4, B4 = ip_address("10.0.0.1"), ip_address("192.0.2.9")
A6, B6 = ip_address("2001:db8::1"), ip_address("fd00::9")


@pytest.mark.parametrize(
    ("wanted", "cls", "text"),
    [
        (Wanted(6, A4, B4, 1, 80), PacketClass.TCP, "TCP 10.0.0.1:1 > 192.0.2.9:80 syn"),
        (Wanted(6, A6, B6, 1, 80, TCP_RST), PacketClass.TCP, "TCP [2001:db8::1]:1 > [fd00::9]:80 rst"),
        (Wanted(17, A6, B6, 5, 53), PacketClass.UDP, "UDP [2001:db8::1]:5 > [fd00::9]:53"),
        (Wanted(132, A4, B4, 5, 53), PacketClass.GENERIC, "SCTP 10.0.0.1:5 > 192.0.2.9:53"),
        (Wanted(47, A4, B4), PacketClass.GENERIC, "47 10.0.0.1 > 192.0.2.9"),
        (Wanted(1, A4, B4, icmp_type=8), PacketClass.QUERY, "ICMP 10.0.0.1 > 192.0.2.9 type 8 code 0"),
        (
            Wanted(58, A6, B6, icmp_type=129),
            PacketClass.REPLY,
            "ICMPv6 2001:db8::1 > fd00::9 type 129 code 0",
        ),
        (Wanted(58, A4, B4), PacketClass.GENERIC, "ICMPv6 10.0.0.1 > 192.0.2.9"),
        (Wanted(6, A4, B4, 0, 0), PacketClass.TCP, "TCP 10.0.0.1:0 > 192.0.2.9:0 syn"),
    ],
)
def test_a_named_packet_is_parsed_as_what_it_says(wanted: Wanted, cls: PacketClass, text: str) -> None:
    packet = parse_packet(wanted.frame())
    assert packet.cls is cls
    assert (packet.source, packet.destination) == (int(wanted.source), int(wanted.destination))
    assert (packet.sport, packet.dport) == (wanted.sport, wanted.dport)
    assert wanted.text() == text == packet_text(packet)


def test_an_answer_swaps_the_ends_and_answers_a_query() -> None:
    answer = Wanted(6, A4, B4, 1000, 80).answer()
    assert answer.text() == "TCP 192.0.2.9:80 > 10.0.0.1:1000 syn-ack"
    assert Wanted(1, A4, B4, icmp_type=8, identifier=3).answer().icmp_type == 0
    assert Wanted(58, A6, B6, icmp_type=128).answer().icmp_type == 129
    assert parse_packet(Wanted(1, A4, B4, icmp_type=8, identifier=3).answer().frame()).identifier == 3


@pytest.mark.parametrize("about", [Wanted(17, A4, B4, 5, 53), Wanted(17, A6, B6, 5, 53)])
def test_an_error_carries_the_packet_it_is_about(about: Wanted) -> None:
    packet = parse_packet(about.unreachable().frame())
    assert packet.cls is PacketClass.ERROR
    assert packet.source == int(about.destination)
    assert packet.inner is not None
    assert (packet.inner.protocol, packet.inner.sport, packet.inner.dport) == (17, 5, 53)
    assert packet.inner.source == int(about.source)


def test_checksums_are_right() -> None:
    def total(data: bytes) -> int:
        value = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
        while value > 0xFFFF:
            value = (value & 0xFFFF) + (value >> 16)
        return value

    for wanted in (Wanted(6, A4, B4, 1, 2), Wanted(17, A4, B4, 1, 2)):
        frame = wanted.frame()
        assert total(frame[14:34]) == 0xFFFF
        pseudo = A4.packed + B4.packed + bytes([0, wanted.protocol]) + len(frame[34:]).to_bytes(2, "big")
        assert total(pseudo + frame[34:]) == 0xFFFF
    assert total(Wanted(1, A4, B4, icmp_type=8).frame()[34:]) == 0xFFFF
    v6 = Wanted(58, A6, B6, icmp_type=128).frame()
    pseudo = A6.packed + B6.packed + len(v6[54:]).to_bytes(4, "big") + bytes([0, 0, 0, 58])
    assert total(pseudo + v6[54:]) == 0xFFFF


@pytest.mark.parametrize(
    ("text", "number"), [("tcp", 6), ("ICMPV6", 58), ("UDPLite", 136), ("0", 0), ("255", 255)]
)
def test_a_protocol_is_a_name_in_any_case_or_a_number(text: str, number: int) -> None:
    assert parse_protocol(text) == number


@pytest.mark.parametrize("text", ["", "256", "-1", "TCPv4", "٣", "6.0", "0x6"])
def test_what_is_no_protocol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no protocol"):
        parse_protocol(text)


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (Packet(PacketClass.ARP), "ARP"),
        (Packet(PacketClass.NOT_IP), "no IP packet"),
        (Packet(PacketClass.MALFORMED, version=4), "malformed IP packet"),
        (Packet(PacketClass.SHORT, version=6), "IPv6 packet, cut short"),
        (Packet(PacketClass.FRAGMENT, 4, 17, int(A4), int(B4)), "UDP 10.0.0.1 > 192.0.2.9 (fragment)"),
    ],
)
def test_a_packet_that_cannot_be_read_whole_is_named_as_far_as_it_can(packet: Packet, text: str) -> None:
    assert packet_text(packet) == text


def test_flags_are_named() -> None:
    wanted = Wanted(6, A4, B4, 1, 2)
    words = {
        flags: replace(wanted, flags=flags).text().split()[-1] for flags in (0, TCP_ACK, TCP_SYN | TCP_ACK)
    }
    assert words == {0: "none", TCP_ACK: "ack", TCP_SYN | TCP_ACK: "syn-ack"}
