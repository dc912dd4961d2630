"""One fake machine with a device, a polc that works on it, and the others that get in its way.

Each command of polc runs as a process of its own over the real runtime code; afterwards everything that was
promised for that outcome is checked.
"""

from __future__ import annotations

import contextlib
import gc
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast

from polc.pair.object import ObjectPair
from polc.runtime.attach import AttachReport, AttachRequest, attach
from polc.runtime.bpf import AttachFlag, Fd, ProgramCode
from polc.runtime.detach import DetachReport, detach
from polc.runtime.errors import NotInForce, RuntimeFault
from polc.runtime.hooks import Mechanism, TcHook
from polc.runtime.kernel import Kernel
from polc.runtime.standing import State
from polc.runtime.status import InterfaceStatus, interface_status
from polc.runtime.verify import verify
from polc.tests.fake_kernel.devices import TCX_ROOM
from polc.tests.fake_kernel.files import doors
from polc.tests.fake_kernel.guard import Broken, Guard
from polc.tests.fake_kernel.machine import ROOT, FakeKernel
from polc.tests.fake_kernel.process import Dead, Event, Process
from polc.tests.fake_kernel.truth import HOOKS, before_gates, hooks_of, in_force, is_gate, leaked

_T = TypeVar("_T")
NOTHING_PLANNED: Mapping[int, Event] = {}
DEVICE = "eth9"
_RETURN = bytes([0xB7, 0, 0, 0, 255, 255, 255, 255, 0x95, 0, 0, 0, 0, 0, 0, 0])


