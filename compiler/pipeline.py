"""The way from files to a sealed pair: every stage in order, stopping after the first that finds errors."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from ..pair.failsafes import DEFAULTS, Failsafes
from ..pair.layout import Direction
from ..pair.provenance import ProvenanceTable
from .backend import CompiledPair, build_native, build_pair
from .codegen.native import NativeCode
from .parse import parse
from .plan.build import PlanLimitError
from .reading import read_sources
from .resolve import EndpointRef, Resolved, World, inventory, resolve_endpoint, resolve_labels, review
from .resolve import endpoints as endpoints_of
from .resources import Resource
from .source import CompileError, Diagnostic, Diagnostics, Source

LIMIT: Final = "POLC-E0801"
NO_ENDPOINT: Final = "POLC-E0802"


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the files hold. warnings: findings that are no errors."""

    sources: tuple[Source, ...]
    world: World
    warnings: tuple[Diagnostic, ...]


def load(paths: Sequence[str], *, strict: bool = False) -> Inventory:
    """Reads and parses every file. Raises CompileError with all findings.

    strict: an object of a kind that is otherwise passed over is an error.
    """
    diagnostics = Diagnostics()
    sources = read_sources(paths, diagnostics)
    return load_sources(sources, diagnostics, strict=strict)


def load_sources(
    sources: Sequence[Source], diagnostics: Diagnostics | None = None, *, strict: bool = False
) -> Inventory:
    """The same from texts already at hand."""
    parsed = [parse_source(source, strict=strict) for source in sources]
    given = assemble(parsed, diagnostics)
    warnings = Diagnostics()
    warnings.extend((*given.warnings, *reviewed(given, parsed)))
    return replace(given, warnings=tuple(warnings))


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file by itself: what it holds, and what is to be said of it alone."""

    source: Source
    resources: tuple[Resource, ...]
    findings: tuple[Diagnostic, ...]


def parse_source(source: Source, *, strict: bool = False) -> Parsed:
    """Parses one file; no other file changes what comes out."""
    found = Diagnostics()
    with _collector_at_rest():
        resources = parse([source], found, strict=strict)
    return Parsed(source, resources, tuple(found))


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Trees of a text have no cycles. With a large file the collector would walk them again and again, a
    quarter of the whole time, and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def assemble(
    parsed: Sequence[Parsed], diagnostics: Diagnostics | None = None, before: Inventory | None = None
) -> Inventory:
    """The inventory that parsed files make together. Raises CompileError with all findings.

    before: an earlier one, of which is used again what cannot have changed.
    """
    found = diagnostics if diagnostics is not None else Diagnostics()
    for item in parsed:
        found.extend(item.findings)
    sources = tuple(item.source for item in parsed)
    resources = [resource for item in parsed for resource in item.resources]
    world = inventory(resources, found, before.world if before is not None else None)
    if found.failed:
        raise CompileError(found, sources)
    return Inventory(sources, world, tuple(found))


def reviewed(given: Inventory, parsed: Sequence[Parsed]) -> tuple[Diagnostic, ...]:
    """Warnings about the inventory as a whole; they say nothing of what can be compiled."""
    found = Diagnostics()
    review(given.world, [resource for item in parsed for resource in item.resources], found)
    return tuple(found)


def endpoints(given: Inventory) -> tuple[EndpointRef, ...]:
    """Every endpoint of the inventory that can be compiled for. Raises CompileError when there is none."""
    refs = endpoints_of(given.world)
    diagnostics = Diagnostics()
    if not refs:
        diagnostics.error(
            NO_ENDPOINT,
            "the files hold no pod, workload or WorkloadEndpoint to compile for",
            None,
            hint="add the inventory's files, or compile for labels: --labels app=web",
        )
    if diagnostics.failed:
        raise CompileError(diagnostics, given.sources)
    return refs


def compile_endpoint(
    given: Inventory,
    namespace: str,
    name: str,
    kind: str = "",
    *,
    emit: Iterable[str] = (),
    failsafes: Failsafes | None = None,
) -> CompiledPair:
    """The pair of a named endpoint. emit: words of `ir`, `plan`, `llvm`, `asm`. failsafes: of a HostEndpoint,
    None for Calico's. Raises CompileError."""
    diagnostics = Diagnostics()
    ref = EndpointRef(namespace, name, kind)
    resolved = resolve_endpoint(given.world, ref, diagnostics, failsafes or DEFAULTS)
    return compile_resolved(given, resolved, diagnostics, emit=emit)


def compile_labels(
    given: Inventory, labels: Mapping[str, str], namespace: str | None = None, *, emit: Iterable[str] = ()
) -> CompiledPair:
    """The pair for any Pod of these labels. Raises CompileError."""
    diagnostics = Diagnostics()
    resolved = resolve_labels(given.world, labels, namespace, diagnostics)
    return compile_resolved(given, resolved, diagnostics, emit=emit)


def native_judges(
    given: Inventory, resolved: Resolved
) -> tuple[NativeCode, Mapping[Direction, ProvenanceTable]]:
    """A resolved endpoint's judges as machine code of this process, and what their rule indices stand for.

    Raises CompileError.
    """
    try:
        return build_native(given.sources, resolved)
    except PlanLimitError as error:
        raise _too_large(given, error, Diagnostics()) from error


def compile_resolved(
    given: Inventory, resolved: Resolved | None, diagnostics: Diagnostics, *, emit: Iterable[str] = ()
) -> CompiledPair:
    """The pair of what resolving gave, with its diagnostics. Raises CompileError."""
    if resolved is None or diagnostics.failed:
        raise CompileError(diagnostics, given.sources)
    try:
        pair = build_pair(given.sources, resolved, frozenset(emit))
    except PlanLimitError as error:
        raise _too_large(given, error, diagnostics) from error
    return replace(pair, warnings=tuple(diagnostics))


def _too_large(given: Inventory, error: PlanLimitError, diagnostics: Diagnostics) -> CompileError:
    diagnostics.error(LIMIT, str(error), None, hint="split the policy, or merge rules and sets")
    return CompileError(diagnostics, given.sources)
