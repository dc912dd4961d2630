"""Object files on disk: a pair by its path without `.ingress.o`, read whole and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..pair.object import ObjectPair, read_pair
from .outcome import Code, fail

SUFFIXES: Final = (".ingress.o", ".egress.o")


def is_pair(target: str) -> bool:
    """Whether `target` is a pair's path: at least one of its two files is there."""
    return any(Path(target + suffix).is_file() for suffix in SUFFIXES)


def load_pair(target: str) -> ObjectPair:
    """Reads `TARGET.ingress.o` and `TARGET.egress.o`; PairError, or OSError naming the file."""
    paths = [target + suffix for suffix in SUFFIXES]
    ingress, egress = (Path(path).read_bytes() for path in paths)
    return read_pair(ingress, egress, *paths)


def refuse_single_object(target: str) -> None:
    """Ends the command when `target` is one object where a pair, or policies, are meant."""
    for suffix in SUFFIXES:
        if target.endswith(suffix):
            whole = target.removesuffix(suffix)
            fail(Code.INPUT, f"{target} is one object of a pair", f"give the pair: {whole}")
    if target.endswith(".o"):
        fail(Code.INPUT, f"{target} is no pair of polc's", "a pair is a path without .ingress.o")
