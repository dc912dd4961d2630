"""Netlink announcements as bytes: read for their device, and never beyond their end."""

from __future__ import annotations

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st
from polc.runtime.netlink import Link
from polc.runtime.netlink_events import LinkEvent, TcEvent, events

_NEWLINK, _DELLINK, _DELQDISC, _NEWTFILTER, _NEWADDR = 16, 17, 37, 44, 20


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _message(kind: int, body: bytes, port: int = 7) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, port) + body + bytes(-len(body) % 4)


def _link(kind: int, name: bytes, family: int = socket.AF_UNSPEC) -> bytes:
    info = _attribute(18, _attribute(1, b"veth\0"))
    return _message(kind, struct.pack("=BxHiII", family, 1, 9, 1, 0) + _attribute(3, name + b"\0") + info)


def _tc(kind: int, index: int, port: int) -> bytes:
    return _message(kind, struct.pack("=Bxxxi", 0, index) + bytes(12), port)


def test_links_and_tc_changes_are_told_and_everything_else_is_passed_over() -> None:
    data = (
        _link(_NEWLINK, b"ep0")
        + _message(_NEWADDR, bytes(8))
        + _link(_DELLINK, b"ep0")
        + _link(_NEWLINK, b"port", socket.AF_BRIDGE)
        + _tc(_DELQDISC, 9, 7)
        + _tc(_NEWTFILTER, 9, 42)
    )
    here = Link(9, "ep0", 1, "veth", True)
    assert list(events(data, frozenset({42}))) == [LinkEvent(here, False), LinkEvent(here, True), TcEvent(9)]


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_are_read_without_a_fault(noise: bytes, cut: int) -> None:
    data = _link(_NEWLINK, b"ep0")[:cut] + noise
    for event in events(data):
        assert isinstance(event, LinkEvent | TcEvent)
