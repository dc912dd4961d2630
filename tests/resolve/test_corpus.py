"""Policies as people publish them resolve into programs that keep the IR's invariants."""

from __future__ import annotations

import pytest
from polc.compiler.ir.check import check
from polc.compiler.ir.text import dump, load
from polc.compiler.passes import run_passes
from polc.tests.resolve.corpus import CORPUS, MISSING, corpus_files


@pytest.mark.skipif(not CORPUS.is_dir(), reason=MISSING)
def test_published_policies_resolve_and_their_text_reads_back() -> None:
    resolved = 0
    for file in corpus_files():
        for result in file.resolved.values():
            resolved += 1
            check(result.program)
            check(run_passes(result.program), dense=False)
            assert load(dump(result.program)) == result.program
    assert resolved > 150
