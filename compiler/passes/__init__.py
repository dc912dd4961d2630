"""IR → IR: the same verdicts, indices and logs with less to do. One file a pass; the order is `PASSES`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..ir.nodes import Program
from .always import drop_always
from .never import drop_never
from .shadowed import drop_shadowed
from .unreachable import drop_unreachable

# Fewer criteria make more rules catch all and shadow others, so criteria go first.
PASSES: Final[tuple[Callable[[Program], Program], ...]] = (
    drop_always,
    drop_never,
    drop_shadowed,
    drop_unreachable,
)


def run_passes(program: Program) -> Program:
    """All passes, once each, in order. Indices stay with their rules, so gaps appear."""
    for step in PASSES:
        program = step(program)
    return program
