"""The way from files to a sealed pair: every stage in order, stopping after the first that finds errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..pair.layout import Direction
from ..pair.provenance import ProvenanceTable
from .backend import CompiledPair, build_native, build_pair, provenance_tables
from .codegen.native import NativeCode
from .parse import parse
from .plan.build import PlanLimitError
from .reading import read_sources
from .resolve import EndpointRef, Resolved, World, inventory, resolve_endpoint, resolve_labels, review
from .resolve import endpoints as endpoints_of
from .resolve.failsafes import DEFAULTS, Failsafes
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
    found = diagnostics if diagnostics is not None else Diagnostics()
    resources = parse(sources, found, strict=strict)
    world = inventory(resources, found)
    if found.failed:
        raise CompileError(found, sources)
    review(world, resources, found)
    return Inventory(tuple(sources), world, tuple(found))


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
    return _compile(given, resolved, diagnostics, frozenset(emit))


def compile_labels(
    given: Inventory, labels: Mapping[str, str], namespace: str | None = None, *, emit: Iterable[str] = ()
) -> CompiledPair:
    """The pair for any Pod of these labels. Raises CompileError."""
    diagnostics = Diagnostics()
    resolved = resolve_labels(given.world, labels, namespace, diagnostics)
    return _compile(given, resolved, diagnostics, frozenset(emit))


def native_judges(
    given: Inventory, resolved: Resolved
) -> tuple[NativeCode, Mapping[Direction, ProvenanceTable]]:
    """A resolved endpoint's judges as machine code of this process, and what their rule indices stand for.

    Raises CompileError.
    """
    try:
        return build_native(resolved.program), provenance_tables(given.sources, resolved)
    except PlanLimitError as error:
        raise _too_large(given, error, Diagnostics()) from error


def _compile(
    given: Inventory, resolved: Resolved | None, diagnostics: Diagnostics, emit: frozenset[str]
) -> CompiledPair:
    if resolved is None or diagnostics.failed:
        raise CompileError(diagnostics, given.sources)
    try:
        pair = build_pair(given.sources, resolved, emit)
    except PlanLimitError as error:
        raise _too_large(given, error, diagnostics) from error
    return replace(pair, warnings=tuple(diagnostics))


def _too_large(given: Inventory, error: PlanLimitError, diagnostics: Diagnostics) -> CompileError:
    diagnostics.error(LIMIT, str(error), None, hint="split the policy, or merge rules and sets")
    return CompileError(diagnostics, given.sources)
