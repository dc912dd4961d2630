"""The runtime's faults and the exit code each one means (design §2); `cannot` turns an errno into one."""

from __future__ import annotations

import errno
from typing import ClassVar

from .bpf.fault import BpfError
from .bpf.kinds import Command


class RuntimeFault(Exception):
    """A fault a user can act on: `message` says what, `hint` how to mend it ("" when there is no way)."""

    exit_code: ClassVar[int]

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CannotError(RuntimeFault):
    """This machine cannot: privilege, kernel feature, memory. Nothing was changed."""

    exit_code = 3


class GoneError(CannotError):
    """The interface is not there, or not any more: nothing of ours can be on it."""


class NotInForce(RuntimeFault):
    """The pair is not in force, or may be bypassed; `facts` are the single findings, a line each."""

    exit_code = 4

    def __init__(self, message: str, hint: str = "", facts: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.facts = facts


class ObjectFault(RuntimeFault):
    """The objects cannot be loaded as they are: the input's fault, found before any change."""

    exit_code = 1


class VerifierError(ObjectFault):
    """The kernel's verifier refused a program.

    direction: "ingress" or "egress" (or a gate's name). at: `file:line` of the policy the refused code
    stems from, as far as it is known. tail: the last lines of the log. log: all of it, which the command
    line writes to a file on demand.
    """

    def __init__(self, direction: str, at: str, tail: tuple[str, ...], log: str) -> None:
        where = f" (code of {at})" if at else ""
        super().__init__(
            f"the kernel's verifier refused the {direction} program{where}",
            "this is a limit or a fault of the compiler, not of the policy: keep the log with the report",
        )
        self.direction = direction
        self.at = at
        self.tail = tail
        self.log = log


_PRIVILEGE = "run as root (by-id reads of programs and maps need CAP_SYS_ADMIN, attaching CAP_NET_ADMIN)"
_MEMORY = "free memory, or raise the limit (`ulimit -l` for locked memory, `ulimit -n` for open files)"
_TCX = frozenset({Command.LINK_CREATE, Command.LINK_UPDATE, Command.PROG_ATTACH, Command.PROG_QUERY})


def cannot(error: OSError, doing: str) -> CannotError:
    """The CannotError for a refused system call; `doing` completes "cannot …" ("load the ingress program").

    EPERM and EACCES speak of privilege, ENOSYS (and EINVAL on a tcx call, which is what kernels before 6.6
    answer) of a kernel feature, the others of memory or of the plain error text.
    """
    command = error.command if isinstance(error, BpfError) else None
    code = error.errno
    what = f"cannot {doing}: {error.strerror or error}"
    if code in (errno.EPERM, errno.EACCES):
        return CannotError(what, _PRIVILEGE)
    if code == errno.ENOSYS:
        return CannotError(what, "this kernel was built without CONFIG_BPF_SYSCALL")
    if code in (errno.EINVAL, errno.EOPNOTSUPP) and command in _TCX:
        return CannotError(what, "tcx needs a kernel of 6.6 or newer; use --hook clsact")
    if code in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
        return CannotError(what, _MEMORY)
    if command is not None and code == errno.EAGAIN:
        return CannotError(what, "a signal interrupted the kernel each time: try again")
    return CannotError(what)
