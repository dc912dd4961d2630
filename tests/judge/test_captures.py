"""Captures are read in every spelling of both formats; what is none, or breaks off, is said."""

from __future__ import annotations

from io import BytesIO
from random import Random
from struct import pack

import pytest
from polc.judge.capture import Captured, read_capture
from polc.judge.capture_bytes import CaptureError
from polc.tests.judge.captures import block, enhanced, interface, pcap, pcapng, section

IPV4 = bytes.fromhex("4500001c") + bytes(24)
IPV6 = bytes.fromhex("60000000") + bytes(44)
ETHER = bytes(12) + b"\x08\x00" + IPV4
PACKETS = [(1_700_000_000_000_001, ETHER), (1_700_000_000_999_999, ETHER + b"more")]


def captured(data: bytes) -> list[Captured]:
    return list(read_capture(BytesIO(data)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_of_either_byte_order_and_resolution(order: str, nanoseconds: bool) -> None:
    found = captured(pcap(PACKETS, order, nanoseconds))
    assert [(item.number, item.time, item.frame, item.missing) for item in found] == [
        (0, 1_700_000_000_000_001_000, ETHER, 0),
        (1, 1_700_000_000_999_999_000, ETHER + b"more", 0),
    ]


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_of_either_byte_order(order: str) -> None:
    found = captured(pcapng(PACKETS, order))
    assert [(item.number, item.time, item.frame) for item in found] == [
        (0, 1_700_000_000_000_001_000, ETHER),
        (1, 1_700_000_000_999_999_000, ETHER + b"more"),
    ]


@pytest.mark.parametrize(
    ("resolution", "ticks", "nanoseconds"), [(9, 5, 5), (3, 5, 5_000_000), (0x80 | 1, 3, 1_500_000_000)]
)
def test_pcapng_times_have_the_interface_s_resolution(resolution: int, ticks: int, nanoseconds: int) -> None:
    data = section() + interface(resolution=resolution) + enhanced(ticks, ETHER)
    assert captured(data)[0].time == nanoseconds


def test_pcapng_time_offset_is_added() -> None:
    options = pack("<HHq", 14, 8, 100) + pack("<HH", 0, 0)
    data = section() + block("<", 1, pack("<HHI", 1, 0, 0) + options) + enhanced(7, ETHER)
    assert captured(data)[0].time == 100_000_007_000


def test_pcapng_sections_of_different_byte_orders_follow_each_other() -> None:
    data = pcapng(PACKETS[:1], "<") + pcapng(PACKETS[1:], ">")
    assert [item.time for item in captured(data)] == [time * 1000 for time, _ in PACKETS]


def test_pcapng_blocks_that_hold_no_packet_are_skipped() -> None:
    data = section() + block("<", 4, b"names") + interface() + block("<", 5, bytes(12)) + enhanced(1, ETHER)
    assert [item.frame for item in captured(data)] == [ETHER]


def test_pcapng_simple_and_old_packet_blocks_are_packets() -> None:
    simple = block("<", 3, pack("<I", len(ETHER) + 3) + ETHER)
    old = block("<", 2, pack("<HHIIII", 1, 0, 0, 9, len(ETHER), len(ETHER)) + ETHER)
    data = section() + interface(snap=len(ETHER)) + interface() + old + simple
    found = captured(data)
    assert [(item.frame, item.time, item.missing) for item in found] == [(ETHER, 9000, 0), (ETHER, 9000, 3)]


@pytest.mark.parametrize("link", [12, 14, 101, 228, 229])
def test_raw_ip_gets_the_ethernet_header_of_its_version(link: int) -> None:
    frames = [item.frame for item in captured(pcap([(0, IPV4), (1, IPV6), (2, b"")], link=link))]
    assert frames == [bytes(12) + b"\x08\x00" + IPV4, bytes(12) + b"\x86\xdd" + IPV6, bytes(14)]


def test_linux_cooked_captures_keep_their_ethertype() -> None:
    first = bytes(14) + b"\x08\x00" + IPV4
    second = b"\x86\xdd" + bytes(18) + IPV6
    assert captured(pcap([(0, first)], link=113))[0].frame == bytes(12) + b"\x08\x00" + IPV4
    assert captured(pcap([(0, second)], link=276))[0].frame == bytes(12) + b"\x86\xdd" + IPV6


@pytest.mark.parametrize("tag", [b"\x81\x00", b"\x88\xa8"])
def test_the_outer_vlan_tag_is_taken_off_and_told(tag: bytes) -> None:
    frame = ETHER[:12] + tag + b"\xe0\x05" + ETHER[12:]
    assert [(item.frame, item.vlans) for item in captured(pcap([(0, frame), (0, ETHER)]))] == [
        (ETHER, (5,)),
        (ETHER, ()),
    ]


def test_a_second_vlan_tag_stays() -> None:
    inner = ETHER[:12] + b"\x81\x00\x00\x07" + ETHER[12:]
    (found,) = captured(pcap([(0, inner[:12] + b"\x88\xa8\x0f\xff" + inner[12:])]))
    assert (found.frame, found.vlans) == (inner, (4095, 7))


def test_a_tag_that_is_cut_off_stays() -> None:
    frame = ETHER[:12] + b"\x81\x00\x00\x05\x08"
    assert [(item.frame, item.vlans) for item in captured(pcap([(0, frame)]))] == [(frame, ())]


def test_a_cooked_capture_has_tags_too() -> None:
    cooked = bytes(14) + b"\x81\x00" + b"\x00\x05\x08\x00" + IPV4
    assert [(item.frame, item.vlans) for item in captured(pcap([(0, cooked)], link=113))] == [(ETHER, (5,))]


def test_a_packet_that_was_captured_in_part_says_how_much_is_missing() -> None:
    assert captured(pcap(PACKETS, snap=20))[1].missing == len(ETHER) + 4 - 20
    assert captured(section() + interface() + enhanced(0, ETHER, missing=9))[0].missing == 9


BAD = {
    "empty": (b"", "it is empty"),
    "three bytes": (b"\xd4\xc3\xb2", "ends inside the file's first four bytes, after byte 3"),
    "text": (b"cases:\n", "starts with 63617365, which is neither pcap nor pcapng"),
    "header alone, cut": (pcap([])[:10], "ends inside the file header, after byte 10"),
    "packet header cut": (pcap(PACKETS)[:30], "ends inside packet 0, after byte 30"),
    "packet cut": (pcap(PACKETS)[:-1], "ends inside packet 1"),
    "old version": (pcap([])[:4] + pack("<HH", 2, 3) + pcap([])[8:], "pcap of version 2.3"),
    "huge packet": (pcap([]) + pack("<IIII", 0, 0, 1 << 30, 1 << 30), "the file is damaged"),
    "impossible time": (pcap([]) + pack("<IIII", 0, 1_000_000, 0, 0), "the file is damaged"),
    "link type": (pcap(PACKETS, link=105), "packet 0 has link type 105"),
    "byte order": (section()[:8] + b"abcd" + section()[12:], "byte-order magic 61626364"),
    "section version": (section(version=2), "pcapng of version 2"),
    "section too short": (section()[:4] + pack("<I", 8) + section()[8:], "says it has 8 bytes"),
    "block length": (section() + pack("<III", 6, 13, 0), "says it has 13 bytes"),
    "two lengths": (section()[:-4] + pack("<I", 64), "has two lengths"),
    "block cut": (pcapng(PACKETS)[:-5], "ends inside a block"),
    "no interface": (section() + enhanced(0, ETHER), "packet 0 is from interface 0"),
    "short interface": (section() + block("<", 1, bytes(4)), "interface 0 is described in 4 bytes"),
    "short packet block": (section() + interface() + block("<", 6, bytes(8)), "only 8 bytes"),
    "longer than its block": (
        section() + interface() + block("<", 6, pack("<IIIII", 0, 0, 0, 99, 99) + ETHER),
        "says it has 99 bytes in a block",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_capture_is_said(name: str) -> None:
    data, message = BAD[name]
    with pytest.raises(CaptureError) as caught:
        captured(data)
    assert message in str(caught.value)


@pytest.mark.parametrize("data", [pcap(PACKETS), pcapng(PACKETS), pcapng(PACKETS, ">")])
def test_a_capture_cut_anywhere_is_read_up_to_there_or_refused(data: bytes) -> None:
    whole = captured(data)
    for size in range(len(data)):
        found: list[Captured] = []
        try:
            found.extend(read_capture(BytesIO(data[:size])))
        except CaptureError:
            continue
        assert found == whole[: len(found)]
        assert len(found) < len(whole)


@pytest.mark.parametrize("data", [pcap(PACKETS), pcapng(PACKETS), pcapng(PACKETS, ">")])
def test_a_damaged_capture_is_read_or_refused_and_nothing_else(data: bytes) -> None:
    rng = Random(7)
    refused = 0
    for _ in range(1500):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        try:
            captured(bytes(damaged))
        except CaptureError:
            refused += 1
    assert 100 < refused < 1500
