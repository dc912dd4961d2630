"""The kernel's announcements: devices that come, change and go, and changes of qdiscs and filters.

A raw route-netlink socket, since of each message only the device matters: reading them costs little even in a
storm. tcx announces nothing; who needs to know asks for the revision (`hooks.tcx_state`).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .netlink import Link
from .netlink_messages import MESSAGE, TC, attributes, text

# include/uapi/linux/rtnetlink.h
_RTM_NEWLINK: Final = 16
_RTM_DELLINK: Final = 17
_TC_MESSAGES: Final = frozenset({36, 37, 44, 45})  # NEWQDISC, DELQDISC, NEWTFILTER, DELTFILTER
_RTMGRP_LINK: Final = 1
_RTMGRP_TC: Final = 8
# include/uapi/linux/if_link.h
_IFLA_IFNAME: Final = 3
_IFLA_LINKINFO: Final = 18
_IFLA_INFO_KIND: Final = 1

_LINK: Final = struct.Struct("=BxHiII")  # ifinfomsg: family, hardware type, index, flags, change
_UP: Final = 1  # IFF_UP
_DATAGRAM: Final = 1 << 16
_AT_ONCE: Final = 4096
_BUFFER: Final = 4 << 20  # bytes; some thousands of messages
_SO_RCVBUFFORCE: Final = 33  # include/uapi/asm-generic/socket.h; needs CAP_NET_ADMIN


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """A device came or changed (gone: it went, or moved to another namespace)."""

    link: Link
    gone: bool


@dataclass(frozen=True, slots=True)
class TcEvent:
    """A qdisc or filter of the device changed, by whomever."""

    index: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The kernel had more to tell than the socket holds: anything may have happened."""


Event = LinkEvent | TcEvent | Lost


class Events:
    """A socket of the calling thread's network namespace, bound to it for life. Never blocks.

    own: port numbers of this process's own sockets, whose changes are not news. buffer: bytes of the socket.
    """

    def __init__(self, own: frozenset[int] = frozenset(), buffer: int = _BUFFER) -> None:
        self._own = own
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        try:
            self._socket.setblocking(False)
            self._grow(buffer)
            self._socket.bind((0, _RTMGRP_LINK | _RTMGRP_TC))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """For select(2): readable when there is something to `read`."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> Iterator[Event]:
        """What was announced since the last call, in a storm a bounded part of it."""
        for _ in range(_AT_ONCE):
            try:
                data, sender = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                yield Lost()
                continue
            if sender[0] == 0:  # from the kernel, not from another process
                yield from events(data, self._own)

    def _grow(self, size: int) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def events(data: bytes, own: frozenset[int] = frozenset()) -> Iterator[Event]:
    """The news in one datagram of netlink messages; what is none, or is cut short, is passed over."""
    at = 0
    while at + MESSAGE.size <= len(data):
        size, kind, _, _, port = MESSAGE.unpack_from(data, at)
        body = data[at + MESSAGE.size : at + size]
        if size < MESSAGE.size:
            return
        if kind in (_RTM_NEWLINK, _RTM_DELLINK) and len(body) >= _LINK.size:
            yield from _link(body, kind == _RTM_DELLINK)
        elif kind in _TC_MESSAGES and port not in own and len(body) >= TC.size:
            yield TcEvent(TC.unpack_from(body)[1])
        at += -(-size // 4) * 4


def _link(body: bytes, gone: bool) -> Iterator[LinkEvent]:
    """Nothing for messages of another family (a bridge's ports are told of with RTM_NEWLINK, too)."""
    family, hardware, index, flags, _ = _LINK.unpack_from(body)
    if family != socket.AF_UNSPEC:
        return
    found = attributes(body[_LINK.size :])
    kind = attributes(found.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_KIND, b"")
    name = text(found.get(_IFLA_IFNAME, b""))
    if name:
        yield LinkEvent(Link(index, name, hardware, text(kind), bool(flags & _UP)), gone)
