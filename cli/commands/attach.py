"""`polc attach`: verifies a pair, compiled before or now, and puts it in force on an interface."""

from __future__ import annotations

from typing import Annotated

import typer

from ...pair.object import ObjectPair, read_pair, require_endpoint
from ...runtime.attach import AttachReport, AttachRequest, attach
from ...runtime.drift import Finding
from ...runtime.errors import NotInForce
from ...runtime.hooks import Mechanism
from ...runtime.hooks import Mode as RuntimeMode
from ..compiling import Choice, choice, compile_one, load
from ..doors import bpffs_root, with_kernel
from ..options import (
    AllowBefore,
    BpffsRoot,
    Endpoint,
    FailsafeInbound,
    FailsafeOutbound,
    Format,
    Hook,
    Interface,
    KeepEstablished,
    Labels,
    Mode,
    Namespace,
    Netns,
    NoHostAccess,
    OutputFormat,
)
from ..pairs import is_pair, load_pair, refuse_single_object
from ..standing import text


def run(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="PAIR|FILE…", help="A pair's path without .ingress.o, or policies to compile."
        ),
    ],
    iface: Interface,
    mode: Annotated[
        Mode, typer.Option("--mode", help="workload: the host's end of a veth; host: the host's own.")
    ] = Mode.WORKLOAD,
    hook: Annotated[
        Hook, typer.Option("--hook", help="How to attach; auto takes tcx where there is any.")
    ] = Hook.AUTO,
    netns: Netns = None,
    endpoint: Endpoint = None,
    labels: Labels = None,
    namespace: Namespace = None,
    bpffs: BpffsRoot = None,
    mount_bpffs: Annotated[
        bool, typer.Option("--mount-bpffs", help="Mount a bpf filesystem there when there is none.")
    ] = False,
    closed: Annotated[
        bool,
        typer.Option("--closed", help="Drop everything until the policy is in force, if it is the first."),
    ] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Swap too when only the policy's text moved.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")
    ] = False,
    no_host_access: NoHostAccess = False,
    keep_established: KeepEstablished = False,
    failsafe_inbound: FailsafeInbound = None,
    failsafe_outbound: FailsafeOutbound = None,
    allow_before: AllowBefore = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Verify a pair and put it in force on an interface.

    Both directions come into force at once; attaching what is in force already writes nothing.
    """
    pair = _pair(targets, choice(endpoint, labels, namespace, (failsafe_inbound, failsafe_outbound)))
    _refuse_wrong_mode(pair, mode)
    request = AttachRequest(
        interface=iface,
        bpffs=bpffs_root(bpffs),
        mode=RuntimeMode(mode.value),
        mechanism=None if hook is Hook.AUTO else Mechanism(hook.value),
        mount=mount_bpffs,
        closed=closed,
        refresh=refresh,
        dry_run=dry_run,
        keep_established=keep_established,
        host_access=not no_host_access,
    )
    report = with_kernel(netns, lambda kernel: attach(kernel, pair, request))
    _tell(report, iface, allow_before or [], format)


def _tell(report: AttachReport, iface: str, allow_before: list[str], format: Format) -> None:
    """Prints the report. Exit 4 when a program that nobody allowed runs before the policy."""
    typer.echo(report.model_dump_json(indent=2) if format is Format.JSON else _text(report))
    strangers = [name for name in report.status.bypass if name not in allow_before]
    if strangers and not report.dry_run:
        names = ", ".join(dict.fromkeys(strangers))
        raise NotInForce(
            f"the policy on {iface} is in force, but may be bypassed by {names}",
            f"remove what runs first, or allow it: --allow-before {strangers[0]}",
        )


def _pair(targets: list[str], wanted: Choice) -> ObjectPair:
    """The pair on disk, or the one that the policies compile to."""
    if len(targets) == 1 and is_pair(targets[0]):
        if wanted.labels is not None:
            raise typer.BadParameter("--labels is for policies, not for a finished pair")
        if wanted.failsafes is not None:
            raise typer.BadParameter("failsafe ports are for policies, not for a finished pair")
        pair = load_pair(targets[0])
        if wanted.endpoint is not None:
            require_endpoint(pair, wanted.endpoint)
        return pair
    for target in targets:
        refuse_single_object(target)
    made = compile_one(load(targets), wanted)
    return read_pair(made.ingress, made.egress, f"{made.name} ingress", f"{made.name} egress")


def _refuse_wrong_mode(pair: ObjectPair, mode: Mode) -> None:
    """A HostEndpoint's pair would judge the wrong way round on a workload's interface."""
    endpoint = pair.ingress.endpoint
    if endpoint and "/" not in endpoint and mode is not Mode.HOST:
        raise typer.BadParameter(
            f"the pair is for HostEndpoint {endpoint}: attach it with --mode host", param_hint="--mode"
        )


def _text(report: AttachReport) -> str:
    if report.dry_run:
        heading = "would be done:" if report.plan else "nothing would be changed"
    else:
        heading = "done:" if report.changed else "nothing was changed"
    found = [f"found {one.drift}: {one.detail}{_repair(one)}" for one in report.drifts]
    lines = [heading, *(f"  {step}" for step in report.plan), *(f"note: {note}" for note in report.notes)]
    return "\n".join([*found, *lines, text(report.status)])


def _repair(found: Finding) -> str:
    return f" (repair: {found.repair})" if found.repair else ""
