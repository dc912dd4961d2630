"""`polc agent`: keeps many interfaces right, from folders of policies and inventory."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ...agent.mapping import MappingError
from ...agent.settings import LogFormat, Ready, Settings, SettingsError, settings
from ...agent.states import AgentReport, described
from ...runtime import netns as netns_door
from ...runtime.bpffs import ENVIRONMENT
from ...runtime.hooks import Mechanism
from ...runtime.privilege import NEEDED, keep_only
from ..doors import bpffs_root
from ..options import (
    AllowBefore,
    BpffsRoot,
    FailsafeInbound,
    FailsafeOutbound,
    Format,
    Hook,
    KeepEstablished,
    Netns,
    NoHostAccess,
    OutputFormat,
)
from ..outcome import Code, fail, say
from ..table import columns, counted

# What the extra `agent` brings; the last three work in its compiler's process only.
NEEDS: Final = ("watchdog", "structlog", "prometheus_client", "lark", "yaml", "llvmlite")
MEND: Final = "pip install 'polc[agent]'; attaching finished pairs works without it"


Folders = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FOLDER…", help="Policies and inventory: their YAML and JSON files are watched."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="These options as TOML; the command line wins."),
]
Node = Annotated[str | None, typer.Option("--node", metavar="NAME", help="Only endpoints of this node.")]
InterfacePattern = Annotated[
    str | None,
    typer.Option(
        "--interface-pattern", metavar="TEXT", help="Interfaces' names, as 'veth-{namespace}-{name}'."
    ),
]
InterfaceList = Annotated[
    Path | None,
    typer.Option("--interface-list", metavar="FILE", help='JSON or TOML: interface = "NAMESPACE/NAME".'),
]
InterfacePrefix = Annotated[
    str | None, typer.Option("--interface-prefix", metavar="TEXT", help="Of Calico's rule (default: cali).")
]
Attachment = Annotated[
    Hook | None, typer.Option("--hook", help="How to attach; auto takes tcx where there is any.")
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Swap too when only the policy's text moved.")]
DetachUnwanted = Annotated[
    bool,
    typer.Option("--detach-unwanted", help="Detach where no endpoint is any more (default: leave it)."),
]
Http = Annotated[
    str | None,
    typer.Option(
        "--http", metavar="ADDR:PORT", help="Health and metrics (default: 127.0.0.1:9095, '' = none)."
    ),
]
Readiness = Annotated[
    Ready | None, typer.Option("--ready", help="strict: one bad endpoint makes /readyz fail.")
]
LogLines = Annotated[LogFormat | None, typer.Option("--log-format", help="How the log's lines look.")]
Once = Annotated[
    bool, typer.Option("--once", help="Bring everything right once, say how it stands, and end.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done on each interface; change nothing.")
]


def run(
    folders: Folders = None,
    config: Config = None,
    node: Node = None,
    interface_pattern: InterfacePattern = None,
    interface_list: InterfaceList = None,
    interface_prefix: InterfacePrefix = None,
    hook: Attachment = None,
    netns: Netns = None,
    bpffs: BpffsRoot = None,
    no_host_access: NoHostAccess = False,
    keep_established: KeepEstablished = False,
    failsafe_inbound: FailsafeInbound = None,
    failsafe_outbound: FailsafeOutbound = None,
    allow_before: AllowBefore = None,
    refresh: Refresh = False,
    detach_unwanted: DetachUnwanted = False,
    http: Http = None,
    ready: Readiness = None,
    log_format: LogLines = None,
    once: Once = False,
    dry_run: DryRun = False,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Keep the policies of many interfaces in force.

    Runs until SIGTERM or Ctrl-C, which leave everything in force; SIGHUP has it look at everything now.
    Each endpoint of the inventory gets its pair on the interface that its object names, or that Calico's rule
    (cali and a hash), --interface-pattern or --interface-list gives it. What changes is logged on standard
    error; how things stand is told by HTTP: /healthz, /readyz, /status, /metrics.
    """
    given: dict[str, Any] = {
        "folders": folders or None,
        "node": node,
        "interface_pattern": interface_pattern,
        "interface_list": interface_list,
        "interface_prefix": interface_prefix,
        "hook": None if hook in (None, Hook.AUTO) else Mechanism(hook.value),
        "netns": netns,
        "bpffs": bpffs_root(bpffs) if bpffs is not None or ENVIRONMENT in os.environ else None,
        "host_access": False if no_host_access else None,
        "keep_established": keep_established or None,
        "failsafe_inbound": failsafe_inbound,
        "failsafe_outbound": failsafe_outbound,
        "allow_before": allow_before or None,
        "refresh": refresh or None,
        "detach_unwanted": detach_unwanted or None,
        "http": http,
        "ready": ready,
        "log_format": log_format,
    }
    _start(given, config, once, dry_run, format)


def _start(given: dict[str, Any], config: Path | None, once: bool, dry: bool, format: Format) -> None:
    try:
        _work(settings(given, config), once, dry, format)
    except SettingsError as error:
        fail(Code.USAGE, str(error), "see `polc agent --help`")
    except MappingError as error:
        fail(Code.INPUT, str(error))


def _work(told: Settings, once: bool, dry: bool, format: Format) -> None:
    absent = [name for name in NEEDS if find_spec(name) is None]
    if absent:
        fail(Code.CANNOT, f"this installation has no agent ({', '.join(absent)} missing)", MEND)
    from ...agent.service import one_pass, serve

    with netns_door.kept(told.netns) as namespace:
        keep_only(NEEDED)
        told = told.model_copy(update={"netns": namespace})
        if not once and not dry:
            serve(told)
            return
        report = one_pass(told, dry)
    typer.echo(report.model_dump_json(indent=2) if format is Format.JSON else text(report, dry))
    _judge(report, dry)


def text(report: AgentReport, dry: bool) -> str:
    """How every interface stands, and what was done, as a person reads it."""
    rows = []
    for one in report.interfaces:
        rows.append((one.interface, one.endpoint or "(no endpoint)", described(one.state)))
        rows += [("", "", step) for step in one.plan]
    rows += [(one.interface, one.endpoint, "the interface is not there") for one in report.awaited]
    done = counted(report.totals.writes, "kernel write")
    drift = ", ".join(f"{name} {count}" for name, count in report.totals.drift.items())
    lines = [*columns(rows), *(f"problem: {one}" for one in report.inputs.problems)]
    if not report.inputs.endpoints and report.inputs.state == "in-use":
        lines.append(f"the files want no endpoint{f' on node {report.node}' if report.node else ''}")
    lines += [f"found: {drift}"] if drift else []
    return "\n".join([*lines, "nothing was written" if dry else done])


def _judge(report: AgentReport, dry: bool) -> None:
    """Exit 1 when the input is wrong, 4 when something that is wanted is not in force."""
    if report.inputs.problems:
        raise typer.Exit(int(Code.INPUT))
    bad = [one.interface for one in report.interfaces if one.endpoint and not one.good]
    if bad and not dry:
        say(f"not as wanted: {', '.join(bad)}")
        raise typer.Exit(int(Code.NOT_IN_FORCE))
