"""The fake's tcx calls: links and plain attachments, with the hook's revision."""

from __future__ import annotations

from polc.runtime.bpf import AttachFlag, AttachType, Command, Fd, HookState, Object
from polc.runtime.hooks import TcHook
from polc.tests.fake_kernel.devices import Device, Entry, Tcx, mine
from polc.tests.fake_kernel.door import Door, call
from polc.tests.fake_kernel.errnos import refused
from polc.tests.fake_kernel.objects import Link, Program

_HOOKS = {hook.attach_type: hook for hook in TcHook}


class TcxDoor(Door):
    def _device(self, ifindex: int, doing: str) -> Device:
        device = self.space.devices.get(ifindex)
        if device is None:
            raise refused(f"{doing}: no such device")
        return device

    def _at_revision(self, tcx: Tcx, revision: int) -> None:
        if revision and revision != tcx.revision:
            raise refused("tcx attach: the revision moved on")

    @call(Command.LINK_CREATE)
    def link_create(
        self,
        prog: Fd,
        ifindex: int,
        hook: AttachType,
        flags: AttachFlag = AttachFlag.NONE,
        relative: int = 0,
        revision: int = 0,
    ) -> Fd:
        assert not relative, "the runtime attaches at an end of the hook only"
        objects = self.process.kernel.objects
        program, device = self.as_a(Program, prog), self._device(ifindex, "link_create")
        tcx = device.tcx[_HOOKS[hook]]
        self._at_revision(tcx, revision)
        link = Link(0, self.process.actor, program=program, device=device, hook=_HOOKS[hook])
        tcx.insert(Entry(program, link, self.process.actor), flags)
        link.id = objects.number(Object.LINK)
        objects.hold(program)
        objects.add(link)
        return self.process.open(link)

    @call(Command.LINK_UPDATE)
    def link_update(self, link: Fd, new: Fd, old: Fd | None = None) -> None:
        objects = self.process.kernel.objects
        one, program = self.as_a(Link, link), self.as_a(Program, new)
        mine(one.owner, self.process.actor, f"link {one.id}")
        if one.device is None:
            raise refused("link_update: the link is detached")
        if old is not None and self.as_a(Program, old) is not one.program:
            raise refused("link_update: another program is there")
        if one.program is program:
            return
        tcx = one.device.tcx[one.hook]
        if any(entry.program is program for entry in tcx.entries):
            raise refused("link_update: the program is on the hook already")
        objects.hold(program)
        entry = next(entry for entry in tcx.entries if entry.link is one)
        before, entry.program, one.program = one.program, program, program
        tcx.revision += 1
        objects.drop(before)

    @call(Command.LINK_DETACH)
    def link_detach(self, link: Fd) -> None:
        one = self.as_a(Link, link)
        mine(one.owner, self.process.actor, f"link {one.id}")
        self.process.kernel.forget(one)

    @call(Command.PROG_ATTACH)
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
        assert replace is None, "the runtime replaces no plain attachment"
        assert not relative, "the runtime attaches at an end of the hook only"
        program, device = self.as_a(Program, prog), self._device(ifindex, "prog_attach")
        tcx = device.tcx[_HOOKS[hook]]
        self._at_revision(tcx, revision)
        tcx.insert(Entry(program, None, self.process.actor), flags)
        self.process.kernel.objects.hold(program)

    @call(Command.PROG_DETACH)
    def prog_detach(self, prog: Fd, ifindex: int, hook: AttachType, revision: int = 0) -> None:
        program, device = self.as_a(Program, prog), self._device(ifindex, "prog_detach")
        tcx = device.tcx[_HOOKS[hook]]
        self._at_revision(tcx, revision)
        entry = next((one for one in tcx.entries if one.program is program), None)
        if entry is None:
            raise refused("prog_detach: the program is not on the hook")
        if entry.link is not None:
            raise refused("prog_detach: a link holds the program")
        mine(entry.owner, self.process.actor, f"program {program.name} on {_HOOKS[hook].word}")
        tcx.remove(entry)
        self.process.kernel.objects.drop(program)

    @call(Command.PROG_QUERY)
    def prog_query(self, ifindex: int, hook: AttachType) -> HookState:
        tcx = self._device(ifindex, "prog_query").tcx[_HOOKS[hook]]
        return HookState(
            tcx.revision,
            tuple(one.program.id for one in tcx.entries),
            tuple(one.link.id if one.link is not None else 0 for one in tcx.entries),
        )
