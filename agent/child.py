"""The compiler's process as the agent holds it: two pipes, and an end that takes all of its children with it.

It is the leader of a process group of its own, so that a Ctrl-C meant for the agent does not reach it, and so
that LLVM's processes end when it ends, however that comes about.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Final

from .protocol import Endpoint

_LAST_WORDS: Final = 2000  # bytes of standard error that are looked at


class Child:
    """A started process. Raises OSError when it cannot be started.

    ended: whether its answers have come to an end. fault: what it did against the protocol, ``. heard: when
    it last gave a sign of life, or was asked something. endpoints: of the files that it read last, None when
    it read none. All four are kept by who reads and writes.
    """

    def __init__(self, command: Sequence[str], now: float) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                process_group=0,
            )
        except OSError:
            self._complaints.close()
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = self._process.stdin
        self.answers: IO[bytes] = self._process.stdout
        os.set_blocking(self._requests.fileno(), False)
        self.started = self.heard = now
        self.ended = False
        self.fault = ""
        self.endpoints: tuple[Endpoint, ...] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, data: bytes, limit: float) -> None:
        """Raises TimeoutError when the child takes nothing for `limit` seconds, OSError when it is dead."""
        rest = memoryview(data)
        descriptor = self._requests.fileno()
        waiting = select.poll()
        waiting.register(descriptor, select.POLLOUT)
        until = time.monotonic() + limit
        while rest:
            if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
                raise TimeoutError(f"it read nothing for {limit:g} seconds")
            taken = os.write(descriptor, rest)
            rest = rest[taken:]
            until = time.monotonic() + limit

    def kill(self) -> str:
        """Ends it and its children, if they have not ended; how it ended, in words."""
        # Not waited for yet, so the number is still its own, and its group's.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._end_in_words(self._process.wait())

    def close(self) -> None:
        """Closes the pipes; after `kill`, and after who reads the answers is done."""
        for stream in (self._requests, self.answers):
            with suppress(OSError):
                stream.close()
        self._complaints.close()

    def _end_in_words(self, code: int) -> str:
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - _LAST_WORDS))
        words = self._complaints.read().decode(errors="replace").strip()
        said = f": {words.splitlines()[-1]}" if words else ""
        if code < 0:
            with suppress(ValueError):
                return f"it was ended by {signal.Signals(-code).name}{said}"
        return f"it ended with status {code}{said}"