class World:
    """device: the one polc works on; it may be deleted and made again, renamed and moved.

    calls: the last command's door calls by name. residents: processes that live on between commands.
    """

    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self.spaces = [self.kernel.namespace(), self.kernel.namespace()]
        self.space = self.spaces[0]
        self.device = self.space.add(DEVICE)
        self.guard = Guard(self.kernel, self.device)
        self.commands = 0
        self.running = False
        self.rivals = 0
        self.calls: list[str] = []
        self.residents: list[Process] = []
        self.root = cast(Path, ROOT)

    def copy(self) -> World:
        """Another world with the same past; by pickling, which takes a tenth of a deepcopy's time."""
        made: World = pickle.loads(pickle.dumps(self))
        return made

    # --- running commands -----------------------------------------------------------------------------

    def run(self, work: Callable[[Kernel], _T], plan: Mapping[int, Event]) -> tuple[_T | Exception, Process]:
        """The command's answer or its fault; Dead when the process was killed. Its descriptors are closed."""
        process = Process(self.kernel)
        process.plan_for(plan)
        bundle = doors(process, self.space)
        self.commands += 1
        answer: _T | Exception
        try:
            with self.at_work():
                answer = work(bundle)
        except Dead:
            answer = RuntimeError("killed")
        except (RuntimeFault, OSError) as error:
            answer = error.with_traceback(None)
            answer.__context__ = answer.__cause__ = None
        if process.alive and process.open_descriptors():
            gc.collect()
        if process.alive and process.open_descriptors():
            raise Broken(f"descriptors are left open: {process.open_descriptors()}")
        writes = bundle.writes
        process.end()
        process.written = writes
        self.calls = process.trace
        self.kernel.work()
        return answer, process

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """While polc is at work, what others add is late: it need not be noticed any more."""
        self.running = True
        try:
            yield
        finally:
            self.running = False
            if self.device.clsact is not None:
                self.device.clsact.late = False
                for one in (one for hook in HOOKS for one in self.device.clsact.filters[hook]):
                    one.late = False

    def request(self, mechanism: Mechanism | None, closed: bool = False) -> AttachRequest:
        return AttachRequest(self.device.name, self.root, mechanism=mechanism, closed=closed)

    def attach(
        self,
        pair: ObjectPair,
        mechanism: Mechanism | None = None,
        plan: Mapping[int, Event] = NOTHING_PLANNED,
        closed: bool = False,
    ) -> AttachReport | Exception:
        request = self.request(mechanism, closed)
        before = self._mark()
        self.guard.start(pair.identity.hex(), closed)
        answer, process = self.run(lambda kernel: attach(kernel, pair, request), plan)
        self.guard.check()
        if not process.died:
            self._judge_attach(answer, pair.identity.hex(), before, process)
        self.guard.start()
        return answer

    def _judge_attach(
        self, answer: AttachReport | Exception, identity: str, before: object, process: Process
    ) -> None:
        held = in_force(hooks_of(self.device))
        if isinstance(answer, AttachReport) and not self.guard.disturbed:
            self._check_words(answer.status)
            if held != identity:
                raise Broken(f"attach succeeded, in force is {held}")
            if not answer.notes:
                self._check_tidy()
        elif not isinstance(answer, RuntimeFault | AttachReport):
            raise Broken(f"an error without words: {answer!r}") from answer
        elif self.guard.disturbed:
            return
        elif isinstance(answer, NotInForce):
            if process.faults < 2 and held != identity:
                raise Broken(f"one fault, and attach was left half done: {answer} {answer.facts}")
        elif self._mark() != before:
            raise Broken(f"`nothing changed` ({answer}), but something did")

    def detach(self, plan: Mapping[int, Event] = NOTHING_PLANNED) -> DetachReport | Exception:
        name = self.device.name
        before = self._mark()
        self.guard.start()
        answer, process = self.run(lambda kernel: detach(kernel, name, self.root), plan)
        if process.died:
            return answer
        if isinstance(answer, DetachReport) and not self.guard.disturbed:
            if any(hooks_of(self.device).values()):
                raise Broken("detached, and gates are left")
            self._check_tidy()
        elif not isinstance(answer, RuntimeFault | DetachReport):
            raise Broken(f"an error without words: {answer!r}") from answer
        elif not isinstance(answer, NotInForce) and not self.guard.disturbed and self._mark() != before:
            raise Broken(f"`nothing changed` ({answer}), but something did")
        return answer

    def status(self, plan: Mapping[int, Event] = NOTHING_PLANNED) -> InterfaceStatus | Exception:
        name = self.device.name
        self.guard.start("none")
        answer, process = self.run(lambda kernel: interface_status(kernel, kernel.net.link(name)), plan)
        if isinstance(answer, InterfaceStatus) and not self.guard.disturbed:
            self._check_words(answer)
        if process.written:
            raise Broken("a look wrote")
        self.guard.start()
        return answer

    def verified(self) -> bool:
        name = self.device.name
        answer, _ = self.run(lambda kernel: verify(kernel, name), NOTHING_PLANNED)
        right = in_force(hooks_of(self.device)) is not None and not before_gates(self.device)
        if isinstance(answer, InterfaceStatus) and not right:
            raise Broken("verify says yes, and it is not so")
        return isinstance(answer, InterfaceStatus)

    # --- what is checked --------------------------------------------------------------------------------

    def _check_words(self, status: InterfaceStatus) -> None:
        """The runtime's words against the truth."""
        hooks = hooks_of(self.device)
        held, fates = in_force(hooks), [one for hook in HOOKS for one in hooks[hook]]
        if status.in_force and status.identity != held:
            raise Broken(f"status says {status.summary}, in force is {held}")
        single = all(len(hooks[hook]) == 1 for hook in HOOKS)
        if single and (held is not None) != status.in_force:
            raise Broken(f"status says {status.summary}, in force is {held}")
        if (status.state is State.ABSENT) != (not fates):
            raise Broken(f"status says {status.summary}, there are {len(fates)} gates")
        if status.state is State.NOT_ARMED and any(one.enforced for one in fates):
            raise Broken("status says not armed, and a gate enforces")
        if status.in_force and (status.state is State.BYPASSABLE) != bool(before_gates(self.device)):
            raise Broken(f"status says {status.summary}; before the gates: {before_gates(self.device)}")

    def _check_tidy(self) -> None:
        self.kernel.objects.work()
        # Two polc closing one slot map at about the same moment lose it to the kernel; one alone must not.
        excused = {f"Map {one.id} {one.name}" for one in self.kernel.objects.lost} if self.rivals else set()
        held = [thing for one in self.residents for thing in one.open_things()]
        left = [one for one in leaked(self.kernel, self.spaces, self.space, held) if one not in excused]
        if left:
            raise Broken(f"left behind: {left}")
        hooks = hooks_of(self.device)
        if any(len(hooks[hook]) > 1 for hook in HOOKS):
            raise Broken("more than one gate on a hook")

    def _mark(self) -> object:
        """All that `nothing changed` speaks of: hooks, contents of slots, pins, directories.

        What others let go of is gone first: the kernel frees it later, in no command's name."""
        kernel = self.kernel
        kernel.objects.work()
        return (
            {hook: tuple(one for one, _ in self.device.everything(hook)) for hook in HOOKS},
            hooks_of(self.device),
            dict(kernel.pins),
            set(kernel.directories),
            frozenset(thing for things in kernel.objects.living.values() for thing in things.values()),
            self.device.clsact,
        )

    def look(self) -> object:
        """All that a command can meet, comparable between worlds: ids are the same for the same past."""
        kernel = self.kernel
        return (
            hooks_of(self.device),
            sorted(map(str, kernel.pins)),
            sorted(map(str, kernel.directories)),
            {kind: sorted(things) for kind, things in kernel.objects.living.items()},
            self.device.clsact is not None,
        )

    def settle(self, pair: ObjectPair, mechanism: Mechanism | None) -> None:
        """Whatever happened: one attach gets there, a second writes nothing, a detach leaves nothing."""
        answer = self.attach(pair, mechanism)
        if not isinstance(answer, AttachReport):
            raise Broken(f"no convergence: {answer}") from answer
        if answer.notes:
            raise Broken(f"not tidied without any fault: {answer.notes}")
        request = self.request(mechanism)
        again, process = self.run(lambda kernel: attach(kernel, pair, request), NOTHING_PLANNED)
        if not isinstance(again, AttachReport) or again.changed or process.written:
            raise Broken(f"the second attach wrote {process.written} times: {again}")
        gone = self.detach()
        if not isinstance(gone, DetachReport):
            raise Broken(f"detach failed without a fault: {gone}")

    # --- others -------------------------------------------------------------------------------------------

    def stranger(self, work: Callable[[Kernel, Fd], None], name: str = "cali") -> None:
        """Somebody else's process, which starts, loads a program, does its work and ends."""
        self.guard.disturbed = True
        process = Process(self.kernel, name)
        bundle = doors(process, self.space)
        program, _ = bundle.bpf.prog_load(ProgramCode(name, _RETURN, "GPL"))
        work(bundle, program)
        process.end()

    def foreign_tcx(self, flags: AttachFlag, hook: TcHook = TcHook.INGRESS) -> None:
        if len(self.device.tcx[hook].entries) < TCX_ROOM - 4:
            index = self.device.index
            self.stranger(
                lambda kernel, program: kernel.bpf.prog_attach(program, index, hook.attach_type, flags)
            )

    def foreign_clsact(self) -> None:
        if self.device.clsact is None:
            self.stranger(lambda kernel, _: kernel.net.add_clsact(self.device.index))
        if self.device.clsact is not None:
            self.device.clsact.late = self.running

    def foreign_filter(self, preference: int = 10, hook: TcHook = TcHook.EGRESS) -> None:
        self.foreign_clsact()
        place = self.device.index, hook.parent, preference
        self.stranger(lambda kernel, program: kernel.net.add_bpf_filter(*place, program.number, "cali"))
        if self.device.clsact is not None:
            for one in self.device.clsact.filters[hook]:
                one.late = one.late or (self.running and one.owner != "polc")

    def rival(self, work: Callable[[Kernel], object]) -> None:
        """Another polc runs a whole command; the lock may refuse it."""
        self.guard.disturbed = True
        self.rivals += 1
        process = Process(self.kernel)
        with contextlib.suppress(RuntimeFault):
            work(doors(process, self.space))
        process.end()

    def renew_device(self) -> None:
        """The device goes and one of the same name comes, under another index."""
        self.guard.disturbed = True
        name = self.device.name
        self.kernel.delete_device(self.space, self.device)
        self.device = self.guard.device = self.space.add(name)

    def move_device(self) -> None:
        self.guard.disturbed = True
        target = self.spaces[1 - self.spaces.index(self.space)]
        self.kernel.move_device(self.device, self.space, target)
        self.space = target

    def remove_gate(self, hook: TcHook) -> None:
        """Somebody detaches our link or deletes our filter."""
        self.guard.disturbed = True
        for entry in [one for one in self.device.tcx[hook].entries if is_gate(one.program)]:
            if entry.link is not None:
                self.kernel.forget(entry.link)
        filters = self.device.clsact.filters[hook] if self.device.clsact else []
        for one in [one for one in filters if is_gate(one.program)]:
            filters.remove(one)
            if one.program is not None:
                self.kernel.objects.drop_later(one.program)

    def remove_pins(self) -> None:
        """Somebody removes what we pinned; a slot map that no process holds is emptied at once."""
        self.guard.disturbed = True
        for path in [one for one in self.kernel.pins if one not in self.kernel.foreign_pins]:
            self.kernel.unpin(path)
        self.kernel.work()

    def delete_clsact(self) -> None:
        self.guard.disturbed = True
        if self.device.clsact is not None:
            self.kernel.end_clsact(self.device)
