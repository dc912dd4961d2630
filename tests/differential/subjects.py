"""One endpoint of one set of texts, compiled as far as a judge needs it, with names for its rule indices.

The bridge between the generators' worlds and golden cases on one side and resolve, model and kernel on the
other. Rules are named as the oracle names them, so that answers compare as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polc.compiler.backend import CompiledPair
from polc.compiler.pipeline import Inventory, compile_endpoint, compile_labels, load_sources
from polc.compiler.resolve import EndpointRef, Resolved, resolve_endpoint, resolve_labels
from polc.compiler.source import CompileError, Diagnostics, Source
from polc.pair.layout import Direction
from polc.tests.oracle.verdict_reading import Decision

DIRECTIONS = {"ingress": Direction.INGRESS, "egress": Direction.EGRESS}


@dataclass(frozen=True)
class Asked:
    """Whom to compile for: (namespace, name), or labels in a namespace."""

    namespace: str
    name: str = ""
    labels: Mapping[str, str] | None = None


def read_texts(texts: Mapping[str, str]) -> Inventory:
    """File name → text, in the order of names. Raises CompileError, whose message shows every finding."""
    return load_sources([Source.of(name, texts[name]) for name in sorted(texts)])


def resolve(inventory: Inventory, asked: Asked) -> Resolved:
    """The unoptimised IR and its provenance. Raises CompileError."""
    diagnostics = Diagnostics()
    if asked.labels is None:
        ref = EndpointRef(asked.namespace, asked.name, "")
        resolved = resolve_endpoint(inventory.world, ref, diagnostics)
    else:
        resolved = resolve_labels(inventory.world, asked.labels, asked.namespace, diagnostics)
    if resolved is None or diagnostics.failed:
        raise CompileError(diagnostics, inventory.sources)
    return resolved


def compiled(inventory: Inventory, asked: Asked) -> CompiledPair:
    """The sealed pair. Raises CompileError."""
    if asked.labels is None:
        return compile_endpoint(inventory, asked.namespace, asked.name)
    return compile_labels(inventory, asked.labels, asked.namespace)


def findings(error: CompileError) -> str:
    """Every diagnostic on a line, for a failing test to show."""
    return "\n".join(f"{item.span}: {item.code} {item.message}" for item in error.diagnostics)


def decider(resolved: Resolved, direction: Direction, index: int | None) -> str:
    """The oracle's word for a rule index: `Kind/namespace/name/direction/number`, or what else decided."""
    if index is None:
        return "none"
    given = resolved.provenance[direction][index]
    return f"{given.policy}/{direction.word}/{given.number}" if given.what == "rule" else given.what


def oracle_decider(decision: Decision) -> str:
    """The same word for the oracle's decision."""
    return f"{decision.rule.kind}/{decision.rule}" if decision.rule else decision.what


def oracle_logs(decision: Decision) -> list[str]:
    return [f"{name.kind}/{name}" for name in decision.logged]
