"""The agent's log: structured lines on stderr, for changes only.

A state is logged when it changes. A failure is logged the first time, and again after waits that double from
a minute to an hour, with the number of times it was not; so a node with a bad endpoint stays readable and a
changed failure still shows at once. What a line holds of a policy or an interface is a value of its own,
never part of a format, and control characters in it are escaped: nobody writes lines of his own into the log.
A line that cannot be written is lost: a full disk, or a reader that is gone, ends no agent.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Collection, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

FIRST_WAIT: Final = 60.0
LONGEST_WAIT: Final = 3600.0
_TEXT_MAX: Final = 2000  # characters of one value


def logger(*, as_json: bool, stream: TextIO | None = None) -> FilteringBoundLogger:
    """A logger to `stream` (None = stderr), a line an event: JSON, or `time level event key=value…`."""
    renderer: Any
    if as_json:
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    return cast(
        FilteringBoundLogger,
        structlog.wrap_logger(
            _Lines(stream or _standard_error()),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _plain,
                renderer,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            cache_logger_on_first_use=True,
        ),
    )


class _Lines:
    """Takes finished lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def info(self, line: str) -> None:
        with suppress(OSError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    warning = info


def _standard_error() -> TextIO:
    """Without a buffer: what a failed write left there would be tried, and fail, at every later one."""
    if sys.stderr is None:  # closed by who started us; its number may be another file's by now
        return io.StringIO()
    raw = io.FileIO(sys.stderr.fileno(), "w", closefd=False)
    return io.TextIOWrapper(cast(io.BufferedWriter, raw), errors="backslashreplace", write_through=True)


def _plain(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Texts without control characters and of bounded length."""
    return {key: _printable(value) if isinstance(value, str) else value for key, value in event.items()}


def _printable(text: str) -> str:
    cut = text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}…"
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in cut)


@dataclass(slots=True)
class _Seen:
    """text: what was logged last. wait: seconds until the same is logged again. hidden: times since then."""

    text: str
    logged: float
    wait: float
    hidden: int = 0


class Changes:
    """Decides which events are news. clock: seconds, monotonic."""

    def __init__(self, log: FilteringBoundLogger, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._states: dict[Hashable, str] = {}
        self._failures: dict[Hashable, _Seen] = {}
        self._values: dict[Hashable, object] = {}

    def told(self, key: Hashable, value: object) -> bool:
        """Whether this very object was handed in for this key last time: then there is nothing new in it."""
        before, self._values[key] = self._values.get(key), value
        return before is value

    def state(self, key: Hashable, kind: str, event: str, **fields: object) -> None:
        """Logs when `kind` is another than last time for this key."""
        if self._states.get(key) != kind:
            self._states[key] = kind
            self._log.info(event, **fields)

    def failure(self, key: Hashable, text: str, event: str, **fields: object) -> None:
        """Logs a failure that is new for this key, or old and due again."""
        now = self._clock()
        seen = self._failures.get(key)
        if seen is None or seen.text != text:
            self._failures[key] = _Seen(text, now, FIRST_WAIT)
            self._log.warning(event, reason=text, **fields)
        elif now - seen.logged < seen.wait:
            seen.hidden += 1
        else:
            self._log.warning(event, reason=text, repeated=seen.hidden + 1, **fields)
            seen.logged, seen.wait, seen.hidden = now, min(seen.wait * 2, LONGEST_WAIT), 0

    def over(self, key: Hashable, event: str, **fields: object) -> None:
        """The failure of this key is over: logged if there was one."""
        if self._failures.pop(key, None) is not None:
            self._log.info(event, **fields)

    def retain(self, group: str, names: Collection[str]) -> None:
        """Of the keys `(group, name)`, forgets those with another name: what they spoke of is gone."""
        for key in {*self._states, *self._failures, *self._values}:
            if isinstance(key, tuple) and key[0] == group and key[1] not in names:
                self.forget(key)

    def forget(self, key: Hashable) -> None:
        """The thing behind the key is gone, and with it what was said of it."""
        self._states.pop(key, None)
        self._failures.pop(key, None)
        self._values.pop(key, None)
