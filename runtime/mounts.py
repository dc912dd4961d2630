"""The mount table of a process, as the kernel prints it (proc(5), /proc/PID/mountinfo)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount. id: unique in the running kernel. kind: the filesystem's type."""

    id: int
    parent: int
    point: str
    kind: str
    source: str


def mounts(process: str) -> tuple[Mount, ...]:
    """The mounts of `process` ("self" or a pid) in mount order; empty when they cannot be read."""
    try:
        text = Path("/proc", process, "mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ()
    return parse_mountinfo(text)


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    found = []
    for line in text.splitlines():
        fields = line.split(" ")
        if "-" not in fields:
            continue
        after = fields.index("-") + 1  # optional fields end with a lone hyphen
        found.append(
            Mount(
                id=int(fields[0]),
                parent=int(fields[1]),
                point=_unescaped(fields[4]),
                kind=fields[after],
                source=_unescaped(fields[after + 1]),
            )
        )
    return tuple(found)


def _unescaped(field: str) -> str:
    """Space, tab, newline and backslash are printed as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), field)
