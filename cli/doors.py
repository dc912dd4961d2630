"""Opens the kernel's doors where a command works: in the network namespace it names."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..runtime import bpffs, netns
from ..runtime.errors import CannotError
from ..runtime.kernel import Kernel
from ..runtime.netlink import Netlink

_T = TypeVar("_T")


def with_kernel(namespace: str | None, work: Callable[[Kernel], _T]) -> _T:
    """Runs `work` with open doors in that network namespace (None: the one we are in).

    An interface that is not there is a CannotError.
    """

    def inside() -> _T:
        with Netlink() as net:
            return work(Kernel(net))

    try:
        return netns.run(namespace, inside)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        hint = "see `ip link`" if namespace else "see `ip link`; for another namespace give --netns NAME"
        raise CannotError(error.strerror or "no such interface", hint) from error


def bpffs_root(option: Path | None) -> Path:
    """Where pins go: `--bpffs`, or the environment, or the usual place."""
    return bpffs.chosen_root(str(option) if option is not None else None, os.environ)
