"""`polc compile`: writes a sealed pair for each endpoint and reports what is in it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import BaseModel, ConfigDict

from ...pair.layout import Direction
from ..compiling import choice, compile_each, load, refs
from ..options import (
    Disable,
    Emit,
    Endpoint,
    FailsafeInbound,
    FailsafeOutbound,
    Files,
    Format,
    Labels,
    Namespace,
    OutputFormat,
    Strict,
    parse_disabled,
    parse_emit,
)
from ..outcome import Code, fail
from ..table import columns, counted
from ..writing import write_all

if TYPE_CHECKING:
    from ...compiler.backend import CompiledPair


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DirectionSummary(_Shape):
    """One object. rules: that decide or log. instructions: of 8 bytes. table_bytes: of `.rodata.tables`."""

    direction: Literal["ingress", "egress"]
    file: str
    rules: int
    instructions: int
    table_bytes: int


class PairSummary(_Shape):
    """One pair. identity: hex. endpoint: `[KIND/]NS/NAME`, `` for labels. emitted: other files written."""

    name: str
    endpoint: str
    identity: str
    objects: tuple[DirectionSummary, DirectionSummary]
    emitted: tuple[str, ...] = ()


class CompileReport(_Shape):
    """Everything one `polc compile` wrote."""

    version: Literal[1] = 1
    pairs: tuple[PairSummary, ...]


def run(
    files: Files,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to write the objects.")],
    endpoint: Endpoint = None,
    labels: Labels = None,
    namespace: Namespace = None,
    emit: Annotated[
        str | None,
        typer.Option("--emit", metavar="KIND,…", help="Write these too: ir, plan, llvm, asm."),
    ] = None,
    failsafe_inbound: FailsafeInbound = None,
    failsafe_outbound: FailsafeOutbound = None,
    strict: Strict = False,
    disable: Disable = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Compile policies to pairs of BPF objects.

    For each endpoint NAME.ingress.o and NAME.egress.o are written, sealed with one identity.
    """
    wanted = choice(endpoint, labels, namespace, (failsafe_inbound, failsafe_outbound))
    kinds = parse_emit(emit) if emit is not None else ()
    disabled = parse_disabled(disable)
    if out.exists() and not out.is_dir():
        fail(Code.INPUT, f"{out} is not a folder")
    inventory = load(files, strict=strict, disabled=disabled)
    total = max(1, len(refs(inventory, wanted)))
    made = compile_each(inventory, wanted, kinds, disabled)
    pairs = [_written(pair, out, kinds) for pair in _progress(made, total)]
    report = CompileReport(pairs=tuple(pairs))
    typer.echo(report.model_dump_json(indent=2) if format is Format.JSON else text(report))


def text(report: CompileReport) -> str:
    """The report as a person reads it."""
    lines = []
    for pair in report.pairs:
        lines.append(f"{pair.name}  identity {pair.identity}")
        lines += columns(
            [
                (
                    "",
                    one.file,
                    counted(one.rules, "rule"),
                    counted(one.instructions, "instruction"),
                    f"{one.table_bytes} bytes of tables",
                )
                for one in pair.objects
            ]
        )
        lines += [f"  {path}" for path in pair.emitted]
    return "\n".join(lines)


def _written(pair: CompiledPair, out: Path, kinds: Sequence[Emit]) -> PairSummary:
    files = {
        out / f"{pair.name}.ingress.o": pair.ingress,
        out / f"{pair.name}.egress.o": pair.egress,
    }
    emitted = {}
    for (kind, direction), content in sorted(pair.texts.items(), key=str):
        middle = f".{direction.word}" if direction is not None else ""
        emitted[out / f"{pair.name}{middle}.{_SUFFIX[Emit(kind)]}"] = content.encode()
    write_all({**files, **emitted})
    first, second = (
        DirectionSummary(
            direction="ingress" if direction is Direction.INGRESS else "egress",
            file=str(path),
            rules=pair.report[direction].rules,
            instructions=pair.report[direction].instructions,
            table_bytes=pair.report[direction].table_bytes,
        )
        for direction, path in zip(Direction, files, strict=True)
    )
    return PairSummary(
        name=pair.name,
        endpoint=pair.endpoint,
        identity=pair.identity.hex(),
        objects=(first, second),
        emitted=tuple(map(str, emitted)) if kinds else (),
    )


_SUFFIX = {Emit.IR: "ir", Emit.PLAN: "plan", Emit.LLVM: "ll", Emit.ASM: "s"}


def _progress(pairs: Iterable[CompiledPair], total: int) -> Iterator[CompiledPair]:
    """Shows a bar on a terminal while there is more than one pair to make, and nothing in a pipe."""
    if total < 2 or not sys.stderr.isatty():
        yield from pairs
        return
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(pairs, description="compiling", total=total, console=console, transient=True)
