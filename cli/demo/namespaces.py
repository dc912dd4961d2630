"""The demo's private world: a mount namespace of its own, and the network namespaces bound inside it.

Everything hangs on the demo's process: when it ends, however it ends, the kernel takes the mounts, the
namespaces, the devices in them and the pins away. Nothing of it is visible to other processes.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Final

from ...runtime.errors import CannotError

# include/uapi/linux/sched.h and mount.h
_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWNET: Final = 0x40000000
_MS_BIND: Final = 4096
_MS_REC: Final = 16384
_MS_PRIVATE: Final = 1 << 18
_MNT_DETACH: Final = 2


class PrivateWorld:
    """A temporary folder with a tmpfs on it that only this process and its children see.

    `bpffs` is a bpf filesystem in it; `namespace(NAME)` makes a network namespace bound to a path in it.
    Enter it in the main thread, before any other thread is started: a mount namespace belongs to a thread and
    is passed on to those that it starts. CannotError when the kernel refuses a part of it.
    """

    def __init__(self) -> None:
        self.root = Path(tempfile.gettempdir())
        self.namespaces: dict[str, Path] = {}

    def __enter__(self) -> PrivateWorld:
        self.root = Path(tempfile.mkdtemp(prefix="polc-demo-"))
        try:
            _call("make a mount namespace", "unshare", ctypes.c_int(_CLONE_NEWNS))
            _mount("none", Path("/"), None, _MS_REC | _MS_PRIVATE, "keep the demo's mounts private")
            _mount("polc-demo", self.root, "tmpfs", 0, "mount a tmpfs for the demo")
            self.bpffs.mkdir()
            _mount("bpf", self.bpffs, "bpf", 0, "mount a bpf filesystem")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in list(self.namespaces):
            self.close_namespace(name)
        for path in (self.bpffs, self.root):
            if os.path.ismount(path):
                _call("unmount", "umount2", os.fsencode(path), ctypes.c_int(_MNT_DETACH))
        self.root.rmdir()

    @property
    def bpffs(self) -> Path:
        return self.root / "bpffs"

    def left(self) -> list[str]:
        """What is still there after it was closed: the folder, or a mount in it."""
        mounted = [
            one for one in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.root) in one
        ]
        return [*mounted, *([f"the folder {self.root}"] if self.root.exists() else [])]

    def namespace(self, name: str) -> Path:
        """Makes a network namespace; the path names it for `runtime.netns.run` and for `--netns`."""
        path = self.root / name
        path.touch()
        failure: list[BaseException] = []

        def make() -> None:
            try:
                _call("make a network namespace", "unshare", ctypes.c_int(_CLONE_NEWNET))
                _mount("/proc/thread-self/ns/net", path, None, _MS_BIND, "name a network namespace")
            except BaseException as error:  # handed over to the thread that asked
                failure.append(error)

        thread = threading.Thread(target=make, name=f"make {name}")
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        self.namespaces[name] = path
        return path

    def close_namespace(self, name: str) -> None:
        """Lets go of a network namespace: it ends, with its devices, once no socket is left in it."""
        path = self.namespaces.pop(name)
        _call("unmount a network namespace", "umount2", os.fsencode(path), ctypes.c_int(_MNT_DETACH))
        path.unlink()


def _mount(source: str, target: Path, kind: str | None, flags: int, doing: str) -> None:
    kind_bytes = kind.encode() if kind else None
    _call(doing, "mount", source.encode(), os.fsencode(target), kind_bytes, ctypes.c_ulong(flags), None)


def _call(doing: str, function: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise CannotError(f"cannot {doing}: {reason}", "the demo's live part needs root (CAP_SYS_ADMIN)")
