"""Policies as people publish them resolve into programs that keep the IR's invariants."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from polc.compiler.ir.check import check
from polc.compiler.ir.text import dump, load
from polc.compiler.parse import parse
from polc.compiler.passes import run_passes
from polc.compiler.resolve import World, inventory, resolve_labels, review
from polc.compiler.source import Diagnostics, Source

CORPUS = Path(os.environ.get("POLC_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))


def worlds() -> list[World]:
    """A world for each file that holds policies polc reads."""
    found = []
    for path in sorted(CORPUS.rglob("*.y*ml")):
        text = path.read_text(errors="replace")
        if "NetworkPolicy" not in text:
            continue
        diagnostics = Diagnostics()
        resources = parse([Source.of(path.name, text)], diagnostics)
        world = inventory(resources, diagnostics)
        review(world, resources, diagnostics)
        if world.policies:
            found.append(world)
    return found


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}; set POLC_CORPUS")
def test_published_policies_resolve_and_their_text_reads_back() -> None:
    resolved = 0
    for world in worlds():
        for namespace in sorted({policy.metadata.namespace or "default" for policy in world.policies}):
            result = resolve_labels(world, {}, namespace, Diagnostics())
            if result is not None:
                resolved += 1
                check(result.program)
                check(run_passes(result.program), dense=False)
                assert load(dump(result.program)) == result.program
    assert resolved >= 20
