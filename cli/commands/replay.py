"""`polc replay`: a verdict for every packet of a capture, by one engine or by all of them compared."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from ...pair.layout import Direction
from ...pair.object import require_endpoint
from ..diagnostics import clean
from ..judging import only_endpoint, read, whom
from ..options import (
    EngineChoice,
    FailsafeInbound,
    FailsafeOutbound,
    Format,
    Labels,
    Namespace,
    OneEndpoint,
    OutputFormat,
)
from ..outcome import Code, fail, say
from ..pairs import is_pair, load_pair, refuse_single_object
from ..table import columns

if TYPE_CHECKING:
    from ...judge.compiled import Whom
    from ...judge.deciders import Deciders
    from ...judge.engines import Panel
    from ...judge.packets import Address
    from ...judge.replaying import Replayed

_DIFFERENCES: Final = 10  # of the engines that are told one by one


class Towards(StrEnum):
    INGRESS = "ingress"
    EGRESS = "egress"
    AUTO = "auto"


def run(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…|PAIR", help="Policies and inventory, or a pair's path without .ingress.o."
        ),
    ],
    capture: Annotated[
        str, typer.Argument(metavar="CAPTURE", help="A pcap or pcapng file, or - for standard input.")
    ],
    direction: Annotated[
        Towards,
        typer.Option(
            "--direction", help="The packets' direction; auto tells it by the endpoint's addresses."
        ),
    ] = Towards.AUTO,
    engine: Annotated[
        EngineChoice | None,
        typer.Option("--engine", help="Who judges (default: native; kernel for a PAIR); all compares them."),
    ] = None,
    endpoint: OneEndpoint = None,
    labels: Labels = None,
    namespace: Namespace = None,
    failsafe_inbound: FailsafeInbound = None,
    failsafe_outbound: FailsafeOutbound = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Judge every packet of a capture, in order, with state.

    Exit 1 when the engines that are compared differ.
    """
    chosen = whom(endpoint, labels, namespace)
    panel, deciders, addresses = _judges(files, engine, chosen, (failsafe_inbound, failsafe_outbound))
    if direction is Towards.AUTO and not addresses:
        raise typer.BadParameter(
            "an endpoint without addresses needs ingress or egress", param_hint="--direction"
        )
    differences = allowed = denied = skipped = 0
    with panel, _opened(capture) as stream:
        for item in _replayed(stream, capture, panel, deciders, direction, addresses):
            sys.stdout.write((item.line.model_dump_json() if format is Format.JSON else text(item)) + "\n")
            allowed += item.line.verdict == "allow"
            denied += item.line.verdict == "deny"
            skipped += item.line.verdict == "skip"
            if item.difference:
                differences += 1
                if differences <= _DIFFERENCES:
                    say(f"packet {item.line.n}: {item.difference}")
    if format is Format.TEXT:
        total = allowed + denied + skipped
        typer.echo(f"{total} packets: {allowed} allowed, {denied} denied, {skipped} skipped")
    if differences:
        fail(Code.INPUT, f"the engines differ about {differences} packet{'s' if differences > 1 else ''}")


def text(item: Replayed) -> str:
    """One packet's line; columns are wide enough for most, so that a stream of lines stays aligned."""
    from ...judge.packets import packet_text

    line = item.line
    way = item.direction.word if item.direction is not None else "-"
    decided = " ".join(part for part in (line.rule, line.at) if part)
    tags = "".join(f" vlan {number}" for number in item.vlans)
    return columns(
        [
            (
                f"{line.n:>6}",
                f"{item.time:>9.3f}",
                f"{way:<7}",
                f"{line.verdict:<5}",
                f"{clean(packet_text(item.packet)) + tags:<52}",
                clean(decided),
            )
        ]
    )[0]


def _judges(
    files: list[str],
    engine: EngineChoice | None,
    chosen: Whom | None,
    failsafes: tuple[str | None, str | None],
) -> tuple[Panel, Deciders, tuple[Address, ...]]:
    """The engines, what their rule indices stand for, and the endpoint's addresses."""
    from ...judge.deciders import resolved_deciders
    from ...judge.engines import EngineName, Panel

    if len(files) == 1 and is_pair(files[0]):
        if failsafes != (None, None):
            raise typer.BadParameter("failsafe ports are for policies, not for a finished pair")
        return _pair_judges(files[0], engine, chosen)
    for target in files:
        refuse_single_object(target)
    policies = read(files, failsafes)
    judged = policies.judged(chosen or only_endpoint(policies))
    wanted = engine or EngineChoice.NATIVE
    names = tuple(EngineName) if wanted is EngineChoice.ALL else (EngineName(wanted.value),)
    return Panel.of(judged, names), resolved_deciders(judged.resolved), policies.addresses(judged.whom)


def _pair_judges(
    target: str, engine: EngineChoice | None, chosen: Whom | None
) -> tuple[Panel, Deciders, tuple[Address, ...]]:
    from ipaddress import ip_address

    from ...judge.deciders import pair_deciders
    from ...judge.engines import EngineName, Panel, engine_of_pair

    if engine not in (None, EngineChoice.KERNEL):
        fail(
            Code.USAGE,
            f"a finished pair can be judged by the kernel only, not by {engine}",
            "give the policies instead of the pair, or --engine kernel",
        )
    if chosen is not None and not chosen.name:
        raise typer.BadParameter("--labels is for policies, not for a finished pair")
    pair = load_pair(target)
    if chosen is not None:
        require_endpoint(pair, chosen.ref)
    panel = Panel({EngineName.KERNEL: engine_of_pair(pair)})
    return panel, pair_deciders(pair), tuple(ip_address(text) for text in pair.ingress.addresses)


def _replayed(
    stream: BinaryIO,
    name: str,
    panel: Panel,
    deciders: Deciders,
    direction: Towards,
    addresses: tuple[Address, ...],
) -> Iterator[Replayed]:
    from ...judge.capture import read_capture
    from ...judge.capture_bytes import CaptureError
    from ...judge.replaying import Directions, replay

    given = None if direction is Towards.AUTO else Direction[direction.name]
    try:
        yield from replay(read_capture(stream), panel, deciders, Directions(given, addresses))
    except CaptureError as error:
        fail(Code.INPUT, f"{name} cannot be replayed: {error}")


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """The capture; a bar shows how far it is read when only the messages go to a terminal."""
    if path == "-":
        yield sys.stdin.buffer
    elif sys.stderr.isatty() and not sys.stdout.isatty():
        from rich import progress
        from rich.console import Console

        console = Console(stderr=True)
        with progress.open(path, "rb", description="replaying", console=console, transient=True) as stream:
            yield stream
    else:
        with open(path, "rb") as stream:
            yield stream
