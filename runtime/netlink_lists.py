"""The kernel's lists of tc objects, over a plain socket: they are asked for at every look at an interface.

Through pyroute2 a list costs a millisecond of Python, most of it for the event loop of each request; here it
is a tenth of that. What changes the kernel goes through pyroute2 (`netlink.py`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from typing import Final

from .netlink_messages import MESSAGE, TC

GET_QDISCS: Final = 38
GET_FILTERS: Final = 46
_ERROR: Final = 2
_DONE: Final = 3
_REQUEST_DUMP: Final = 0x301
_INTERRUPTED: Final = 0x10
_CODE: Final = struct.Struct("=i")  # a negative errno, at the head of what _ERROR and _DONE say
_GET_NAME: Final = 0x8910  # include/uapi/linux/sockios.h
_NAME_OF: Final = struct.Struct("=16si20x")  # struct ifreq, with the index in its union
_ROOM: Final = 1 << 16  # more than the kernel puts into one datagram of a list (32 KiB)


class InterruptedList(Exception):
    """The list changed while the kernel made it: it says nothing (S35)."""


class TcLists:
    """Bound to the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def has_device(self, ifindex: int) -> bool:
        """Whether the namespace has a device of that index: netdevice(7), SIOCGIFNAME, for a quarter of what
        `if_indextoname` costs, which makes a socket each time. Raises OSError."""
        try:
            fcntl.ioctl(self._socket, _GET_NAME, _NAME_OF.pack(b"", ifindex))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return False
            raise
        return True

    def ask(self, what: int, ifindex: int, parent: int) -> list[bytes]:
        """The whole list, each message from its tcmsg on.

        what: `GET_FILTERS`: of that hook of that device; `GET_QDISCS`: of every device, since the kernel does
        not choose. Raises InterruptedList, OSError.
        """
        self._sequence += 1
        head = MESSAGE.pack(MESSAGE.size + TC.size, what, _REQUEST_DUMP, self._sequence, 0)
        self._socket.send(head + TC.pack(0, ifindex, 0, parent, 0))
        found: list[bytes] = []
        interrupted = 0
        while True:
            data, at = self._socket.recv(_ROOM), 0
            while at < len(data):
                length, kind, flags, sequence, _ = MESSAGE.unpack_from(data, at)
                body = data[at + MESSAGE.size : at + length]
                at += max(MESSAGE.size, length + 3 & ~3)
                if sequence != self._sequence:  # the rest of a list that failed half way
                    continue
                interrupted |= flags & _INTERRUPTED
                if kind in (_DONE, _ERROR):
                    _check(body, bool(interrupted))
                    return found
                found.append(body)


def _check(end: bytes, interrupted: bool) -> None:
    (code,) = _CODE.unpack_from(end)
    if code:
        raise OSError(-code, os.strerror(-code))
    if interrupted:
        raise InterruptedList
