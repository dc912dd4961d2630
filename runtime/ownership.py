"""Directories that hold polc's state: root's own, and closed to everybody else.

Who may write a pin directory can take pins away and with them, in time, the policy; who may write the lock's
directory can keep every polc waiting. So both are made with mode 0700, and one that others own, may enter or
may replace is refused before anything is done in it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from .errors import CannotError

MODE: Final = 0o700
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def require_own(directory: Path) -> None:
    """CannotError unless this is a directory of root or of the process's user, closed to others, which nobody
    else can replace. OSError when it or the directory above cannot be looked at."""
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode):
        raise _refused(directory, "is no directory", f"remove it: polc makes {directory} itself")
    if not _ours(found):
        raise _refused(directory, f"belongs to user {found.st_uid}", f"chown root: {directory}")
    if found.st_mode & _OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        raise _refused(directory, f"is open to others (mode {mode:04o})", f"chmod 0700 {directory}")
    above = os.stat(directory.parent)
    replaceable = above.st_mode & _OTHERS_WRITE and not above.st_mode & stat.S_ISVTX
    if replaceable or not _ours(above):
        why = f"can be replaced by others: they may write {directory.parent}"
        raise _refused(directory, why, f"chown root: {directory.parent} && chmod go-w {directory.parent}")


def _ours(found: os.stat_result) -> bool:
    return found.st_uid in (0, os.geteuid())


def _refused(directory: Path, why: str, hint: str) -> CannotError:
    return CannotError(f"{directory}, where polc keeps its state, {why}", hint)
