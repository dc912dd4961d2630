"""The options that several commands share, each defined once with its name, help and check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from ..pair.naming import EndpointRef, parse_ref

# A label key and value as the dossier §1 takes them from Kubernetes, lengths left to the compiler's checks.
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?")


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


class CheckFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


class Mode(StrEnum):
    WORKLOAD = "workload"
    HOST = "host"


class Hook(StrEnum):
    AUTO = "auto"
    TCX = "tcx"
    CLSACT = "clsact"


class DirectionWord(StrEnum):
    INGRESS = "ingress"
    EGRESS = "egress"


class EngineChoice(StrEnum):
    """Who judges; the names are those of judge/engines.py, which takes the compiler to load."""

    MODEL = "model"
    NATIVE = "native"
    KERNEL = "kernel"
    ALL = "all"


class Emit(StrEnum):
    IR = "ir"
    PLAN = "plan"
    LLVM = "llvm"
    ASM = "asm"


def parse_labels(text: str) -> Mapping[str, str]:
    """`k=v,…` as a mapping; typer.BadParameter (exit 2) when it is not that."""
    labels: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.strip().partition("=")
        if not equals or not _LABEL.fullmatch(key) or (value and not _LABEL.fullmatch(value)):
            raise typer.BadParameter(f"{part.strip()!r} is not KEY=VALUE", param_hint="--labels")
        if key in labels:
            raise typer.BadParameter(f"label {key!r} is given twice", param_hint="--labels")
        labels[key] = value
    return labels


def parse_endpoint(text: str, option: str = "--endpoint") -> EndpointRef:
    """`NS/NAME`, `KIND/NS/NAME` or the `NAME` of a HostEndpoint; typer.BadParameter when it is none."""
    try:
        return parse_ref(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def parse_emit(text: str) -> tuple[Emit, ...]:
    """`ir,plan,…` in the given order; typer.BadParameter for a word that is none of them."""
    try:
        return tuple(dict.fromkeys(Emit(word.strip()) for word in text.split(",")))
    except ValueError:
        words = ", ".join(Emit)
        raise typer.BadParameter(f"{text!r} is no list of {words}", param_hint="--emit") from None


def parse_disabled(given: Sequence[str] | None) -> frozenset[str]:
    """The codes of warnings; typer.BadParameter for one that is unknown, or no warning's."""
    from .pages import pages

    for code in given or ():
        if code not in pages():
            raise typer.BadParameter(f"there is no {code!r}", param_hint="--disable")
        if not code.startswith("POLC-W"):
            raise typer.BadParameter(f"{code} is no warning", param_hint="--disable")
    return frozenset(given or ())


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…", help="Policies and inventory: YAML or JSON files, folders, or - for standard input."
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="[[KIND/]NS/]NAME",
        help="Only this endpoint of the inventory (a host has no NS; a KIND where several have one name).",
    ),
]
FailsafeInbound = Annotated[
    str | None,
    typer.Option(
        "--failsafe-inbound",
        metavar="PORTS",
        help="What of a HostEndpoint stays reachable: tcp:22,udp:10.0.0.0/8:68 or none (default: Calico's).",
    ),
]
FailsafeOutbound = Annotated[
    str | None,
    typer.Option(
        "--failsafe-outbound", metavar="PORTS", help="What a HostEndpoint may always reach, as inbound."
    ),
]
OneEndpoint = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="[[KIND/]NS/]NAME", help="The endpoint whose policy judges."),
]
DirectionOption = Annotated[
    DirectionWord | None,
    typer.Option("--direction", help="The policy's word: ingress is towards the endpoint."),
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--labels", metavar="K=V,…", help="An endpoint with these labels, instead of one of the inventory."
    ),
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", metavar="NS", help="The namespace of the --labels endpoint.")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Take no object of a kind that decides nothing: it is an error, not skipped."
    ),
]
Disable = Annotated[
    list[str] | None,
    typer.Option("--disable", metavar="CODE", help="Do not report this warning (repeatable)."),
]
OutputFormat = Annotated[Format, typer.Option("--format", help="How to print what was found.")]
Interface = Annotated[str, typer.Option("--iface", metavar="IF", help="The network interface.")]
Netns = Annotated[
    str | None,
    typer.Option("--netns", metavar="NAME|PATH|PID", help="The interface is in this network namespace."),
]
BpffsRoot = Annotated[
    Path | None,
    typer.Option("--bpffs", metavar="DIR", help="The bpf filesystem for the pins (default: /sys/fs/bpf)."),
]
NoHostAccess = Annotated[
    bool,
    typer.Option("--no-host-access", help="Judge what this host itself sends to its workload, too."),
]
KeepEstablished = Annotated[
    bool,
    typer.Option("--keep-established", help="Do not judge established flows again when the policy changes."),
]
AllowBefore = Annotated[
    list[str] | None,
    typer.Option("--allow-before", metavar="NAME", help="This program may run before the gate (repeatable)."),
]
