"""Landlock: a process gives up writing files, TCP and signalling others, whoever it runs as.

User 0 without any capability still owns root's files and may signal root's processes. So the worker, which
reads hostile text, also gives these up. What is open already stays usable, and reading stays as it was.
Numbers: include/uapi/linux/landlock.h; system calls 444 to 446 on every architecture. ABI 1 is Linux 5.13.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from typing import Final

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION: Final = 1  # LANDLOCK_CREATE_RULESET_VERSION
_BENEATH: Final = 1  # LANDLOCK_RULE_PATH_BENEATH

_WRITE_FILE: Final = 1 << 1
_TRUNCATE: Final = 1 << 14
_OF_FILES: Final = _WRITE_FILE | _TRUNCATE  # what a rule on a file, not a folder, may allow
# By the ABI that brought them: WRITE_FILE, REMOVE_*, MAKE_*; REFER; TRUNCATE.
_WRITES: Final = ((1, _WRITE_FILE | 0b1_1111_1111 << 4), (2, 1 << 13), (3, _TRUNCATE))
_TCP: Final = (4, 0b11)  # BIND_TCP, CONNECT_TCP
_SCOPES: Final = (6, 0b11)  # ABSTRACT_UNIX_SOCKET, SIGNAL


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The kernel's Landlock ABI; 0 where there is none, or it was not started."""
    answer = ctypes.CDLL(None, use_errno=True).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    return max(0, int(answer))


def confine(writable: Iterable[str]) -> None:
    """Gives up, for good, in this thread and all it starts: changing files but beneath `writable`; TCP;
    signals to, and abstract sockets of, processes outside. As far as the kernel's ABI goes; nothing without.

    no_new_privs must be set. Raises OSError.
    """
    abi = version()
    if not abi:
        return
    writes = sum(bits for since, bits in _WRITES if abi >= since)
    net, scoped = (bits if abi >= since else 0 for since, bits in (_TCP, _SCOPES))
    rules = _Ruleset(writes, net, scoped)
    size = 8 * (1 + (abi >= _TCP[0]) + (abi >= _SCOPES[0]))
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    try:
        for path in writable:
            _allow(ruleset, path, writes)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, writes: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        allowed = writes if os.path.isdir(path) else writes & _OF_FILES
        _call(_ADD_RULE, ruleset, _BENEATH, ctypes.byref(_PathBeneath(allowed, place)), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    answer = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock: {os.strerror(code)}")
    return int(answer)
