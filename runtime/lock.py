"""One command at a time changes an interface: a lock that dies with its holder (S27).

A file under /run/polc, which only root may enter, locked by flock(2): the kernel lets go when the process
ends, however it ends. The file goes when the lock does; who waited for a file that went takes the new one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .errors import CannotError, cannot
from .ownership import MODE, require_own

DIRECTORY: Final = Path("/run/polc")
PATIENCE: Final = 10.0  # seconds; a swap takes a hundredth of that even under load
_PAUSE: Final = 0.01
_BUSY: Final = "another polc is changing this interface"


@contextmanager
def locked(
    name: str, directory: Path = DIRECTORY, patience: float = PATIENCE, busy: str = _BUSY
) -> Iterator[None]:
    """Holds the lock called `name`. Raises CannotError when another process keeps it for `patience` seconds,
    which `busy` says in words, or when none can be made."""
    path = directory / name
    try:
        directory.mkdir(mode=MODE, exist_ok=True)
        require_own(directory)
        descriptor = _acquire(path, time.monotonic() + patience)
    except OSError as error:
        raise cannot(error, f"take the lock {path}") from error
    if descriptor is None:
        raise CannotError(
            busy,
            f"see who holds {path} (`fuser {path}`), then try again",
        )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, until: float) -> int | None:
    """The descriptor that holds the lock, None when it could not be had in time."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                return descriptor
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EINTR):
                os.close(descriptor)
                raise
        os.close(descriptor)
        if time.monotonic() > until:
            return None
        time.sleep(_PAUSE)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file that is locked is the one that stands at the path: its last holder removes it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
