"""The demo from beginning to end: compile, then on real traffic as much as this machine allows."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ...pair.inspection import inspect_object
from ...pair.layout import Direction
from ...pair.object import ObjectPair, read_pair
from ...runtime.bpf import Bpf
from ...runtime.errors import CannotError
from ...runtime.probe import features
from ..outcome import Code
from ..table import counted
from .live import Live
from .namespaces import PrivateWorld
from .narrator import heading, line
from .script import ENDPOINT, INVENTORY, NEXT_POLICY, POLICY

if TYPE_CHECKING:
    from ...compiler.backend import CompiledPair


def play() -> None:
    """Runs the demo; typer.Exit(1) when something came out otherwise than the policy says."""
    with as_file(files("polc") / "examples" / "shop") as folder:
        heading("compile the example policies (examples/shop) for the endpoint shop/web")
        first, following = (_compile(folder, name) for name in (POLICY, NEXT_POLICY))
    lacking = _lacking()
    if not lacking:
        try:
            _live(first, following)
            return
        except CannotError as error:
            lacking = [error.message]
    _without_kernel(first, lacking)


def _live(first: ObjectPair, following: ObjectPair) -> None:
    with PrivateWorld() as world:
        live = Live(world, first, following)
        try:
            live.run()
        finally:
            live.close()
    wrong = live.wrong + live.left_behind()
    line("")
    if wrong:
        for fault in wrong:
            line(f"NOT AS EXPECTED: {fault}")
        raise typer.Exit(int(Code.INPUT))
    line("everything came out as the policies say")


def _compile(folder: Path, policy: str) -> ObjectPair:
    from ...compiler.pipeline import compile_endpoint, load

    made = compile_endpoint(load([str(folder / INVENTORY), str(folder / policy)]), *ENDPOINT)
    line(f"{policy}: identity {made.identity.hex()}")
    for direction in Direction:
        line(f"  {_size(made, direction)}")
    return read_pair(made.ingress, made.egress, f"{made.name} ingress", f"{made.name} egress")


def _size(made: CompiledPair, direction: Direction) -> str:
    report = made.report[direction]
    return (
        f"{direction.word}: {counted(report.rules, 'rule')},"
        f" {counted(report.instructions, 'instruction')},"
        f" {report.table_bytes} bytes of tables"
    )


def _lacking() -> list[str]:
    """Why there can be no live part; empty when there can."""
    machine = features(Bpf())
    lacking = []
    if machine.missing:
        lacking.append(f"this process lacks {', '.join(machine.missing)} (run as root)")
    elif not machine.bpf or not machine.btf:
        lacking.append("this kernel loads no BPF programs with type information")
    return lacking


def _without_kernel(pair: ObjectPair, lacking: list[str]) -> None:
    heading("inspect what was compiled")
    for direction in Direction:
        found = inspect_object(pair.side(direction))
        line(f"{found.direction.word}: program {found.program}, {found.size} bytes")
        for rule in found.rules:
            line(f"  rule {rule.index}  {rule.action:<6} {rule.place}  {rule.text}")
    heading("left out on this machine: namespaces, attaching, traffic, the swap and reading it back")
    for reason in lacking:
        line(f"because {reason}")
    line("`polc doctor` says more")
