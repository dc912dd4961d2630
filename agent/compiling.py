"""The agent's side of compilation: a child without any privilege does it, and is replaced when it dies.

A compiler that crashes, or takes ten seconds, never stops enforcement: nothing here blocks the caller, and
every answer comes through one function. The pairs are checked here once more, with the reader that
`polc attach` uses, so a child gone wrong can withhold a pair but not give one endpoint's to another.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..pair.object import ObjectPair, PairError, read_pair, require_endpoint
from .backoff import Backoff
from .child import Child
from .inputs import Text
from .orders import DEATHS, Order, Told
from .protocol import Answer as AnswerFrames
from .protocol import (
    BeganFrame,
    Endpoint,
    FailedFrame,
    Finding,
    Findings,
    KeptFrame,
    LoadedFrame,
    MadeFrame,
    ProtocolError,
    ReadingFrame,
    RefusedFrame,
    ReviewedFrame,
    SameFrame,
    read_answer,
    request_bytes,
)

# -P: no module is looked for where the agent happens to have been started.
COMMAND: Final = (sys.executable, "-P", "-m", "polc.agent.worker")
SECONDS: Final = 120.0  # without any sign of life while there is work
OWN: Final = "POLC-E0803"  # the code of findings that blame the child, and no policy
STEADY: Final = 60.0  # a child that lived so many seconds does not count as one more failure in a row


@dataclass(frozen=True, slots=True)
class Loaded:
    """The texts of that revision are good. endpoints: all that there are."""

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
class Reviewed:
    """Warnings about the inventory as a whole, once a revision; those of single files came with Loaded."""

    revision: int
    warnings: Findings


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """The child ended, or was ended. reason: in words. again: seconds until the next is started.

    What it was asked is asked of the next one; nothing need be done.
    """

    reason: str
    again: float


_Outcome = MadeFrame | SameFrame | KeptFrame | FailedFrame
Answer = Loaded | Refused | Made | Same | Failed | Finished | Reviewed | WorkerDied


class Compiler:
    """on_answers: called for all answers, those that come at once together, from a thread of this object; it
    should only post.

    submit → Loaded or Refused; want → Made, Same or Failed for each endpoint, then Finished; Reviewed some
    time after Loaded. A newer revision makes the rest of an older one be dropped, with no answer; a pair that
    was on its way still arrives, with the older revision's number. command: starts the child. limit: seconds
    without a sign of life, while there is work, before it is ended.
    """

    def __init__(
        self,
        on_answers: Callable[[Sequence[Answer]], None],
        *,
        command: Sequence[str] = COMMAND,
        limit: float = SECONDS,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._post = on_answers
        self._command = tuple(command)
        self._limit = limit
        self._backoff = backoff or Backoff(base=0.25, cap=60.0)
        self._clock = clock
        self._chance = chance
        self._changed = threading.Condition()  # guards all below
        self._closing = False
        self._order = Order()
        self._doing: Endpoint | str | None = None  # the endpoint or file that the child is at
        self._killers: Counter[Endpoint] = Counter()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="compiler", daemon=True)
        self._thread.start()

    def submit(self, revision: int, texts: Sequence[Text]) -> None:
        """The input is now this. revision: larger than any before. Returns at once."""
        with self._changed:
            self._order = Order(revision, {text.path: text for text in texts})
            self._changed.notify_all()

    def want(self, revision: int, endpoints: Mapping[Endpoint, bytes | None]) -> None:
        """Asks for the pairs of these endpoints, all of a Loaded; replaces what was wanted before.

        endpoints: to each the identity of the pair that the caller has of it, None to have one sent in any
        case. Nothing happens when that revision is not the last submitted. Returns at once.
        """
        with self._changed:
            if revision == self._order.revision:
                self._order.want(endpoints)
                self._changed.notify_all()

    def close(self) -> None:
        """Ends the child and the threads; no answer comes after it returns. May be called twice."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    # --- the thread that owns the child -------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            try:
                child = Child(self._command, self._clock())
            except OSError as error:
                self._bury(f"it cannot be started: {error.strerror}", 0.0)
                continue
            reader = threading.Thread(target=self._read, args=(child,), name="compiler answers", daemon=True)
            reader.start()
            reason = self._attend(child)
            end = child.kill()
            reader.join()
            child.close()
            if not self._closing:
                self._bury(reason or child.fault or end, self._clock() - child.started)

    def _attend(self, child: Child) -> str:
        """Sends what there is to send until the child must end; why, `` when it ended by itself."""
        told = Told()
        while True:
            with self._changed:
                frames = self._outgoing(told)
                finished = self._order.finish()
                revision = self._order.revision
                if not frames and not finished:
                    if self._closing or child.ended:
                        return ""
                    patience = self._limit - (self._clock() - child.heard) if self._order.open else None
                    if patience is not None and patience <= 0:
                        return f"no sign of life for {self._limit:g} seconds"
                    self._changed.wait(patience)
                    continue
                child.heard = self._clock()
            if finished:
                self._post((Finished(revision),))
            try:
                for frame in frames:
                    child.send(frame, self._limit)
            except TimeoutError as error:
                return str(error)
            except OSError:
                return ""

    def _outgoing(self, told: Told) -> list[bytes]:
        frames = []
        revise = told.revise(self._order)
        if revise is not None:
            self._doing = None
            frames.append(request_bytes(*revise))
        compile_ = told.compile(self._order, self._killers)
        if compile_ is not None:
            frames.append(request_bytes(compile_))
        return frames

    def _bury(self, reason: str, lived: float) -> None:
        """Says that the child died, calls off what it died of twice, and waits before the next."""
        with self._changed:
            answer = self._blame(reason)
            self._failures = 1 if lived >= STEADY else self._failures + 1
            again = self._backoff.delay(self._failures, self._chance)
        died = WorkerDied(reason, again)
        self._post((answer, died) if answer is not None else (died,))
        with self._changed:
            self._changed.wait_for(lambda: self._closing, again)

    def _blame(self, reason: str) -> Answer | None:
        order, doing, self._doing = self._order, self._doing, None
        if isinstance(doing, Endpoint):
            self._killers[doing] += 1
            if self._killers[doing] >= DEATHS and order.answer(doing):
                return Failed(order.revision, doing, _death(f"the compiler died of it: {reason}"))
        elif order.open and not order.settled:
            order.deaths += 1
            if order.deaths >= DEATHS:
                order.settled = order.refused = True
                what = f"the compiler died reading {doing or 'the files'}: {reason}"
                return Refused(order.revision, _death(what, doing or ""))
        return None

    # --- the thread that reads the child's answers ----------------------------------------------------

    def _read(self, child: Child) -> None:
        try:
            while (frame := read_answer(child.answers)) is not None:
                answers = self._taken(child, *frame)
                if answers:
                    self._post(answers)
        except Exception as error:  # whatever it sent: it is replaced, and nobody waits for it
            child.fault = f"it does not keep to the protocol: {error}"
        with self._changed:
            child.ended = True
            self._changed.notify_all()

    def _taken(self, child: Child, frame: AnswerFrames, blobs: tuple[bytes, ...]) -> list[Answer]:
        """What is to be said of a frame."""
        made = _checked(frame, blobs) if isinstance(frame, MadeFrame) else None
        with self._changed:
            child.heard = self._clock()
            if isinstance(frame, LoadedFrame):
                child.endpoints = _told(child, frame)
            order = self._order
            if frame.revision != order.revision:
                return [made] if isinstance(made, Made) else []
            match frame:
                case ReadingFrame():
                    self._doing = frame.path
                case BeganFrame():
                    self._doing = frame.endpoint
                case LoadedFrame() | RefusedFrame():
                    return self._settled(order, frame, child)
                case ReviewedFrame():
                    first, order.reviewed = not order.reviewed, True
                    return [Reviewed(frame.revision, frame.warnings)] if first else []
                case MadeFrame() | SameFrame() | KeptFrame() | FailedFrame():
                    return self._answered(order, frame, made, _meant(child, frame))
            return []

    def _settled(self, order: Order, frame: LoadedFrame | RefusedFrame, child: Child) -> list[Answer]:
        self._doing = None
        if order.settled:  # said by a child before this one
            return []
        order.settled = True
        if isinstance(frame, RefusedFrame):
            order.refused = True
            return [Refused(frame.revision, frame.findings)]
        return [Loaded(frame.revision, child.endpoints or (), frame.warnings, frame.seconds)]

    def _answered(
        self, order: Order, frame: _Outcome, made: Made | Failed | None, endpoints: Iterable[Endpoint]
    ) -> list[Answer]:
        """endpoints: those that the frame is about."""
        self._doing = None
        answers: list[Answer] = []
        for endpoint in endpoints:
            held = (order.wanted or {}).get(endpoint)
            if order.answer(endpoint):
                self._killers.pop(endpoint, None)
                answers.append(made if made is not None else _without_pair(frame, endpoint, held))
        return [*answers, Finished(frame.revision)] if order.finish() else answers


