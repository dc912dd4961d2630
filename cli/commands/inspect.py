"""`polc inspect OBJ`: what one object claims and holds, and which instructions belong to which rule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...pair.inspection import Inspection, RuleView, inspect_object
from ...pair.object import read_object
from ..options import Format, OutputFormat
from ..table import columns, counted


def run(
    obj: Annotated[Path, typer.Argument(metavar="OBJ", help="An object that `polc compile` wrote.")],
    format: OutputFormat = Format.TEXT,
) -> None:
    """Show what an object holds.

    Identity, direction, endpoint, sections, maps, and the instructions of each rule.
    """
    found = inspect_object(read_object(obj.read_bytes(), str(obj)))
    typer.echo(found.model_dump_json(indent=2) if format is Format.JSON else text(found))


def text(found: Inspection) -> str:
    """The inspection as a person reads it."""
    facts = [
        ("identity", found.identity),
        ("direction", f"{found.direction.word} (program {found.program})"),
        ("endpoint", found.endpoint or "none (compiled for labels)"),
        ("addresses", ", ".join(found.addresses) or "none"),
        ("layout", str(found.layout)),
        ("meaning", found.meaning),
        ("size", f"{found.size} bytes, {found.table_bytes} of them tables"),
        ("code", f"{counted(found.instructions, 'instruction')}, {found.shared} of them shared by all rules"),
    ]
    lines = [found.path, *columns([("", name, value) for name, value in facts])]
    lines += [
        "",
        "sections",
        *columns([("", part.name, f"{part.size} bytes") for part in found.sections if part.name]),
    ]
    lines += ["", "maps"]
    lines += columns([("", item.name, item.type, f"{item.max_entries} entries") for item in found.maps])
    lines += ["", "rules", *columns([_rule(rule) for rule in found.rules])]
    return "\n".join(lines)


def _rule(rule: RuleView) -> tuple[str, ...]:
    owner = rule.policy or rule.what
    return (
        "",
        f"{rule.index}",
        rule.action,
        rule.place or "-",
        owner,
        counted(rule.instructions, "instruction"),
        rule.text,
    )
