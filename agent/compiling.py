"""The agent's side of compilation: a child without any privilege does it, and is replaced when it dies.

A compiler that crashes, or takes ten seconds, never stops enforcement: nothing here blocks the caller, and
every answer comes through one function. The pairs are checked here once more, with the reader that
`polc attach` uses, so a child gone wrong can withhold a pair but not give one endpoint's to another.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..pair.object import ObjectPair
from .backoff import Backoff
from .inputs import Text
from .protocol import Endpoint, Findings

COMMAND: Final = (sys.executable, "-m", "polc.agent.worker")
SECONDS: Final = 60.0  # without any sign of life while there is work


@dataclass(frozen=True, slots=True)
class Loaded:
    """The texts of that revision are good. endpoints: all that a pair can be compiled for."""

    revision: int
    endpoints: tuple[Endpoint, ...]
    warnings: Findings
    seconds: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of that revision can be used; what runs stays."""

    revision: int
    findings: Findings


@dataclass(frozen=True, slots=True)
class Made:
    """A pair, checked: both objects are whole, of one identity, and for this endpoint.

    seconds: what compiling took. emissions: runs of LLVM among it, 0 when all of its code was known.
    """

    revision: int
    endpoint: Endpoint
    pair: ObjectPair = field(repr=False)
    warnings: Findings
    seconds: float
    emissions: int


@dataclass(frozen=True, slots=True)
class Same:
    """The pair in that revision is the one that was said to be held. identity: 32 bytes."""

    revision: int
    endpoint: Endpoint
    identity: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no pair for the endpoint in that revision, and asking again will not help."""

    revision: int
    endpoint: Endpoint
    findings: Findings


@dataclass(frozen=True, slots=True)
class Finished:
    """Everything that was wanted of that revision is answered."""

    revision: int


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """The child ended, or was ended. reason: in words. again: seconds until the next is started.

    What it was asked is asked of the next one; nothing need be done.
    """

    reason: str
    again: float


Answer = Loaded | Refused | Made | Same | Failed | Finished | WorkerDied


class Compiler:
    """on_answer: called for every answer, from a thread of this object; it should only post.

    submit → Loaded or Refused; want → Made, Same or Failed for each endpoint, then Finished. A newer revision
    makes the rest of an older one be dropped, with no answer; what was on its way still arrives, with the
    older revision's number. command: starts the child. limit: seconds without a sign of life before its end.
    """

    def __init__(
        self,
        on_answer: Callable[[Answer], None],
        *,
        command: Sequence[str] = COMMAND,
        limit: float = SECONDS,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None: ...

    def submit(self, revision: int, texts: Sequence[Text]) -> None:
        """The input is now this. revision: larger than any before. Returns at once."""

    def want(self, revision: int, endpoints: Mapping[Endpoint, bytes | None]) -> None:
        """Asks for the pairs of these endpoints, all of a Loaded; replaces what was wanted before.

        endpoints: to each the identity of the pair that the caller has of it, None to have one sent in any
        case. Nothing happens when that revision is not the last submitted. Returns at once.
        """

    def close(self) -> None:
        """Ends the child and the threads; no answer comes after it returns. May be called twice."""
