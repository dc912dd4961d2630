"""Every mutant, and why those that survive do."""

from __future__ import annotations

from typing import Final

from polc.tests.mutants.mutant import Mutant
from polc.tests.mutants.of_code import CLASSIFY, FLOW, HITS, PARSE, PLAN, TABLE
from polc.tests.mutants.of_policy import PASSES, RESOLVE

MUTANTS: Final = tuple(
    Mutant(name, file, old, new)
    for part in (RESOLVE, PASSES, PLAN, PARSE, FLOW, CLASSIFY, HITS, TABLE)
    for file, changes in part.items()
    for name, old, new in changes
)

WHY_ALIVE: Final[dict[str, str]] = {}
