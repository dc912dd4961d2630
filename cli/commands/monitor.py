"""`polc monitor`: denied and logged packets as they happen, each with the policy line that decided it."""

from __future__ import annotations

from typing import Annotated

import typer

from ..events import text
from ..options import Format, Netns, OutputFormat
from ..watching import Watch

_PATIENCE = 0.25  # seconds to wait on one ring before looking at the next


def run(
    iface: Annotated[
        str | None,
        typer.Option("--iface", metavar="IF", help="Only this interface (default: all that carry a gate)."),
    ] = None,
    netns: Netns = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Show denied and logged packets as they happen.

    Until Ctrl-C. The ring of an interface has one reader: two monitors share its events between them.
    """
    with Watch(netns, iface) as watch:
        try:
            while True:
                for record in watch.records(_PATIENCE):
                    typer.echo(record.model_dump_json() if format is Format.JSON else text(record))
        except KeyboardInterrupt:
            return
