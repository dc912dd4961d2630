"""Every manifest of the corpus compiles for somebody, or is told what is wrong: as reviewed, file by file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from polc.compiler.source import Severity
from polc.tests.resolve.corpus import CORPUS, MISSING, CorpusFile, corpus_files

GOLDEN = Path(__file__).parent / "corpus.txt"
SHOWN = 3  # errors of one file


def summary(file: CorpusFile) -> list[str]:
    """What happens to a file, in a few lines."""
    lines = [file.path]
    errors = file.errors
    lines += [f"  error {text}" for text in errors[:SHOWN]]
    if len(errors) > SHOWN:
        lines.append(f"  and {len(errors) - SHOWN} more errors")
    others = Counter(item.code for item in file.found if item.severity is not Severity.ERROR)
    if others:
        lines.append("  told " + ", ".join(f"{code} {count}" for code, count in sorted(others.items())))
    if file.world is None:
        return lines
    policies = len(file.world.policies)
    labels = sum(name.startswith("labels") for name in file.resolved)
    if labels:
        lines.append(f"  resolved for labels of {labels} of {policies} policies")
    elif file.resolved:
        lines.append(f"  resolved for {len(file.resolved)} endpoints, {policies} policies")
    lines += [f"  not resolved {text}" for text in file.unresolved]
    if not policies:
        lines.append(f"  no policies, {file.objects} objects")
    return lines


@pytest.mark.skipif(not CORPUS.is_dir(), reason=MISSING)
def test_what_happens_to_each_file_of_the_corpus_is_as_reviewed(golden_update: bool) -> None:
    text = "".join(f"{line}\n" for file in corpus_files() for line in summary(file))
    if golden_update:
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


@pytest.mark.skipif(not CORPUS.is_dir(), reason=MISSING)
def test_a_file_with_policies_compiles_or_says_why_not() -> None:
    silent = [
        file.path
        for file in corpus_files()
        if not file.errors and file.world and file.world.policies and not (file.resolved or file.unresolved)
    ]
    assert silent == []
