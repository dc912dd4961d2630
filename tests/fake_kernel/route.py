"""The fake's netlink: what the runtime's two sockets answer, so that its own door runs unchanged."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Collection, Iterator
from typing import Any

from polc.runtime.hooks import TcHook
from polc.runtime.netlink import PARENT_CLSACT, Netlink
from polc.runtime.netlink_lists import GET_QDISCS, InterruptedList
from polc.runtime.netlink_messages import TC
from polc.tests.fake_kernel.devices import BpfFilter, Clsact, Device, Namespace, delete_clsact, mine
from polc.tests.fake_kernel.errnos import Refused, refused
from polc.tests.fake_kernel.objects import Program
from polc.tests.fake_kernel.process import Event, Process
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

_HOOKS = {hook.parent: hook for hook in TcHook}
_CLSACT_HANDLE = 0xFFFF0000
_DIRECT_ACTION = 1


class Interrupted(Exception):
    """The dump is to be marked NLM_F_DUMP_INTR."""


def interrupt(_: Process, what: str) -> None:
    """An event: the list changed while it was read (on a change: no event)."""
    if what.startswith("DUMP"):
        raise Interrupted


class Message(dict[str, Any]):
    """One netlink message: header fields as items, attributes by `get_attr`."""

    def __init__(self, fields: dict[str, Any], attributes: dict[str, Any]) -> None:
        super().__init__(fields)
        self._attributes = attributes

    def get_attr(self, name: str) -> Any:
        return self._attributes.get(name)

    def get_nested(self, *names: str) -> Any:
        found: Any = self
        for name in names:
            found = found.get_attr(name) if found is not None else None
        return found


class FakeRoute:
    """pyroute2's socket of one process in one namespace."""

    def __init__(self, process: Process, space: Namespace) -> None:
        self._process = process
        self._space = space

    def close(self) -> None:
        """A socket holds nothing in the fake."""

    def _enter(self, what: str) -> None:
        try:
            self._process.enter(what)
        except Interrupted:
            raise NetlinkDumpInterrupted(errno.EINTR, "the dump was interrupted") from None
        except Refused as refusal:
            raise NetlinkError(refusal.number, refusal.situation) from None

    # --- dumps --------------------------------------------------------------------------------------

    def get_links(self) -> list[Message]:
        self._enter("DUMP links")
        return [
            Message(
                {"index": one.index, "ifi_type": one.hardware, "flags": int(one.up)},
                {"IFLA_IFNAME": one.name, "IFLA_LINKINFO": Message({}, {"IFLA_INFO_KIND": one.kind})},
            )
            for one in self._space.devices.values()
        ]

    # --- changes --------------------------------------------------------------------------------------

    def tc(self, command: str, kind: str, index: int, handle: int = 0, **info: Any) -> None:
        what = f"{command} {kind}"
        try:
            self._process.enter(what)
            device = self._space.devices.get(index)
            if device is None:
                raise refused(f"{what.split()[0]}: no such device")
            if command == "add":
                self._add_clsact(device)
            elif command == "del":
                delete_clsact(self._process.kernel.objects, device, self._process.actor)
            elif command == "del-filter":
                self._delete_filter(device, _HOOKS[info["parent"]], handle, info)
            else:
                self._bpf_filter(command, device, _HOOKS[info["parent"]], handle, info)
        except Refused as refusal:
            raise NetlinkError(refusal.number, refusal.situation) from None
        except Interrupted:
            raise AssertionError("a change is no dump") from None
        self._process.changed()

    def _add_clsact(self, device: Device) -> None:
        if device.clsact is not None:
            raise refused("qdisc add: there is a clsact")
        device.set_clsact(Clsact(self._process.actor))

    def _bpf_filter(
        self, command: str, device: Device, hook: TcHook, handle: int, info: dict[str, Any]
    ) -> None:
        objects = self._process.kernel.objects
        if device.clsact is None:
            raise refused("filter add: there is no clsact")
        program = self._process.by_number(info["fd"])
        if not isinstance(program, Program):
            raise refused("filter add: the descriptor is no program")
        filters = device.clsact.filters[hook]
        same = [one for one in filters if one.preference == info["prio"]]
        if any(one.protocol != info["protocol"] for one in same):
            raise refused("filter add: the preference is of another protocol")
        old = next((one for one in same if handle and one.handle == handle), None)
        if old is not None and command == "add-filter":
            raise refused("filter add: the handle is taken")
        made = BpfFilter(
            program,
            "bpf",
            info["prio"],
            handle or _free_handle(same),
            info["protocol"],
            info["name"],
            bool(info["direct_action"]),
            self._process.actor,
        )
        objects.hold(program)
        if old is None:
            filters.insert(sum(one.preference < made.preference for one in filters), made)
            return
        mine(old.owner, self._process.actor, f"the filter {old.name}")
        filters[filters.index(old)] = made
        if old.program is not None:
            objects.drop_later(old.program)

    def _delete_filter(self, device: Device, hook: TcHook, handle: int, info: dict[str, Any]) -> None:
        if device.clsact is None:
            raise refused("filter del: there is no clsact")
        filters = device.clsact.filters[hook]
        same = [one for one in filters if (one.preference, one.protocol) == (info["prio"], info["protocol"])]
        if not same:
            raise refused("filter del: no such preference and protocol")
        found = next((one for one in same if one.handle == handle), None)
        if found is None:
            raise refused("filter del: no such handle")
        mine(found.owner, self._process.actor, f"the filter {found.name}")
        filters.remove(found)
        if found.program is not None:
            self._process.kernel.objects.drop_later(found.program)


