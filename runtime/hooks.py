"""tcx links and clsact filters behind one face: what runs on a hook, in order, and how a gate comes and goes.

`TcHook` is the kernel's word (ingress = received by the device), never the policy's direction; `hook_of` is
the one place that maps the two (design §2).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from ..pair.layout import Direction
from .bpf import AttachFlag, AttachType, BpfError, Fd, HookState, Object
from .errors import CannotError
from .kernel import Kernel
from .netlink import PARENT_EGRESS, PARENT_INGRESS, PREFERENCE_MAX, Filter


class TcHook(IntEnum):
    INGRESS = 0
    EGRESS = 1

    @property
    def word(self) -> str:
        return self.name.lower()

    @property
    def parent(self) -> int:
        """The clsact class that filters of this hook hang from."""
        return PARENT_INGRESS if self is TcHook.INGRESS else PARENT_EGRESS

    @property
    def attach_type(self) -> AttachType:
        return AttachType.TCX_INGRESS if self is TcHook.INGRESS else AttachType.TCX_EGRESS


class Mechanism(StrEnum):
    TCX = "tcx"
    CLSACT = "clsact"


class Mode(StrEnum):
    """workload: the interface is the host's end of a workload's veth. host: the host's own interface."""

    WORKLOAD = "workload"
    HOST = "host"


def hook_of(mode: Mode, direction: Direction) -> TcHook:
    """Towards a workload is *out of* the host's end of its veth, so workload mode crosses the two."""
    straight = TcHook(int(direction))
    return straight if mode is Mode.HOST else TcHook(1 - straight)


@dataclass(frozen=True, slots=True)
class Runner:
    """One thing that runs on a hook. program: id, 0 for a classifier that is no BPF program.

    link: the tcx link's id, 0 without one. filter: the clsact filter, None on tcx.
    """

    hook: TcHook
    mechanism: Mechanism
    program: int
    name: str
    link: int = 0
    filter: Filter | None = None

    @property
    def place(self) -> str:
        """For people: `tcx ingress` or `clsact ingress pref 1 handle 0x1`."""
        if self.filter is None:
            return f"{self.mechanism} {self.hook.word}"
        numbers = f"pref {self.filter.preference} handle {self.filter.handle:#x}"
        return f"{self.mechanism} {self.hook.word} {numbers}"


# A filter we put into a clsact that we made says so in its name, so that detaching may remove the clsact too:
# the note lives and dies with the filter, in the kernel.
FILTER_NAME: Final = "polc"
FILTER_NAME_OWN_CLSACT: Final = "polc+clsact"


def runners(kernel: Kernel, ifindex: int, hook: TcHook) -> tuple[Runner, ...]:
    """Everything on one hook in running order: all tcx programs come before all clsact filters."""
    return (*_tcx_runners(kernel, ifindex, hook), *_clsact_runners(kernel, ifindex, hook))


def _tcx_runners(kernel: Kernel, ifindex: int, hook: TcHook) -> tuple[Runner, ...]:
    while True:
        state = tcx_state(kernel, ifindex, hook)
        if state is None:
            return ()
        names = [_program_name(kernel, program) for program in state.prog_ids]
        if None in names and tcx_state(kernel, ifindex, hook) != state:
            continue  # one left between the two calls: read the hook again
        return tuple(
            Runner(hook, Mechanism.TCX, program, name or "", link)
            for program, name, link in zip(state.prog_ids, names, state.link_ids, strict=True)
        )


def _clsact_runners(kernel: Kernel, ifindex: int, hook: TcHook) -> tuple[Runner, ...]:
    found = []
    for one in kernel.net.filters(ifindex, hook.parent):
        name = one.name if one.kind == "bpf" else one.kind
        found.append(Runner(hook, Mechanism.CLSACT, one.program, name, filter=one))
    return tuple(found)


