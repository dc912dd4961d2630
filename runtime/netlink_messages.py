"""How netlink messages are laid out, and a reader of them that trusts no length.

Source: include/uapi/linux/netlink.h and rtnetlink.h.
"""

from __future__ import annotations

import struct
from typing import Final

MESSAGE: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
TC: Final = struct.Struct("=BxxxiIII")  # tcmsg: family, ifindex, handle, parent, info
_ATTRIBUTE: Final = struct.Struct("=HH")  # nlattr: length, type
_TYPE_MASK: Final = 0x3FFF  # NLA_TYPE_MASK


def attributes(data: bytes, at: int = 0) -> dict[int, bytes]:
    """The attributes from that byte on, by type; what is cut short ends them."""
    found: dict[int, bytes] = {}
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < _ATTRIBUTE.size:
            break
        found[kind & _TYPE_MASK] = data[at + _ATTRIBUTE.size : at + size]
        at += size + 3 & ~3
    return found


def text(raw: bytes, errors: str = "surrogateescape") -> str:
    """A name, up to its NUL. errors: what becomes of bytes that are no UTF-8, as of `bytes.decode`."""
    return raw.split(b"\0", 1)[0].decode(errors=errors)
