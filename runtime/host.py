"""The third door: what the runtime asks of the machine besides bpf(2) and netlink.

Mounts, the network namespace's cookie, the lock of an interface, and the kernel's tick.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path

from . import bpffs, lock, netns, probe
from .bpf import Bpf


class Host:
    """The machine of the calling thread. Raises what the functions behind it raise.

    patience: seconds to wait for another polc that is changing the same interface.
    """

    def __init__(self, patience: float = lock.PATIENCE) -> None:
        self._patience = patience
        self._hz = 0  # of this kernel, 0 = not asked yet

    def refuse_netns_exec(self) -> None:
        netns.refuse_netns_exec()

    def cookie(self) -> int:
        return netns.cookie()

    def locked(
        self, cookie: int, ifindex: int, patience: float = lock.PATIENCE
    ) -> AbstractContextManager[None]:
        """Held while an interface is changed; dies with its holder. patience: as given at the start, or this
        when it is less."""
        return lock.locked(f"{cookie}-{ifindex}.lock", patience=min(patience, self._patience))

    def pause(self, seconds: float) -> None:
        """Lets that time pass, for what the kernel is about to do by itself."""
        time.sleep(seconds)

    def find_bpffs(self, root: Path) -> bpffs.Bpffs | None:
        return bpffs.find(root)

    def require_bpffs(self, root: Path, mount: bool = False) -> bpffs.Bpffs:
        return bpffs.require(root, mount)

    def jiffies_hz(self, bpf: Bpf) -> int:
        """Asked once: a running kernel's tick does not change, and measuring takes a quarter of a second."""
        if not self._hz:
            self._hz = probe.jiffies_hz(bpf)
        return self._hz
