"""How commands reach the compiler: from files and the choice of an endpoint to compiled pairs.

The compiler is imported when it is needed: a node without the `compile` extra has the other commands.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from ..compiler.source import CompileError
from ..pair.failsafes import FailsafeError, Failsafes, read_failsafes
from .diagnostics import render
from .options import parse_endpoint, parse_labels
from .outcome import Code, color, fail, say

if TYPE_CHECKING:
    from ..compiler.backend import CompiledPair
    from ..compiler.pipeline import Inventory
    from ..compiler.source import Diagnostic
    from ..pair.naming import EndpointRef

_SHOWN: Final = 8  # endpoints named in a message


@dataclass(frozen=True, slots=True)
class Choice:
    """What to compile for: one endpoint of the inventory, given labels, or (neither) every endpoint."""

    endpoint: EndpointRef | None = None
    labels: Mapping[str, str] | None = None
    namespace: str | None = None
    failsafes: Failsafes | None = None


def choice(
    endpoint: str | None,
    labels: str | None,
    namespace: str | None,
    failsafes: tuple[str | None, str | None] = (None, None),
) -> Choice:
    """The options as a choice; typer.BadParameter (exit 2) for what contradicts itself.

    failsafes: inbound and outbound, of a HostEndpoint; None for the default.
    """
    if endpoint is not None and labels is not None:
        raise typer.BadParameter("--endpoint and --labels exclude each other")
    if namespace is not None and labels is None:
        raise typer.BadParameter("--namespace belongs to --labels", param_hint="--namespace")
    return Choice(
        parse_endpoint(endpoint) if endpoint is not None else None,
        parse_labels(labels) if labels is not None else None,
        namespace,
        failsafe_ports(*failsafes),
    )


def failsafe_ports(inbound: str | None, outbound: str | None) -> Failsafes | None:
    """What the two options say; None when neither is given. typer.BadParameter for what cannot be read."""
    if inbound is None and outbound is None:
        return None
    try:
        return read_failsafes(inbound, outbound)
    except FailsafeError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def without(disabled: frozenset[str]) -> Iterator[None]:
    """Leaves the findings of these codes out of a CompileError that passes."""
    try:
        yield
    except CompileError as error:
        kept = [item for item in error.diagnostics if item.code not in disabled]
        raise CompileError(kept, error.sources.values()) from error


def load(files: Sequence[str], *, strict: bool = False, disabled: frozenset[str] = frozenset()) -> Inventory:
    """Reads and checks the files; warnings are said at once, but for those of the disabled codes.

    CompileError when the files are wrong.
    """
    from ..compiler.pipeline import load as load_inventory

    with without(disabled):
        inventory = load_inventory(files, strict=strict)
    warn(inventory, inventory.warnings, disabled)
    return inventory


def warn(
    inventory: Inventory, warnings: Sequence[Diagnostic], disabled: frozenset[str] = frozenset()
) -> None:
    """Says the warnings, with the places they speak of."""
    warnings = [item for item in warnings if item.code not in disabled]
    if warnings:
        sources = {source.path: source for source in inventory.sources}
        say(render(warnings, sources, color=color(sys.stderr.isatty())).rstrip("\n"))


def refs(inventory: Inventory, wanted: Choice) -> tuple[EndpointRef, ...]:
    """The endpoints to compile for, none of them with labels. CompileError when there is none to choose."""
    from ..compiler.pipeline import endpoints

    if wanted.labels is not None:
        return ()
    if wanted.endpoint is not None:
        return (wanted.endpoint,)
    return endpoints(inventory)


def compile_each(
    inventory: Inventory,
    wanted: Choice,
    emit: Sequence[str] = (),
    disabled: frozenset[str] = frozenset(),
) -> Iterator[CompiledPair]:
    """Compiles for every chosen endpoint, one after the other; warnings are said as they come."""
    from ..compiler.pipeline import compile_endpoint, compile_labels

    made: list[Callable[[], CompiledPair]]
    if wanted.labels is not None:
        made = [partial(compile_labels, inventory, wanted.labels, wanted.namespace, emit=emit)]
    else:
        made = [
            partial(
                compile_endpoint,
                inventory,
                one.namespace,
                one.name,
                one.kind,
                emit=emit,
                failsafes=wanted.failsafes,
            )
            for one in refs(inventory, wanted)
        ]
    for make in made:
        with without(disabled):
            pair = make()
        warn(inventory, pair.warnings, disabled)
        yield pair


def compile_one(inventory: Inventory, wanted: Choice) -> CompiledPair:
    """The pair for one interface; ends the command (exit 2) when the choice leaves several endpoints."""
    found = refs(inventory, wanted)
    if len(found) > 1:
        refuse_several(found)
    return next(compile_each(inventory, wanted))


def refuse_several(found: Sequence[EndpointRef]) -> NoReturn:
    """Ends the command (exit 2), which is about one endpoint: names those that there are."""
    known = Counter(map(str, found))
    names = ", ".join(one.full if known[str(one)] > 1 else str(one) for one in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    fail(Code.USAGE, f"the files hold {len(found)} endpoints: {names}{more}", "choose one by --endpoint")
