"""`polc verify`: exit 0 when one pair is in force in both directions and nothing can decide before it."""

from __future__ import annotations

from typing import Annotated

import typer

from ...runtime.status import StatusReport
from ...runtime.verify import verify
from ..doors import with_kernel
from ..options import AllowBefore, Format, Interface, Netns, OutputFormat
from ..pairs import load_pair
from ..standing import text


def run(
    iface: Interface,
    pair: Annotated[
        str | None,
        typer.Argument(metavar="[PAIR]", help="It must be this pair (a path without .ingress.o)."),
    ] = None,
    netns: Netns = None,
    allow_before: AllowBefore = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Check that a pair is in force on the interface.

    Exit 4 when none is, when it is another one, or when a foreign program may decide before it.
    """
    wanted = load_pair(pair).identity.hex() if pair is not None else None
    found = with_kernel(netns, lambda kernel: verify(kernel, iface, allow_before or (), wanted))
    if format is Format.JSON:
        typer.echo(StatusReport(interfaces=(found,)).model_dump_json(indent=2))
    else:
        typer.echo(text(found))
