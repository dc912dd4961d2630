"""Reads the folders when something in them changed, and now and then without that; submits what is new.

In a thread of its own, so that a slow disk holds up no enforcement. Events only say *look now*: what counts
is the digest of what is read. A folder that comes late, or is exchanged as a whole, has no events: each is
looked for once a second.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

from .inputs import Inputs, Limits, Text, read_inputs
from .listing import Listing
from .mailbox import Reading
from .mapping import MappingError, Rule

QUIET: Final = 0.02  # seconds without an event that end a burst
GLANCE: Final = 1.0  # seconds between two looks whether a folder is still the one that is watched
WHOLLY: Final = 600.0  # seconds after which files that seem unchanged are read all the same
LONGEST: Final = 0.2  # seconds after which a burst that does not end is read all the same
# watchdog waits so long for the second half of a move, to tell it as one; here each half says all there is.
InotifyMoveEventGrouper.delay = 0.0

_Mark = tuple[int, int] | None  # device and inode of a folder


class Watcher:
    """submit: gives texts to the compiler under a revision number. report: is told of each new reading.

    reread: seconds after which the folders are read without any event. listing: which is read again when it
    changed, and then told to `relist`; a list that cannot be used is a problem like one of the folders.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        submit: Callable[[int, Sequence[Text]], None],
        report: Callable[[Reading], None],
        reread: float,
        limits: Limits | None = None,
        listing: Listing | None = None,
        relist: Callable[[Rule], None] | None = None,
    ) -> None:
        self._folders = [str(folder) for folder in folders]
        self._submit, self._report = submit, report
        self._reread, self._limits = reread, limits
        self._listing, self._relist = listing, relist
        self._list_problem: tuple[str, ...] = ()
        self._event, self._closing = threading.Event(), threading.Event()
        self._revision = 0
        self._before: Inputs | None = None
        self._wholly = time.monotonic()
        self._last: tuple[str, tuple[str, ...]] | None = None
        self._marks: dict[str, _Mark] = {}  # of the folders that there are to watch, as they were found
        self._watches: dict[str, ObservedWatch] = {}
        self._observer: BaseObserver = Observer()
        self._thread = threading.Thread(target=self._run, name="folders", daemon=True)

    def start(self) -> None:
        self._observer.start()
        self._thread.start()

    def again(self) -> None:
        """Reads and submits once more, changed or not; for any thread."""
        self._last = None
        self._event.set()

    def close(self) -> None:
        """Nothing is submitted or reported after it returns."""
        self._closing.set()
        self._event.set()
        self._thread.join()
        self._observer.stop()
        self._observer.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._watch()
            self._read()
            self._wait()
            self._settle()

    def _wait(self) -> None:
        """Until there is a reason to read, or has been none for long."""
        end = time.monotonic() + self._reread
        while (left := end - time.monotonic()) > 0:
            if self._event.wait(min(left, GLANCE)) or any(
                _mark(folder) != mark for folder, mark in self._marks.items()
            ):
                return

    def _settle(self) -> None:
        """Waits for the end of a burst: a folder is written file by file."""
        end = time.monotonic() + LONGEST
        while self._event.is_set() and time.monotonic() < end and not self._closing.is_set():
            self._event.clear()
            self._closing.wait(QUIET)
        self._event.clear()

    def _read(self) -> None:
        now = time.monotonic()
        if now > self._wholly + WHOLLY:
            self._wholly, self._before = now, None
        self._before = found = read_inputs(self._folders, self._limits, self._before)
        self._read_list()
        problems = (*map(str, found.problems), *self._list_problem)
        if (found.digest, problems) == self._last or self._closing.is_set():
            return
        self._last = found.digest, problems
        if problems:
            self._report(Reading(0, found.digest, problems))
            return
        self._revision += 1
        self._report(Reading(self._revision, found.digest))
        self._submit(self._revision, found.texts)

    def _read_list(self) -> None:
        if self._listing is None or self._relist is None or not self._listing.changed:
            return
        try:
            self._relist(self._listing.read())
            self._list_problem = ()
        except MappingError as error:
            self._list_problem = (str(error),)

    def _watch(self) -> None:
        """Watches each folder that is there, and again when another one stands in its place."""
        beside = [str(self._listing.path.parent)] if self._listing is not None else []
        for folder in (*self._folders, *beside):
            mark = _mark(folder)
            if folder in self._watches:
                if mark == self._marks[folder]:
                    continue
                self._observer.unschedule(self._watches.pop(folder))
            self._marks[folder] = mark
            if mark is not None:
                deep = folder not in beside
                # gone again, or too many watches: the slow reading goes on
                with suppress(OSError):
                    self._watches[folder] = self._observer.schedule(
                        _Bell(self._event), folder, recursive=deep
                    )


class _Bell(FileSystemEventHandler):
    """Rings for what may have changed a file; being read does not."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in ("opened", "closed_no_write"):
            self._event.set()


def _mark(folder: str) -> _Mark:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino
