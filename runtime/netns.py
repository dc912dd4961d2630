"""Network namespaces: running a function inside one, its cookie, and the trap of `ip netns exec`.

Only the *network* namespace is ever entered, and only in a thread made for it: the process keeps its mount
namespace, so the pins it makes outlive it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from .errors import CannotError
from .mounts import Mount, mounts

NAMED: Final = Path("/run/netns")  # where iproute2 keeps names (lib/namespace.c)

_CLONE_NEWNET: Final = 0x40000000
_NS_GET_NSTYPE: Final = 0xB703  # include/uapi/linux/nsfs.h
_SO_NETNS_COOKIE: Final = 71  # include/uapi/asm-generic/socket.h, Linux 5.14
_COOKIE_BYTES: Final = 8
# What mounts of sysfs are called when no `ip netns exec` made them: it gives the namespace's name instead.
_SYSFS_SOURCES: Final = frozenset({"sysfs", "none", "sys"})

_T = TypeVar("_T")


def run(namespace: str | None, function: Callable[[], _T]) -> _T:
    """Calls `function` in a thread that entered `namespace` (NAME, PATH or PID; None = where we are).

    What the function raises is raised here. An interrupt (Ctrl-C) reaches only the caller's thread and waits
    for the function: kernel work is never cut in half. CannotError when the namespace is not there or not
    ours to enter.
    """
    descriptor = None if namespace is None else _open(namespace)
    outcome: list[_T] = []
    failure: list[BaseException] = []

    def inside() -> None:
        try:
            if descriptor is not None:
                _enter(descriptor, str(namespace))
            outcome.append(function())
        except BaseException as error:  # handed over to the caller's thread, whatever it is
            failure.append(error)

    try:
        _finish(threading.Thread(target=inside, name=f"netns {namespace}"))
    finally:
        if descriptor is not None:
            os.close(descriptor)
    if failure:
        raise failure[0]
    return outcome[0]


@contextmanager
def kept(namespace: str | None) -> Iterator[str | None]:
    """Holds a namespace open, under a path that `run` takes as long as the context lasts.

    For who gives up privileges in between: `/proc/PID/ns/net` of a process that has more of them cannot be
    opened any more (ptrace(2), access mode checking). Raises CannotError as `run` does.
    """
    if namespace is None:
        yield None
        return
    descriptor = _open(namespace)
    try:
        if not _is_one(descriptor):
            raise CannotError(f"{namespace!r} is no network namespace", "see `ip netns`")
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _finish(thread: threading.Thread) -> None:
    thread.start()
    interrupt: KeyboardInterrupt | None = None
    while thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt as caught:
            interrupt = caught
    if interrupt is not None:
        raise interrupt


def cookie() -> int:
    """The kernel's 64-bit number of the calling thread's network namespace; never reused while it runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            raw = probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, _COOKIE_BYTES)
        except OSError as error:
            raise CannotError(
                "the kernel does not tell network namespaces apart (SO_NETNS_COOKIE)",
                "polc needs Linux 5.14 or newer",
            ) from error
    return int.from_bytes(raw, "little")


def in_private_mounts() -> bool | None:
    """Whether this process sees other mounts than pid 1. None when that cannot be told.

    Mount ids are unique in a running kernel, so one id in both lists means one namespace. (`/proc/1/ns/mnt`
    needs the right to trace pid 1, which root may lack; `mountinfo` does not.)
    """
    ours, first = mounts("self"), mounts("1")
    if not ours or not first:
        return None
    return {mount.id for mount in ours}.isdisjoint(mount.id for mount in first)


def refuse_netns_exec() -> None:
    """CannotError inside `ip netns exec`: pins made there die with the process, and so would the policy."""
    name = netns_exec_name(mounts("self"), in_private_mounts())
    if name is not None:
        raise CannotError(
            f"this process runs inside `ip netns exec {name}`: what it pins vanishes when it ends",
            f"run it outside, with --netns {name}",
        )


def netns_exec_name(ours: tuple[Mount, ...], private: bool | None) -> str | None:
    """The namespace's name when `ours` are mounts as `ip netns exec` makes them, else None.

    It mounts a new sysfs over /sys whose source is the name (iproute2 lib/namespace.c, netns_switch).
    """
    sources = [mount.source for mount in ours if mount.point == "/sys" and mount.kind == "sysfs"]
    if private is False or not sources or sources[-1] in _SYSFS_SOURCES:
        return None
    return sources[-1]


def _open(namespace: str) -> int:
    path = _path(namespace)
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CannotError(
            f"cannot open network namespace {namespace!r} ({path}): {error.strerror}",
            "give a name from `ip netns list`, a path such as /proc/PID/ns/net, or a process id",
        ) from error


def _is_one(descriptor: int) -> bool:
    try:
        return fcntl.ioctl(descriptor, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


def _path(namespace: str) -> Path:
    if "/" in namespace:
        return Path(namespace)
    named = NAMED / namespace
    if namespace.isdecimal() and not named.exists():
        return Path("/proc") / namespace / "ns" / "net"
    return named


def _enter(descriptor: int, namespace: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) == 0:
        return
    code = ctypes.get_errno()
    hint = (
        "entering a network namespace needs root (CAP_SYS_ADMIN)" if code == errno.EPERM else "see `ip netns`"
    )
    raise CannotError(f"cannot enter network namespace {namespace!r}: {os.strerror(code)}", hint)
