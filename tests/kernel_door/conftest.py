"""Doors to the real kernel, a private bpf filesystem, and a veth in a namespace of its own."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from polc.runtime.bpf import Bpf

_NUMBERS = itertools.count()


def _sh(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"


@pytest.fixture
def bpf() -> Bpf:
    return Bpf()


@pytest.fixture
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A private bpf filesystem on a temporary directory, unmounted afterwards."""
    root = tmp_path_factory.mktemp("bpffs")
    _sh("mount", "-t", "bpf", "bpf", str(root))
    yield root
    _sh("umount", str(root))


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace with one end of a veth as `polc-test-h`; it goes with the namespace."""
    name = f"polc-test-d{os.getpid()}-{next(_NUMBERS)}"
    _sh("ip", "netns", "add", name)
    try:
        _sh("ip", "-n", name, "link", "add", "polc-test-h", "type", "veth", "peer", "name", "polc-test-w")
        yield name
    finally:
        _sh("ip", "netns", "del", name)
