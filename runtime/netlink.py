"""The netlink door: links, clsact and bpf filters of the network namespace the thread is in.

Every request that changes the kernel goes through `Netlink._write` and is counted, so that a test can show
that nothing was written. pyroute2 makes these requests; lists of tc objects, which are read all the time, are
read without it.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from .netlink_lists import GET_FILTERS, GET_QDISCS, InterruptedList, TcLists
from .netlink_messages import TC, attributes, text

# include/uapi/linux/pkt_sched.h: TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS | TC_H_MIN_EGRESS).
PARENT_INGRESS: Final = 0xFFFFFFF2
PARENT_EGRESS: Final = 0xFFFFFFF3
PARENT_CLSACT: Final = 0xFFFFFFF1
ETH_P_ALL: Final = 0x0003
PREFERENCE_MAX: Final = 0xFFFF
FILTER_NAME_MAX: Final = 255

_DIRECT_ACTION: Final = 1  # TCA_BPF_FLAG_ACT_DIRECT
_DUMP_TRIES: Final = 16

# include/uapi/linux/rtnetlink.h, pkt_cls.h: attributes of a tc object, and of a bpf filter's options.
_TCA_KIND: Final = 1
_TCA_OPTIONS: Final = 2
_TCA_CHAIN: Final = 11
_TCA_BPF_NAME: Final = 7
_TCA_BPF_FLAGS: Final = 8
_TCA_BPF_TAG: Final = 10
_TCA_BPF_ID: Final = 11


@dataclass(frozen=True, slots=True)
class Link:
    """One network device. hardware: ARPHRD_* (include/uapi/linux/if_arp.h). kind: "veth", … or ""."""

    index: int
    name: str
    hardware: int
    kind: str
    up: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """One tc filter, as a dump shows it. protocol: ethertype, host order (`ETH_P_ALL` = every one).

    program and tag are set for bpf filters (0 and b"" otherwise); direct: the program's return value is the
    verdict.
    """

    parent: int
    preference: int
    handle: int
    protocol: int
    chain: int
    kind: str
    name: str = ""
    direct: bool = False
    program: int = 0
    tag: bytes = b""


class Netlink:
    """A route-netlink socket. Opened in the calling thread's network namespace and bound to it for life.

    Methods raise OSError with the kernel's errno (ENODEV for an interface that is not there).
    """

    def __init__(self) -> None:
        self.writes: list[str] = []
        self._route: Any = IPRoute()
        self._lists: Any = TcLists()

    def close(self) -> None:
        self._lists.close()
        self._route.close()

    def __enter__(self) -> Netlink:
        return self

    @property
    def port(self) -> int:
        """The port number of the socket: to the kernel, a change's author. 0 before the first request."""
        return int(self._route.asyncore.socket.getsockname()[0])

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- reading ------------------------------------------------------------------------------------

    def links(self) -> tuple[Link, ...]:
        """Every device of the namespace, by index."""
        found = _read(lambda: [_link(message) for message in self._route.get_links()])
        return tuple(sorted(found, key=lambda link: link.index))

    def link(self, name: str) -> Link:
        """The device called `name`; OSError(ENODEV) when there is none."""
        for link in self.links():
            if link.name == name:
                return link
        raise OSError(errno.ENODEV, f"no interface {name!r} in this network namespace")

    def gone(self, indices: Collection[int]) -> frozenset[int]:
        """Those of the indices that no device of the namespace has. Each is asked for: cheaper than a list of
        the devices, and nothing interrupts it (S35)."""
        return frozenset(index for index in indices if not self._lists.has_device(index))

    def has_clsact(self, ifindex: int) -> bool:
        """Whether the device has a clsact qdisc (false for the older `ingress` qdisc)."""
        listed = _read(lambda: self._lists.ask(GET_QDISCS, ifindex, 0))
        return any(_is_clsact(message, ifindex) for message in listed)

    def filters(self, ifindex: int, parent: int) -> tuple[Filter, ...]:
        """The filters of one hook in the order they run; empty when there is no qdisc for it."""
        listed = _read(lambda: self._lists.ask(GET_FILTERS, ifindex, parent))
        found = (_filter(message, parent) for message in listed)
        return tuple(one for one in found if one is not None)

    # --- writing ------------------------------------------------------------------------------------

    def add_clsact(self, ifindex: int) -> None:
        """OSError(EEXIST) when there is a clsact or ingress qdisc already."""
        self._write(f"qdisc add {ifindex}", lambda: self._route.tc("add", "clsact", ifindex))

    def delete_clsact(self, ifindex: int) -> None:
        """Also removes every filter in it: the caller looks first."""
        self._write(f"qdisc del {ifindex}", lambda: self._route.tc("del", "clsact", ifindex))

    def add_bpf_filter(self, ifindex: int, parent: int, preference: int, fd: int, name: str) -> None:
        """Adds a direct-action filter for all protocols under the next free handle of `preference`."""
        self._bpf_filter("add-filter", ifindex, parent, preference, 0, fd, name)

    def replace_bpf_filter(
        self, ifindex: int, parent: int, preference: int, handle: int, fd: int, name: str
    ) -> None:
        """Puts another program into the filter with exactly these numbers, in one step."""
        self._bpf_filter("replace-filter", ifindex, parent, preference, handle, fd, name)

    def delete_filter(self, ifindex: int, found: Filter) -> None:
        """Removes exactly the filter with these numbers. OSError(ENOENT) when it is gone."""
        info = {"prio": found.preference, "protocol": found.protocol, "parent": found.parent}
        self._write(
            f"filter del {ifindex} {found.parent:#x} {found.preference} {found.handle:#x}",
            lambda: self._route.tc("del-filter", found.kind, ifindex, found.handle, **info),
        )

    def _bpf_filter(
        self, command: str, ifindex: int, parent: int, preference: int, handle: int, fd: int, name: str
    ) -> None:
        self._write(
            f"{command} {ifindex} {parent:#x} {preference} {handle:#x} {name}",
            lambda: self._route.tc(
                command,
                "bpf",
                ifindex,
                handle,
                fd=fd,
                name=name,
                parent=parent,
                prio=preference,
                protocol=ETH_P_ALL,
                direct_action=True,
            ),
        )

    def _write(self, what: str, request: Callable[[], object]) -> None:
        self.writes.append(what)
        try:
            request()
        except NetlinkError as error:
            raise _os_error(error) from error


