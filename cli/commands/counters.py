"""`polc counters`: how many packets each rule decided, by its line in the policy, from the kernel alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from ...runtime.counters import InterfaceCounters, RuleCount, counters
from ..diagnostics import clean
from ..doors import with_kernel
from ..events import UNMATCHED
from ..options import Format, Netns, OutputFormat
from ..table import columns

_STAGED_KIND = "Staged"


def run(
    iface: Annotated[
        str | None,
        typer.Option("--iface", metavar="IF", help="Only this interface (default: all that carry a gate)."),
    ] = None,
    netns: Netns = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Count the packets that each rule decided.

    Packets that were judged: those that open a flow, and all that are denied. The packets of a flow that was
    allowed pass without asking a rule, and count for none. A rule keeps its counts when the policy changes
    around it.
    """
    report = with_kernel(netns, lambda kernel: counters(kernel, iface))
    if format is Format.JSON:
        typer.echo(report.model_dump_json(indent=2))
    else:
        typer.echo("\n".join(map(text, report.interfaces)))


def text(found: InterfaceCounters) -> str:
    """A headline; by direction the rules in force; then what staged policies would decide otherwise, and what
    was dropped without a rule, as far as there is any."""
    lines = [f"{found.interface}: {found.summary}"]
    for word in ("ingress", "egress"):
        enforced = [one for one in found.rules if one.direction == word and not one.staged]
        if enforced:
            lines += [f"  {word}", *_rows(enforced)]
    staged = [one for one in found.rules if one.staged and _worth_a_line(one)]
    if staged:
        lines += ["  staged: packets that would meet the other verdict", *_rows(staged, directions=True)]
    if found.reasons:
        rows = [
            ("", "", str(one.packets), str(one.bytes), one.direction, one.reason) for one in found.reasons
        ]
        lines += ["  dropped before any rule", *columns([_HEAD, *rows])]
    lines += [f"  note: {note}" for note in found.notes]
    return "\n".join(lines)


_HEAD = ("", "", "packets", "bytes")


def _worth_a_line(one: RuleCount) -> bool:
    """A staged walk has the enforced rules in it again: those only when they would have decided something."""
    return one.packets > 0 or one.policy.startswith(_STAGED_KIND)


def _rows(rules: Iterable[RuleCount], directions: bool = False) -> list[str]:
    rows = [
        (
            "",
            "",
            str(one.packets),
            str(one.bytes),
            *([one.direction] if directions else []),
            one.action,
            clean(one.at or one.what),
            clean(f"{one.line}{UNMATCHED.get(one.what, '')}"),
        )
        for one in rules
    ]
    return columns([_HEAD, *rows])
