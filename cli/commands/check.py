"""`polc check FILE…`: every error and warning of the input, with its place."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from ...compiler.source import CompileError, Diagnostic, Diagnostics, Severity, Source
from ..diagnostics import render, render_json
from ..options import CheckFormat, Disable, Files, Strict, parse_disabled
from ..outcome import Code, color


def run(
    files: Files,
    strict: Strict = False,
    disable: Disable = None,
    format: Annotated[CheckFormat, typer.Option("--format", help="How to print it.")] = CheckFormat.TEXT,
) -> None:
    """Report all errors and warnings of the files.

    Exit 1 when there is an error; warnings leave it 0.
    """
    disabled = parse_disabled(disable)
    every, sources = findings(files, strict=strict)
    found = tuple(item for item in every if item.code not in disabled)
    if format is CheckFormat.SARIF:
        from ..sarif import render_sarif

        typer.echo(render_sarif(found, sources))
    elif format is CheckFormat.JSON:
        typer.echo(render_json(found, sources))
    elif found:
        typer.echo(render(found, sources, color=color(sys.stdout.isatty())).rstrip("\n"))
    else:
        typer.echo("no findings")
    if any(item.severity is Severity.ERROR for item in found):
        raise typer.Exit(int(Code.INPUT))


def findings(
    files: Sequence[str], *, strict: bool = False
) -> tuple[tuple[Diagnostic, ...], Mapping[str, Source]]:
    """Everything that reading the files and resolving each of their endpoints finds, each finding once, and
    the sources to quote from."""
    from ...compiler.pipeline import load
    from ...compiler.resolve import endpoints, resolve_endpoint

    try:
        inventory = load(files, strict=strict)
    except CompileError as error:
        return error.diagnostics, error.sources
    found = Diagnostics()
    for ref in endpoints(inventory.world):
        resolve_endpoint(inventory.world, ref, found)
    every = dict.fromkeys([*inventory.warnings, *found])
    return tuple(every), {source.path: source for source in inventory.sources}