def _told(child: Child, frame: LoadedFrame) -> tuple[Endpoint, ...]:
    """The endpoints of a frame."""
    found = frame.endpoints if frame.endpoints is not None else child.endpoints
    if found is None:
        raise ProtocolError("the endpoints of a frame before the first")
    return found


def _meant(child: Child, frame: _Outcome) -> tuple[Endpoint, ...]:
    """Whom a frame is about."""
    if not isinstance(frame, KeptFrame):
        return (frame.endpoint,)
    there = child.endpoints or ()
    if any(number >= len(there) for number in frame.numbers):
        raise ProtocolError("an endpoint that it never told of")
    return tuple(there[number] for number in frame.numbers)


def _without_pair(frame: _Outcome, endpoint: Endpoint, held: bytes | None) -> Same | Failed:
    if isinstance(frame, FailedFrame):
        return Failed(frame.revision, endpoint, frame.findings)
    meant = isinstance(frame, KeptFrame) or (
        isinstance(frame, SameFrame) and held is not None and frame.identity == held.hex()
    )
    if held is None or not meant:
        return Failed(frame.revision, endpoint, _death("the compiler means a pair that nobody has"))
    return Same(frame.revision, endpoint, held)


def _checked(frame: MadeFrame, blobs: tuple[bytes, ...]) -> Made | Failed:
    """The pair, read as strictly as one from a file."""
    title = frame.endpoint.title
    try:
        if len(blobs) != 2:
            raise ProtocolError(f"a pair of {len(blobs)} objects")
        pair = read_pair(*blobs, f"the ingress object of {title}", f"the egress object of {title}")
        require_endpoint(pair, frame.endpoint.ref)
    except PairError as error:
        return Failed(frame.revision, frame.endpoint, _death(error.message))
    return Made(frame.revision, frame.endpoint, pair, frame.warnings, frame.seconds, frame.emissions)


def _death(message: str, at: str = "") -> Findings:
    return (Finding(code=OWN, severity="error", message=message, at=at),)
