"""The bpf(2) system call itself, and the count of the calls that change something.

Every command of the runtime goes through `Syscall.call`: one place to count, to fail and to watch.
"""

from __future__ import annotations

import _thread
import ctypes
import errno
import platform
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

from .fault import BpfError
from .kinds import WRITES, Command

# __NR_bpf: arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h.
_NUMBERS: Final = {"x86_64": 321, "aarch64": 280}
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_SYSCALL: Final = _LIBC.syscall
_SYSCALL.restype = ctypes.c_long
_SYSCALL.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_ulong)
# EAGAIN that passes: of PROG_LOAD when a signal interrupts the verifier; of LINK_GET_FD_BY_ID while another
# process is still making that link (kernel/bpf/syscall.c, bpf_link_by_id).
_PASSING: Final = frozenset({Command.PROG_LOAD, Command.LINK_GET_FD_BY_ID})
_BUSY_RETRIES: Final = 5
_SETTLING: Final = 0.005  # seconds
_T = TypeVar("_T")


def address(buffer: ctypes.Array[ctypes.c_char] | None) -> int:
    """Where a buffer starts; the caller keeps it alive over the call."""
    return ctypes.addressof(buffer) if buffer is not None else 0


class Syscall:
    """writes: how often each command that changes kernel state was tried, refused ones included."""

    def __init__(self) -> None:
        self.writes: Counter[str] = Counter()
        self._number = _NUMBERS.get(platform.machine())

    def call(self, command: Command, attr: ctypes.Structure, about: str = "") -> int:
        """The kernel's non-negative answer; raises BpfError."""
        self._count(command)
        return self._ask(command, attr, about)

    def begin(
        self, command: Command, attr: ctypes.Structure, about: str, answered: Callable[[int], _T]
    ) -> Future[_T]:
        """The same in a thread beside the caller's; counted at once. answered: makes something of the answer.
        What `attr` points to has to live until then."""
        self._count(command)
        future: Future[_T] = Future()

        def ask() -> None:
            try:
                future.set_result(answered(self._ask(command, attr, about)))
            except Exception as error:  # whatever it is: somebody waits for the answer
                # Its frames lead back to the future: only the garbage collector would end that.
                future.set_exception(error.with_traceback(None))

        # A thread of a pool would keep the network namespace alive that it was started in. Nobody joins this
        # one, the future says all; `threading` would have us wait until it runs, beside a busy verifier.
        try:
            _thread.start_new_thread(ask, ())
        except RuntimeError:  # there may be no more threads: then nothing is beside anything
            ask()
        return future

    def _count(self, command: Command) -> None:
        if command in WRITES:
            self.note_write(command.name)

    def _ask(self, command: Command, attr: ctypes.Structure, about: str) -> int:
        if self._number is None:
            raise BpfError(errno.ENOSYS, command, f"on {platform.machine()}")
        for attempt in range(_BUSY_RETRIES):
            answer: int = _SYSCALL(self._number, command, ctypes.addressof(attr), ctypes.sizeof(attr))
            if answer >= 0:
                return answer
            code = ctypes.get_errno()
            if code != errno.EAGAIN or command not in _PASSING or attempt == _BUSY_RETRIES - 1:
                raise BpfError(code, command, about)
            if command is Command.LINK_GET_FD_BY_ID:
                time.sleep(_SETTLING)
        raise AssertionError("the loop above returns or raises")

    def note_write(self, what: str) -> None:
        """Counts a change of kernel state; also one without a system call (a store into a mapped map)."""
        self.writes[what] += 1
