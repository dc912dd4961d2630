"""The corpus of real manifests, file by file: what is found in each, and the policies resolved from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from polc.compiler.parse import parse
from polc.compiler.reading import read_sources
from polc.compiler.resolve import (
    Resolved,
    World,
    endpoints,
    inventory,
    resolve_endpoint,
    resolve_labels,
    review,
)
from polc.compiler.resources import Policy
from polc.compiler.selector import And, Compare, Has, In, Operator, Or, Selector
from polc.compiler.source import Diagnostics, Severity

CORPUS = Path(os.environ.get("POLC_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "corpus"))
MISSING = f"no corpus at {CORPUS}; set POLC_CORPUS"

_OF_NAMESPACE = "kubernetes.io/metadata.name"
_GIVEN = ("projectcalico.org/", "pcns.", "pcsa.")


@dataclass
class CorpusFile:
    """path: inside the corpus. resolved: by the endpoint, or the labels, it was resolved for."""

    path: str
    found: Diagnostics = field(default_factory=Diagnostics)
    world: World | None = None
    objects: int = 0
    resolved: dict[str, Resolved] = field(default_factory=dict)
    unresolved: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        """`LINE:COLUMN CODE MESSAGE` of each."""
        wrong = [item for item in self.found if item.severity is Severity.ERROR]
        return [
            f"{item.span.line}:{item.span.column} {item.code} {item.message}"
            if item.span
            else f"{item.code} {item.message}"
            for item in wrong
        ]


def corpus_files() -> Iterator[CorpusFile]:
    """Every manifest that is one; the file reads as it would from the command line."""
    for path in sorted(CORPUS.rglob("*")):
        if path.suffix in (".yaml", ".yml", ".json") and path.is_file() and "not-yaml" not in path.parts:
            yield _read(path)


def _read(path: Path) -> CorpusFile:
    file = CorpusFile(path.relative_to(CORPUS).as_posix())
    resources = parse(read_sources([os.path.relpath(path)], file.found), file.found)
    file.objects = len(resources)
    world = inventory(resources, file.found)
    if file.found.failed:
        return file
    review(world, resources, file.found)
    file.world = world
    _endpoints(file, world)
    if not any(_judged(item) for item in file.resolved.values()):
        file.resolved.clear()
        for policy in world.policies:
            _labels(file, world, policy)
    return file


def _judged(resolved: Resolved) -> bool:
    return bool(resolved.program.ingress.tiers or resolved.program.egress.tiers)


def _endpoints(file: CorpusFile, world: World) -> None:
    for ref in endpoints(world):
        found = Diagnostics()
        resolved = resolve_endpoint(world, ref, found)
        if resolved is None:
            file.unresolved.append(f"{ref}: {next(iter(found)).code}")
        else:
            file.resolved[f"{ref.kind}/{ref}"] = resolved


def _labels(file: CorpusFile, world: World, policy: Policy) -> None:
    """For a pod made up so that the policy selects it."""
    wanted: dict[str, str] = {}
    if policy.selector is not None:
        _wish(policy.selector.selector, wanted)
    labels = {key: value for key, value in wanted.items() if not key.startswith(_GIVEN)}
    of_namespace: dict[str, str] = {}
    if policy.namespace_selector is not None:
        _wish(policy.namespace_selector.selector, of_namespace)
    namespace = policy.metadata.namespace or of_namespace.get(_OF_NAMESPACE, "default")
    found = Diagnostics()
    resolved = resolve_labels(world, labels, namespace, found)
    name = f"{policy.kind}/{policy.metadata.name}"
    if resolved is None:
        file.unresolved.append(f"{name}: {next(iter(found)).code}")
    else:
        file.resolved[f"labels of {name} in {namespace}"] = resolved


def _wish(selector: Selector, wanted: dict[str, str]) -> None:
    """Labels that the selector asks for, as far as that is plain."""
    match selector:
        case Compare(label, operator, text) if operator is not Operator.NOT_EQUAL:
            wanted[label] = text
        case In(label, texts, False) if texts:
            wanted[label] = texts[0]
        case Has(label):
            wanted.setdefault(label, "x")
        case And(operands):
            for operand in operands:
                _wish(operand, wanted)
        case Or(operands):
            _wish(operands[0], wanted)
        case _:
            return
