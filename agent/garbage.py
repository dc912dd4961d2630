"""When Python looks for garbage: in moments in which nothing waits for an answer.

Over the objects of hundreds of endpoints a full collection takes a tenth of a second, and by itself it comes
in the midst of the work that allocates. Almost nothing of ours is garbage that only a collection finds.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_DUE: Final = 10  # collections of the middle generation, after which Python itself makes a full one
_LATEST: Final = 1_000  # the same for us, when there is never a quiet moment


@contextmanager
def patient() -> Iterator[None]:
    """Until the block ends full collections wait for `sweep`. What is there already, the imported code above
    all, is never looked at again."""
    before = gc.get_threshold()
    gc.set_threshold(before[0], before[1], _LATEST)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.set_threshold(*before)


def sweep() -> None:
    """Nothing waits: the full collection that is due, if one is."""
    if gc.get_count()[2] >= _DUE:
        gc.collect()
