"""Whether a hook has any tc filter, asked over a plain socket: most have none, and a look is made often.

A dump through pyroute2 costs some ten times as much. In doubt the answer is yes, and pyroute2 is asked.
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
_GET_FILTERS: Final = 46
_REQUEST_DUMP: Final = 0x301
_INTERRUPTED: Final = 0x10
_ROOM: Final = 1 << 16


class FilterProbe:
    """Bound to the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def may_have(self, ifindex: int, parent: int) -> bool:
        """False when the kernel's whole list of that hook's filters came, and was empty."""
        self._sequence += 1
        size = _MESSAGE.size + _TC.size
        head = _MESSAGE.pack(size, _GET_FILTERS, _REQUEST_DUMP, self._sequence, 0)
        try:
            self._socket.send(head + _TC.pack(0, ifindex, 0, parent, 0))
            return self._some()
        except (OSError, struct.error):
            return True

    def _some(self) -> bool:
        """Reads the answer to its end."""
        some = False
        while True:
            data, at = self._socket.recv(_ROOM), 0
            while at < len(data):
                length, kind, flags, sequence, _ = _MESSAGE.unpack_from(data, at)
                if sequence == self._sequence:
                    some = some or kind != _DONE or bool(flags & _INTERRUPTED)
                    if kind in (_DONE, _ERROR):
                        return some
                at += max(_MESSAGE.size, length + 3 & ~3)
