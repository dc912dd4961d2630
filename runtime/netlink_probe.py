"""Two questions asked often, over a plain socket: has a hook any tc filter, has a device a clsact qdisc?

Through pyroute2 a dump costs some ten times as much, and one of qdiscs lists every device's. In doubt the
answer is left open, and pyroute2 is asked.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

# include/uapi/linux/netlink.h, rtnetlink.h
_MESSAGE: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_TC: Final = struct.Struct("=BxxxiIII")  # tcmsg: family, ifindex, handle, parent, info
_ERROR: Final = 2
_DONE: Final = 3
_ATTRIBUTE: Final = struct.Struct("=HH")  # nlattr: length, type
_TCA_KIND: Final = 1
_GET_QDISCS: Final = 38
_GET_FILTERS: Final = 46
_REQUEST_DUMP: Final = 0x301
_INTERRUPTED: Final = 0x10
_ROOM: Final = 1 << 16


class TcProbe:
    """Bound to the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def may_have_filters(self, ifindex: int, parent: int) -> bool:
        """False when the kernel's whole list of that hook's filters came, and was empty."""
        return self._dump(_GET_FILTERS, ifindex, parent) != []

    def has_clsact(self, ifindex: int, parent: int) -> bool | None:
        """Whether the qdisc at that parent is a clsact; None when the kernel's list did not come whole."""
        found = self._dump(_GET_QDISCS, ifindex, 0)  # of every device: the kernel does not choose
        return None if found is None else any(_is_clsact(one, ifindex, parent) for one in found)

    def _dump(self, what: int, ifindex: int, parent: int) -> list[bytes] | None:
        """The messages of a list, from the tcmsg on; None when it did not come whole."""
        self._sequence += 1
        head = _MESSAGE.pack(_MESSAGE.size + _TC.size, what, _REQUEST_DUMP, self._sequence, 0)
        try:
            self._socket.send(head + _TC.pack(0, ifindex, 0, parent, 0))
            return self._answer()
        except (OSError, struct.error):
            return None

    def _answer(self) -> list[bytes] | None:
        """Reads to the end, also of a list that is of no use."""
        found: list[bytes] = []
        whole = True
        while True:
            data, at = self._socket.recv(_ROOM), 0
            while at < len(data):
                length, kind, flags, sequence, _ = _MESSAGE.unpack_from(data, at)
                if sequence == self._sequence:
                    whole = whole and kind != _ERROR and not flags & _INTERRUPTED
                    if kind in (_DONE, _ERROR):
                        return found if whole else None
                    found.append(data[at + _MESSAGE.size : at + length])
                at += max(_MESSAGE.size, length + 3 & ~3)


def _is_clsact(message: bytes, ifindex: int, parent: int) -> bool:
    """By the message's tcmsg and by TCA_KIND, which the kernel puts first."""
    _, index, _, above, _ = _TC.unpack_from(message)
    if (index, above) != (ifindex, parent):
        return False
    size, number = _ATTRIBUTE.unpack_from(message, _TC.size)
    kind = message[_TC.size + _ATTRIBUTE.size : _TC.size + size]
    return number == _TCA_KIND and kind == b"clsact\0"
