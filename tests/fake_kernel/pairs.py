"""The pairs that sequences attach: three that load and one the verifier refuses."""

from __future__ import annotations

from functools import cache

from polc.pair.layout import Direction
from polc.pair.object import ObjectPair
from polc.tests.kernel.rejected import rejected_pair
from polc.tests.pair.pairs import pair_of
from polc.tests.pair.specimen import Specimen

_CONSTANTS = (80, 81, 82)


@cache
def pair(number: int) -> ObjectPair:
    """0, 1 or 2."""
    return pair_of(Specimen(constant=_CONSTANTS[number]))


@cache
def rejected() -> ObjectPair:
    return rejected_pair(Direction.EGRESS)
