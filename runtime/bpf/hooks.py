"""tcx hooks: links and plain attachments, with the hook's revision."""

from __future__ import annotations

import ctypes
import errno
from typing import Final

from . import attr
from .fault import BpfError
from .fd import Fd
from .info import HookState
from .kinds import AttachFlag, AttachType, Command
from .syscall import Syscall

_ROOM: Final = 64  # BPF_MPROG_MAX: a tcx hook holds no more programs


class HookCalls(Syscall):
    def link_create(
        self,
        prog: Fd,
        ifindex: int,
        hook: AttachType,
        flags: AttachFlag = AttachFlag.NONE,
        relative: int = 0,
        revision: int = 0,
    ) -> Fd:
        """A tcx link; lives while it is pinned or its descriptor is open.

        `BEFORE` with relative 0 = at the head. relative: a descriptor, with ID an id; with LINK a link's.
        revision: the hook's expected revision, 0 = any; raises BpfError ESTALE when it moved on.
        """
        request = attr.LinkCreate(
            prog_fd=prog.number,
            target_ifindex=ifindex,
            attach_type=hook,
            flags=flags,
            relative_fd=relative,
            expected_revision=revision,
        )
        return Fd(self.call(Command.LINK_CREATE, request, f"{hook.name} of ifindex {ifindex}"))

    def link_update(self, link: Fd, new: Fd, old: Fd | None = None) -> None:
        """Replaces the link's program; with `old` only when that one is there.

        Raises BpfError: EPERM when another program is there, ENOLINK when the link is detached.
        """
        request = attr.LinkUpdate(link_fd=link.number, new_prog_fd=new.number)
        if old is not None:
            request.flags, request.old_prog_fd = int(AttachFlag.REPLACE), old.number
        self.call(Command.LINK_UPDATE, request)

    def link_detach(self, link: Fd) -> None:
        self.call(Command.LINK_DETACH, attr.OneFd(fd=link.number))

    def prog_attach(
        self,
        prog: Fd,
        ifindex: int,
        hook: AttachType,
        flags: AttachFlag = AttachFlag.NONE,
        relative: int = 0,
        revision: int = 0,
        replace: Fd | None = None,
    ) -> None:
        """A tcx attachment without a link: it outlives this process, and anyone may detach it."""
        request = attr.ProgAttach(
            target_ifindex=ifindex,
            attach_bpf_fd=prog.number,
            attach_type=hook,
            attach_flags=flags,
            replace_bpf_fd=replace.number if replace is not None else 0,
            relative_fd=relative,
            expected_revision=revision,
        )
        self.call(Command.PROG_ATTACH, request, f"{hook.name} of ifindex {ifindex}")

    def prog_detach(self, prog: Fd, ifindex: int, hook: AttachType, revision: int = 0) -> None:
        request = attr.ProgAttach(
            target_ifindex=ifindex, attach_bpf_fd=prog.number, attach_type=hook, expected_revision=revision
        )
        self.call(Command.PROG_DETACH, request, f"{hook.name} of ifindex {ifindex}")

    def prog_query(self, ifindex: int, hook: AttachType) -> HookState:
        """Raises BpfError: EINVAL on a kernel without tcx, ENODEV without such a device."""
        programs, links = (ctypes.c_uint32 * _ROOM)(), (ctypes.c_uint32 * _ROOM)()
        request = attr.ProgQuery(
            target_ifindex=ifindex,
            attach_type=hook,
            prog_ids=ctypes.addressof(programs),
            link_ids=ctypes.addressof(links),
            count=_ROOM,
        )
        try:
            self.call(Command.PROG_QUERY, request, f"{hook.name} of ifindex {ifindex}")
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return HookState(1, (), ())
            raise
        count = request.count
        return HookState(request.revision, tuple(programs[:count]), tuple(links[:count]))
