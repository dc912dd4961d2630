"""Runs `polc` as a user does: another process, its two streams and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
# Runs a command as root without any capability (util-linux).
POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
_CHILD = "from polc.cli.main import main; main()"


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str

    def without_traceback(self) -> Result:
        assert "Traceback" not in self.err + self.out, self.err
        return self


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test attaches: a network namespace, an interface in it, and a bpf filesystem."""

    netns: str
    interface: str
    bpffs: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("--iface", self.interface, "--netns", self.netns)

    @property
    def with_bpffs(self) -> tuple[str, ...]:
        return (*self.options, "--bpffs", str(self.bpffs))


def command(*arguments: str | Path) -> list[str]:
    """The argument vector of a `polc` process."""
    return [sys.executable, "-W", "error", "-c", _CHILD, *map(str, arguments)]


def polc(
    *arguments: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    under: tuple[str, ...] = (),
) -> Result:
    """One command line, without colour, under a wrapping command; fails the test on a traceback."""
    done = subprocess.run(
        [*under, *command(*arguments)],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    return Result(done.returncode, done.stdout, done.stderr).without_traceback()