def tcx_state(kernel: Kernel, ifindex: int, hook: TcHook) -> HookState | None:
    """The tcx side of a hook; None on a kernel without tcx (before 6.6, which answers EINVAL)."""
    try:
        return kernel.bpf.prog_query(ifindex, hook.attach_type)
    except BpfError as error:
        if error.errno == errno.EINVAL:
            return None
        raise


def _program_name(kernel: Kernel, program: int) -> str | None:
    fd = kernel.bpf.fd_by_id(Object.PROG, program)
    if fd is None:
        return None
    with fd:
        return kernel.bpf.prog_info(fd).name


def attach_tcx(kernel: Kernel, ifindex: int, hook: TcHook, program: Fd) -> Fd:
    """A link at the head of the hook. It lives as long as its descriptor or a pin of it."""
    return kernel.bpf.link_create(program, ifindex, hook.attach_type, AttachFlag.BEFORE)


def attach_clsact(kernel: Kernel, ifindex: int, hook: TcHook, program: Fd, name: str) -> None:
    """A direct-action filter for all protocols under the smallest free preference of the hook.

    A preference holds filters of one protocol and belongs to whoever made it, so a free one it is, even when
    a foreign filter at preference 1 then runs first.
    """
    preference = smallest_free_preference(kernel.net.filters(ifindex, hook.parent))
    kernel.net.add_bpf_filter(ifindex, hook.parent, preference, program.number, name)


def smallest_free_preference(taken: tuple[Filter, ...]) -> int:
    """1 … 65535; CannotError when every one is taken (S34)."""
    used = {found.preference for found in taken}
    for preference in range(1, PREFERENCE_MAX + 1):
        if preference not in used:
            return preference
    raise CannotError("every filter preference of this interface is taken", "remove some tc filters")


def remove(kernel: Kernel, ifindex: int, runner: Runner) -> None:
    """Takes one of *our* programs off its hook; content when it is gone, which the hook itself decides."""
    try:
        if runner.filter is not None:
            kernel.net.delete_filter(ifindex, runner.filter)
        elif runner.link:
            _detach_link(kernel, runner.link)
        else:
            _detach_plain(kernel, ifindex, runner)
    except OSError as error:
        if error.errno != errno.ENODEV and runner in _left(kernel, ifindex, runner.hook):
            raise


def remove_program(kernel: Kernel, ifindex: int, hook: TcHook, program: int) -> None:
    """Takes a program of ours, by its id, off the hook, however often and by whichever mechanism it is on."""
    for runner in _left(kernel, ifindex, hook):
        if runner.program == program:
            remove(kernel, ifindex, runner)


def _left(kernel: Kernel, ifindex: int, hook: TcHook) -> tuple[Runner, ...]:
    """What is on a hook; nothing when the device is gone, and its hooks with it."""
    try:
        return runners(kernel, ifindex, hook)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return ()
        raise


def drop_own_clsact(kernel: Kernel, ifindex: int, removed: Iterable[Runner]) -> bool:
    """Removes the clsact when a filter that was just removed says we made it, and nothing is left in it."""
    own = any(runner.name == FILTER_NAME_OWN_CLSACT for runner in removed)
    return own and drop_empty_clsact(kernel, ifindex)


def drop_empty_clsact(kernel: Kernel, ifindex: int) -> bool:
    """Removes the clsact unless a filter is in it; whether it was removed."""
    if not kernel.net.has_clsact(ifindex) or any(_clsact_runners(kernel, ifindex, hook) for hook in TcHook):
        return False
    kernel.net.delete_clsact(ifindex)
    return True


def _detach_link(kernel: Kernel, link: int) -> None:
    fd = kernel.bpf.fd_by_id(Object.LINK, link)
    if fd is not None:
        with fd:
            kernel.bpf.link_detach(fd)


def _detach_plain(kernel: Kernel, ifindex: int, runner: Runner) -> None:
    fd = kernel.bpf.fd_by_id(Object.PROG, runner.program)
    if fd is not None:
        with fd:
            kernel.bpf.prog_detach(fd, ifindex, runner.hook.attach_type)