_T = TypeVar("_T")


def _read(dump: Callable[[], _T]) -> _T:
    """A dump that the kernel marks as interrupted says nothing (S35): asked again, then EINTR."""
    for _ in range(_DUMP_TRIES):
        try:
            return dump()
        except (InterruptedList, NetlinkDumpInterrupted):
            continue
        except NetlinkError as error:
            raise _os_error(error) from error
    raise OSError(errno.EINTR, "the kernel's list kept changing while it was read")


def _os_error(error: NetlinkError) -> OSError:
    return OSError(int(error.code), str(error.args[-1]))


def _link(message: Any) -> Link:
    kind = message.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND")
    return Link(
        index=int(message["index"]),
        name=str(message.get_attr("IFLA_IFNAME")),
        hardware=int(message["ifi_type"]),
        kind=str(kind or ""),
        up=bool(message["flags"] & 1),
    )


def _is_clsact(message: bytes, ifindex: int) -> bool:
    _, index, _, parent, _ = TC.unpack_from(message)
    if (index, parent) != (ifindex, PARENT_CLSACT):
        return False
    return text(attributes(message, TC.size).get(_TCA_KIND, b"")) == "clsact"


def _filter(message: bytes, parent: int) -> Filter | None:
    """None for the header that opens each preference in a list (handle 0, no options)."""
    _, _, handle, _, info = TC.unpack_from(message)
    if handle == 0:
        return None
    said = attributes(message, TC.size)
    kind = text(said.get(_TCA_KIND, b""))
    options = attributes(said.get(_TCA_OPTIONS, b"")) if kind == "bpf" else {}
    return Filter(
        parent=parent,
        preference=info >> 16,
        handle=handle,
        protocol=socket.ntohs(info & 0xFFFF),  # tcmsg.tcm_info holds the ethertype in network order
        chain=_number(said.get(_TCA_CHAIN)),
        kind=kind,
        name=text(options.get(_TCA_BPF_NAME, b""), "backslashreplace"),  # anybody's; people read it
        direct=bool(_number(options.get(_TCA_BPF_FLAGS)) & _DIRECT_ACTION),
        program=_number(options.get(_TCA_BPF_ID)),
        tag=options.get(_TCA_BPF_TAG, b""),
    )


def _number(raw: bytes | None) -> int:
    return int.from_bytes(raw or b"", sys.byteorder)
