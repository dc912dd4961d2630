"""Runs a judging command in process, in the folder of the examples: its two streams and its exit code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polc.cli.main import app
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


def polc(*arguments: str) -> Result:
    """One command line; fails the test on anything but an exit."""
    done = CliRunner().invoke(app(arguments), arguments, env={"COLUMNS": "100", "NO_COLOR": "1"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Result(done.exit_code, done.stdout, done.stderr)
