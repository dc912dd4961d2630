"""A mutant: one small change of the source's text, and the copy of the package that has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from resource import RLIMIT_CPU, setrlimit
from signal import SIGXCPU

ROOT = Path(__file__).parents[2]
ROOMS = ("agent", "cli", "compiler", "grammar", "judge", "pair", "runtime", "tests")
LIMIT = 120  # seconds of CPU; a mutant that makes an engine run for ever is caught as well
CAUGHT = 3  # the battery's exit code when a check fails, so that a broken rig is not taken for a catch


@dataclass(frozen=True)
class Mutant:
    """file: below the root. old: stands there exactly once. new: what stands there instead."""

    name: str
    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Changes the copy at `root`. Raises ValueError when the text does not stand there exactly once."""
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.name}: {self.file} has {text.count(self.old)} times {self.old!r}, not once"
            )
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Fate:
    """caught: by which check, empty for a survivor. seconds: the battery's."""

    mutant: Mutant | None
    caught: str
    seconds: float


def copy_package(folder: Path) -> Path:
    """The package, as `polc` in the folder, with its files' times, so that bytecode stays valid."""
    copy = folder / "polc"
    copy.mkdir()
    for name in ("__init__.py", "pyproject.toml"):
        shutil.copy2(ROOT / name, copy / name)
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room)
    return copy


def fate_of(mutant: Mutant | None, folder: Path) -> Fate:
    """Runs the battery on a copy with the mutant (None: with none) in an empty folder.

    Raises RuntimeError when the battery itself breaks before its first check.
    """
    copy = copy_package(folder)
    if mutant is not None:
        mutant.apply(copy)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "polc.tests.mutants.battery", mutant.file if mutant else ""],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: setrlimit(RLIMIT_CPU, (LIMIT, LIMIT + 5)),
    )
    seconds = time.monotonic() - began
    if done.returncode == 0:
        return Fate(mutant, "", seconds)
    if done.returncode == -SIGXCPU:
        return Fate(mutant, f"no end within {LIMIT} s", seconds)
    if done.returncode == CAUGHT or done.returncode < 0:  # below 0: a signal, from native code gone wild
        words = done.stdout.strip().splitlines() or [f"signal {-done.returncode}"]
        return Fate(mutant, words[-1], seconds)
    raise RuntimeError(f"{mutant and mutant.name}: the battery broke:\n{done.stdout}\n{done.stderr[-3000:]}")
