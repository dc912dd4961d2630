"""Writes several files so that an interrupt or a full disk leaves all of the old or all of the new ones."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def write_all(files: Mapping[Path, bytes]) -> None:
    """Writes each file beside its place first, then puts all of them in place; makes missing folders.

    Raises OSError with the path in `filename`, after removing what it had written beside.
    """
    mark = secrets.token_hex(4)
    beside = {path: path.with_name(f".{path.name}.{mark}") for path in files}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside[path].write_bytes(data)
        with _uninterrupted():
            for path, ready in beside.items():
                os.replace(ready, path)
    finally:
        for ready in beside.values():
            ready.unlink(missing_ok=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C back: it is delivered at the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
