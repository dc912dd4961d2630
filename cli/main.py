"""The `polc` command: its sub-commands, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from .commands import attach, check, compile, demo, detach, doctor, inspect, monitor, status, verify
from .outcome import answering

app = typer.Typer(
    name="polc",
    help="Compiles Calico-style network policy into a verified pair of BPF objects, and keeps it in force.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"polc {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Compiles Calico-style network policy into a verified pair of BPF objects, and keeps it in force."""


app.command("compile")(answering(compile.run))
app.command("check")(answering(check.run))
app.command("inspect")(answering(inspect.run))
app.command("attach")(answering(attach.run))
app.command("status")(answering(status.run))
app.command("verify")(answering(verify.run))
app.command("detach")(answering(detach.run))
app.command("monitor")(answering(monitor.run))
app.command("doctor")(answering(doctor.run))
app.command("demo")(answering(demo.run))


def main() -> None:
    """The console script's entry."""
    app()
