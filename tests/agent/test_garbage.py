"""Full collections wait for a quiet moment, and only there they come."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from polc.agent.garbage import patient, sweep


class Ring:
    """An object that only a collection ends."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def old_garbage() -> weakref.ref[Ring]:
    """Garbage in the oldest generation."""
    ring = Ring()
    gc.collect(1)
    gc.collect(1)
    return weakref.ref(ring)


def allocate() -> None:
    """More than Python makes a full collection after."""
    for _ in range(30):
        kept = [[] for _ in range(1_000)]  # type: ignore[var-annotated]
        gc.collect(1)
        del kept


def test_full_collections_wait_until_nothing_else_is_to_be_done() -> None:
    before = gc.get_threshold()
    with patient():
        ring = old_garbage()
        allocate()
        assert gc.get_count()[2] >= 10
        assert ring() is not None
        sweep()
        assert ring() is None
        assert gc.get_count()[2] == 0
        other = old_garbage()
        sweep()
        assert other() is not None, "nothing was due"
    assert gc.get_threshold() == before