def _free_handle(same: list[BpfFilter]) -> int:
    """The smallest free one (net/sched/cls_bpf.c, idr_alloc_u32 from 1)."""
    taken = {one.handle for one in same}
    return next(handle for handle in range(1, len(taken) + 2) if handle not in taken)


def _by_preference(filters: list[BpfFilter]) -> Iterator[tuple[int, list[BpfFilter]]]:
    for preference in dict.fromkeys(one.preference for one in filters):
        yield preference, [one for one in filters if one.preference == preference]


class FakeLists:
    """The socket for lists of tc objects, of one process in one namespace."""

    def __init__(self, process: Process, space: Namespace) -> None:
        self._process = process
        self._space = space

    def ask(self, what: int, ifindex: int, parent: int) -> list[bytes]:
        try:
            self._process.enter("DUMP qdiscs" if what == GET_QDISCS else "DUMP filters")
        except Interrupted:
            raise InterruptedList from None
        except Refused as refusal:
            raise OSError(refusal.number, refusal.situation) from None
        if what == GET_QDISCS:
            found = [one.index for one in self._space.devices.values() if one.clsact is not None]
            return [_message(index, _CLSACT_HANDLE, PARENT_CLSACT, 0, (1, b"clsact\0")) for index in found]
        device = self._space.devices.get(ifindex)
        if device is None or device.clsact is None:
            return []
        return [
            message
            for preference, group in _by_preference(device.clsact.filters[_HOOKS[parent]])
            for message in _listed(ifindex, parent, preference, group)
        ]


def _listed(ifindex: int, parent: int, preference: int, group: list[BpfFilter]) -> Iterator[bytes]:
    """A header that opens the preference, then the filters (net/sched/cls_api.c, cls_bpf.c)."""
    info = preference << 16 | socket.htons(group[0].protocol)
    chain = (11, bytes(4))
    yield _message(ifindex, 0, parent, info, (1, group[0].kind.encode() + b"\0"), chain)
    for one in group:
        attributes = [(1, one.kind.encode() + b"\0"), chain]
        if one.program is not None:
            flags = _DIRECT_ACTION if one.direct else 0
            options = (
                _attribute(7, one.name.encode() + b"\0")
                + _attribute(8, flags.to_bytes(4, sys.byteorder))
                + _attribute(11, one.program.id.to_bytes(4, sys.byteorder))
                + _attribute(10, one.program.tag)
            )
            attributes.append((2, options))
        yield _message(ifindex, one.handle, parent, info, *attributes)


def _message(ifindex: int, handle: int, parent: int, info: int, *attributes: tuple[int, bytes]) -> bytes:
    return TC.pack(0, ifindex, handle, parent, info) + b"".join(_attribute(*one) for one in attributes)


def _attribute(number: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), number) + data + bytes(-len(data) % 4)


class FakeNetlink(Netlink):
    """The runtime's own door over the fake socket."""

    def __init__(self, process: Process, space: Namespace) -> None:
        self.writes: list[str] = []
        self._route: Any = FakeRoute(process, space)
        self._lists: Any = FakeLists(process, space)

    def gone(self, indices: Collection[int]) -> frozenset[int]:
        return frozenset(indices) - {link.index for link in self.links()}


__all__ = ["Event", "FakeNetlink", "Message", "interrupt"]
