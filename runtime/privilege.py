"""What the process may do: every capability that is not needed is given up, for good.

capset(2) and prctl(2) act on the calling thread, and threads inherit what their parent has: both functions
are called while the process has one thread, and refuse to work later. Two layers keep what was given up from
coming back by execve(2): no_new_privs (never more than before), and SECBIT_NOROOT (user id 0 alone gives no
capability), so that a child process of the agent starts with none at all. Facts: capabilities(7), prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from . import landlock
from .errors import CannotError


class Capability(IntEnum):
    """Numbers of include/uapi/linux/capability.h; those that polc names."""

    SETPCAP = 8
    NET_ADMIN = 12
    SYS_ADMIN = 21
    PERFMON = 38
    BPF = 39


@dataclass(frozen=True, slots=True)
class Held:
    """The capabilities of the calling thread, as bit sets, and its no_new_privs flag."""

    inheritable: int
    permitted: int
    effective: int
    bounding: int
    ambient: int
    no_new_privs: bool


# What attaching, reading back, swapping and detaching need, and the agent keeps (tests/agent_health: each
# is needed, both are enough). CAP_SYS_ADMIN: opening programs and maps by id, which is how the kernel
# is asked what runs, and entering a network namespace; it contains CAP_BPF and CAP_PERFMON (bpf_capable and
# perfmon_capable, include/linux/capability.h). CAP_NET_ADMIN: clsact qdiscs and filters; not contained.
NEEDED: Final = (Capability.NET_ADMIN, Capability.SYS_ADMIN)

_STATUS: Final = {
    "CapInh": "inheritable",
    "CapPrm": "permitted",
    "CapEff": "effective",
    "CapBnd": "bounding",
    "CapAmb": "ambient",
}
_VERSION_3: Final = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words of 32 bits for each set
_WORD: Final = 0xFFFFFFFF
# include/uapi/linux/prctl.h
_CAPBSET_DROP: Final = 24
_SET_SECUREBITS: Final = 28
_SET_NO_NEW_PRIVS: Final = 38
_CAP_AMBIENT: Final = 47
_CAP_AMBIENT_CLEAR_ALL: Final = 4
# include/uapi/linux/securebits.h: NOROOT and its lock, NO_CAP_AMBIENT_RAISE and its lock.
_SECUREBITS: Final = 0b0011 | 0b1100_0000


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def held(thread: str = "thread-self") -> Held:
    """What a thread holds, as /proc says it: the calling one, or that of a process id. OSError."""
    lines = (Path("/proc") / thread / "status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    sets = {name: int(fields[key].strip(), 16) for key, name in _STATUS.items()}
    return Held(**sets, no_new_privs=fields["NoNewPrivs"].strip() == "1")


def become_powerless() -> None:
    """Gives up every capability and the way back to any, and what user 0 may do by its number alone: see
    landlock.py. For the worker, first thing. Raises OSError."""
    keep_only(())
    landlock.confine((tempfile.gettempdir(), os.devnull))


def keep_only(capabilities: Collection[Capability]) -> None:
    """Gives up every capability but these; children started later have none.

    CannotError when one of them is not held to begin with (nothing is given up then), RuntimeError when the
    process has a second thread, which would keep what it has. OSError for a refused call.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("capabilities are given up before the first thread starts")
    before = held()
    lacking = [one for one in capabilities if not before.permitted >> one & 1]
    if lacking:
        raise CannotError(
            f"this process lacks {', '.join(f'CAP_{one.name}' for one in lacking)}",
            "run as root; in a container or a unit of systemd, grant these capabilities",
        )
    kept = sum(1 << one for one in set(capabilities))
    libc = ctypes.CDLL(None, use_errno=True)
    _prctl(libc, _SET_NO_NEW_PRIVS, 1)
    _prctl(libc, _CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    if before.effective >> Capability.SETPCAP & 1:  # without it there is no_new_privs alone, which suffices
        _prctl(libc, _SET_SECUREBITS, _SECUREBITS)
        for number in range(before.bounding.bit_length()):
            if before.bounding >> number & 1 and not kept >> number & 1:
                _prctl(libc, _CAPBSET_DROP, number)
    _capset(libc, kept)


def _prctl(libc: ctypes.CDLL, option: int, argument: int) -> None:
    zero = ctypes.c_ulong(0)
    if libc.prctl(option, ctypes.c_ulong(argument), zero, zero, zero) != 0:
        raise _refused("prctl")


def _capset(libc: ctypes.CDLL, kept: int) -> None:
    header = _Header(_VERSION_3, 0)
    low, high = kept & _WORD, kept >> 32
    sets = (_Sets * 2)(_Sets(low, low, 0), _Sets(high, high, 0))
    if libc.capset(ctypes.byref(header), sets) != 0:
        raise _refused("capset")


def _refused(call: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"{call}: {os.strerror(code)}")
