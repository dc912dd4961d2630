"""`polc detach`: takes the policy and everything of polc's off an interface, and nothing else."""

from __future__ import annotations

import typer

from ...runtime.detach import DetachReport, detach
from ..doors import bpffs_root, with_kernel
from ..options import BpffsRoot, Format, Interface, Netns, OutputFormat


def run(
    iface: Interface,
    netns: Netns = None,
    bpffs: BpffsRoot = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Stop enforcing and remove gates, pins and maps.

    A second run finds nothing to do.
    """
    report = with_kernel(netns, lambda kernel: detach(kernel, iface, bpffs_root(bpffs)))
    typer.echo(report.model_dump_json(indent=2) if format is Format.JSON else text(report))


def text(report: DetachReport) -> str:
    """What was removed, a line each."""
    heading = (
        f"{report.interface}: removed"
        if report.changed
        else f"{report.interface}: nothing of polc's was there"
    )
    return "\n".join(
        [heading, *(f"  {one}" for one in report.removed), *(f"note: {one}" for one in report.notes)]
    )
