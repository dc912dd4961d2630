"""Kernel objects by id, by pin, and what the kernel says about them."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterator
from typing import Final

from . import attr
from .fault import BpfError
from .fd import Fd
from .info import BtfInfo, LinkInfo, MapInfo, ProgInfo
from .kinds import LINK_TYPE_TCX, Command, Object
from .syscall import Syscall, address

_NEXT: Final = {
    Object.PROG: Command.PROG_GET_NEXT_ID,
    Object.MAP: Command.MAP_GET_NEXT_ID,
    Object.LINK: Command.LINK_GET_NEXT_ID,
    Object.BTF: Command.BTF_GET_NEXT_ID,
}
_BY_ID: Final = {
    Object.PROG: Command.PROG_GET_FD_BY_ID,
    Object.MAP: Command.MAP_GET_FD_BY_ID,
    Object.LINK: Command.LINK_GET_FD_BY_ID,
    Object.BTF: Command.BTF_GET_FD_BY_ID,
}
_ROOM: Final = 64  # MAX_USED_MAPS (include/linux/bpf.h): more maps than a program's code refers to


class ObjectCalls(Syscall):
    def next_id(self, kind: Object, after: int) -> int | None:
        request = attr.ById(id=after)
        try:
            self.call(_NEXT[kind], request)
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return int(request.next_id)

    def ids(self, kind: Object) -> Iterator[int]:
        """All ids of a kind, rising; needs CAP_SYS_ADMIN."""
        current = self.next_id(kind, 0)
        while current is not None:
            yield current
            current = self.next_id(kind, current)

    def fd_by_id(self, kind: Object, number: int) -> Fd | None:
        """None when no such object lives (any more); raises BpfError EPERM without CAP_SYS_ADMIN."""
        try:
            return Fd(self.call(_BY_ID[kind], attr.ById(id=number), f"{kind.name.lower()} {number}"))
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return None
            raise

    def obj_pin(self, path: str, fd: Fd) -> None:
        """Pins under a bpffs path; raises BpfError EEXIST, ENOENT, EPERM (not a bpffs)."""
        text = ctypes.create_string_buffer(path.encode())
        self.call(Command.OBJ_PIN, attr.ObjPin(pathname=address(text), bpf_fd=fd.number), path)

    def obj_get(self, path: str) -> Fd | None:
        """What is pinned at `path`, None when nothing is there."""
        text = ctypes.create_string_buffer(path.encode())
        try:
            return Fd(self.call(Command.OBJ_GET, attr.ObjPin(pathname=address(text)), path))
        except BpfError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise

    def prog_info(self, prog: Fd) -> ProgInfo:
        room, count = 0, _ROOM
        while count > room:  # maps bound to a program may be any number
            room = count
            map_ids = (ctypes.c_uint32 * room)()
            info = attr.ProgInfoStruct(nr_map_ids=room, map_ids=ctypes.addressof(map_ids))
            self._info(prog, info)
            count = info.nr_map_ids
        return ProgInfo(
            id=info.id,
            type=info.type,
            tag=bytes(info.tag),
            name=info.name.decode("ascii", "replace"),
            map_ids=tuple(map_ids[:count]),
            btf_id=info.btf_id,
            load_time=info.load_time,
            verified=info.verified_insns,
            xlated_bytes=info.xlated_prog_len,
            jited_bytes=info.jited_prog_len,
        )

    def map_info(self, map_: Fd) -> MapInfo:
        info = attr.MapInfoStruct()
        self._info(map_, info)
        return MapInfo(
            id=info.id,
            type=info.type,
            name=info.name.decode("ascii", "replace"),
            key_size=info.key_size,
            value_size=info.value_size,
            max_entries=info.max_entries,
            flags=info.map_flags,
            btf_id=info.btf_id,
            btf_value_type_id=info.btf_value_type_id,
        )

    def link_info(self, link: Fd) -> LinkInfo:
        info = attr.LinkInfoStruct()
        self._info(link, info)
        tcx = info.type == LINK_TYPE_TCX
        return LinkInfo(
            id=info.id,
            type=info.type,
            prog_id=info.prog_id,
            ifindex=info.tcx_ifindex if tcx else 0,
            attach_type=info.tcx_attach_type if tcx else 0,
        )

    def btf_info(self, btf: Fd) -> BtfInfo:
        info = attr.BtfInfoStruct()
        self._info(btf, info)
        return BtfInfo(id=info.id, size=info.btf_size)

    def _info(self, fd: Fd, info: ctypes.Structure) -> None:
        request = attr.GetInfo(bpf_fd=fd.number, info_len=ctypes.sizeof(info), info=ctypes.addressof(info))
        self.call(Command.OBJ_GET_INFO_BY_FD, request)
