"""What other threads and signal handlers have to say to the loop: newest word only, never a growing queue.

Of answers about one endpoint the last one counts, of readings of the folders the last, of whole revisions the
last. So however long the loop is busy, what waits for it is bounded by the number of endpoints.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from .compiling import Answer, Failed, Finished, Loaded, Made, Refused, Reviewed, Same, WorkerDied
from .mapping import Rule
from .protocol import Endpoint


@dataclass(frozen=True, slots=True)
class Reading:
    """The folders were read. revision: the number under which the compiler was given the texts; 0 when it was
    not, because of `problems`. digest: of all paths and bytes."""

    revision: int
    digest: str
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Post:
    """Everything that came since the last look, in the order in which it is to be worked off.

    deaths: of the compiler's process, and the last of them.
    """

    rule: Rule | None = None
    reading: Reading | None = None
    revision: Loaded | Refused | None = None
    by_endpoint: dict[Endpoint, Made | Same | Failed] = field(default_factory=dict)
    reviewed: Reviewed | None = None
    finished: Finished | None = None
    deaths: int = 0
    died: WorkerDied | None = None
    look: bool = False
    stop: bool = False


class Mailbox:
    """Any thread posts; one thread takes. `fileno` is readable while there is something to take."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may post while its own thread does
        self._post = Post()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._bell

    def close(self) -> None:
        os.close(self._bell)

    def answers(self, answers: Iterable[Answer]) -> None:
        """The compiler says something."""
        with self._lock:
            for answer in answers:
                self._file(answer)
            os.eventfd_write(self._bell, 1)

    def _file(self, answer: Answer) -> None:
        if isinstance(answer, Loaded | Refused):
            self._post.revision = answer
        elif isinstance(answer, Finished):
            self._post.finished = answer
        elif isinstance(answer, Reviewed):
            self._post.reviewed = answer
        elif isinstance(answer, WorkerDied):
            self._post.died = answer
            self._post.deaths += 1
        else:
            self._post.by_endpoint[answer.endpoint] = answer

    def reading(self, reading: Reading) -> None:
        """The folders changed, or were read for the first time."""
        with self._lock:
            self._post.reading = reading
            os.eventfd_write(self._bell, 1)

    def rule(self, rule: Rule) -> None:
        """Endpoints are on other interfaces than before."""
        with self._lock:
            self._post.rule = rule
            os.eventfd_write(self._bell, 1)

    def look(self) -> None:
        """Look at everything."""
        with self._lock:
            self._post.look = True
            os.eventfd_write(self._bell, 1)

    def stop(self) -> None:
        """End, leaving everything in force."""
        with self._lock:
            self._post.stop = True
            os.eventfd_write(self._bell, 1)

    def take(self) -> Post:
        """What came since the last call."""
        with self._lock:
            try:
                os.eventfd_read(self._bell)
            except BlockingIOError:
                return Post()
            post, self._post = self._post, Post()
            return post
