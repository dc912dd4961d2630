"""The `polc` command: its sub-commands, each loaded when it is the one that is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from .. import __version__
from .outcome import answering

COMMANDS: Final = (
    "compile",
    "check",
    "schema",
    "explain",
    "replay",
    "test",
    "inspect",
    "attach",
    "status",
    "verify",
    "detach",
    "monitor",
    "counters",
    "agent",
    "doctor",
    "demo",
)
_PURPOSE: Final = (
    "Compiles Calico-style network policy into a verified pair of BPF objects, and keeps it in force."
)


def app(arguments: Sequence[str]) -> typer.Typer:
    """The application for a command line: with the one command that it names, else with all of them.

    Loading one instead of all saves most of the start-up time: the others' doors and models stay unread.
    """
    made = typer.Typer(
        name="polc",
        help=_PURPOSE,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    made.callback(help=_PURPOSE)(options)
    named = arguments[0] if arguments else ""
    needed = {"--version": (), **{name: (name,) for name in COMMANDS}}
    for name in needed.get(named, COMMANDS):
        module = importlib.import_module(f".commands.{name}", __package__)
        made.command(name)(answering(module.run))
    return made


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"polc {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """The options of `polc` itself."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script's entry; arguments: sys.argv's when not given."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    app(given)(given, prog_name="polc")
