"""What was asked of the compiler and what of it is still open; pure of threads and processes.

An endpoint that the child died of comes last from then on, and after a second death it is called failed until
the input changes: one endpoint never keeps the others from their pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from .inputs import Text
from .protocol import Compile, Endpoint, Revise, Wanted

NEVER: Final = -1
DEATHS: Final = 2


@dataclass(slots=True)
class Order:
    """One revision. settled: Loaded or Refused was said of it. refused: the latter.

    wanted: what is not answered yet, None as long as nothing was wanted. asked: how often something was.
    finished: everything wanted is answered, and that was said.
    """

    revision: int = NEVER
    texts: Mapping[str, Text] = field(default_factory=dict)
    settled: bool = False
    refused: bool = False
    reviewed: bool = False
    wanted: dict[Endpoint, bytes | None] | None = None
    asked: int = 0
    finished: bool = True
    deaths: int = 0  # while it was read

    def want(self, endpoints: Mapping[Endpoint, bytes | None]) -> None:
        self.wanted = dict(endpoints)
        self.asked += 1
        self.finished = False

    def answer(self, endpoint: Endpoint) -> bool:
        """Whether this endpoint was wanted; it is not any more."""
        if self.wanted is None or endpoint not in self.wanted:
            return False
        del self.wanted[endpoint]
        return True

    def finish(self) -> bool:
        """True once, when everything wanted is answered."""
        if self.finished or self.wanted is None or self.wanted:
            return False
        self.finished = True
        return True

    @property
    def open(self) -> bool:
        """Whether a child should be working."""
        return self.revision != NEVER and not self.refused and (not self.settled or bool(self.wanted))


@dataclass(slots=True)
class Told:
    """What one child has been told so far. digests: by path, of the files that it holds. wanted: what it was
    last asked for: what is held of it, and whether it comes last."""

    revision: int = NEVER
    asked: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    wanted: dict[Endpoint, tuple[bytes | None, bool]] = field(default_factory=dict)

    def revise(self, order: Order) -> tuple[Revise, tuple[bytes, ...]] | None:
        """What is to be sent for the child to hold that revision's files; notes that it was."""
        if order.revision in (NEVER, self.revision) or order.refused:
            return None
        digests = {path: text.digest for path, text in order.texts.items()}
        changed = tuple(path for path in digests if self.digests.get(path) != digests[path])
        removed = tuple(path for path in self.digests if path not in digests)
        self.revision, self.asked, self.digests = order.revision, 0, digests
        request = Revise(revision=order.revision, changed=changed, removed=removed)
        return request, tuple(order.texts[path].data for path in changed)

    def compile(self, order: Order, killers: Mapping[Endpoint, int]) -> Compile | None:
        """What is to be asked for; notes that it was. killers: endpoints that the child died of."""
        if order.revision != self.revision or order.asked == self.asked or not order.wanted:
            return None
        before, self.asked = self.wanted, order.asked
        self.wanted = {one: (held, one in killers) for one, held in order.wanted.items()}
        rest = before.keys() <= self.wanted.keys()
        wanted = tuple(
            Wanted(endpoint=one, held=asked[0].hex() if asked[0] else "", last=asked[1])
            for one, asked in self.wanted.items()
            if not rest or before.get(one) != asked
        )
        return Compile(revision=order.revision, wanted=wanted, rest=rest)
