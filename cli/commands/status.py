"""`polc status`: what is in force on each interface, read from the kernel and from nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from ...runtime.status import status
from ..doors import with_kernel
from ..options import Format, Netns, OutputFormat
from ..standing import text


def run(
    iface: Annotated[
        str | None,
        typer.Option("--iface", metavar="IF", help="Only this interface (default: all that carry a gate)."),
    ] = None,
    netns: Netns = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Say what is in force, from the kernel alone."""
    report = with_kernel(netns, lambda kernel: status(kernel, iface))
    if format is Format.JSON:
        typer.echo(report.model_dump_json(indent=2))
    elif report.interfaces:
        typer.echo("\n".join(map(text, report.interfaces)))
    else:
        typer.echo("no interface of this network namespace carries a polc gate")
