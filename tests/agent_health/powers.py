"""A child process that gives up capabilities by our own code, does some things, and says how they went."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from polc.runtime.errors import RuntimeFault
from polc.runtime.privilege import Capability, held, keep_only

_CLONE_NEWNET = 0x40000000


def with_only(
    kept: Collection[Capability], works: Mapping[str, Callable[[], object]], namespace: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """(what the child held, by work the words of its error or ""), done in order inside `namespace`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _enter(namespace)
            keep_only(kept)
            said = asdict(held()), {name: _tried(work) for name, work in works.items()}
            os.write(writing, json.dumps(said).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as stream:
        said_by_child = stream.read()
    os.waitpid(child, 0)
    powers, done = json.loads(said_by_child)
    return powers, done


def _enter(namespace: str) -> None:
    descriptor = os.open(Path("/run/netns") / namespace, os.O_RDONLY)
    assert ctypes.CDLL(None).setns(descriptor, _CLONE_NEWNET) == 0


def _tried(work: Callable[[], object]) -> str:
    try:
        work()
    except (RuntimeFault, OSError) as error:
        return str(error)
    return ""
