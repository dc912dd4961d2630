"""Processes of an agent by /proc, whose threads and children may end while they are listed."""

from __future__ import annotations

from pathlib import Path

_WORKER = b"polc.agent.worker"


def children(pid: int) -> list[int]:
    """The children of all threads of a process."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in path.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):  # the thread ended
            continue
    return found


def workers(pid: int) -> set[int]:
    """Those of the children that are compilers."""
    return {child for child in children(pid) if _WORKER in _command_line(child)}


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
