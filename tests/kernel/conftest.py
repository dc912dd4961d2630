"""Throw-away network namespaces, veths and a private bpf filesystem; every test proves it left nothing."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from polc.runtime.bpffs import Bpffs

_NUMBERS = itertools.count()
PREFIX = "polc-test-"


def sh(*command: str) -> str:
    """Runs a command; its output. Fails the test with the command's own words."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


@pytest.fixture
def namespace() -> Iterator[Callable[[], str]]:
    """Makes network namespaces `polc-test-…` on demand and deletes them, whatever happens."""
    made: list[str] = []

    def make() -> str:
        name = f"{PREFIX}{os.getpid()}-{next(_NUMBERS)}"
        sh("ip", "netns", "add", name)
        made.append(name)
        sh("ip", "-n", name, "link", "set", "lo", "up")
        return name

    yield make
    for name in made:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@pytest.fixture
def bpffs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bpffs]:
    """A private bpf filesystem on a temporary directory, unmounted afterwards."""
    root = tmp_path_factory.mktemp("bpffs")
    sh("mount", "-t", "bpf", "bpf", str(root))
    yield Bpffs(root)
    while str(root) in Path("/proc/self/mountinfo").read_text():
        sh("umount", str(root))


@pytest.fixture
def veth(namespace: Callable[[], str]) -> tuple[str, str]:
    """(namespace, host end of a veth in it); the other end, `…w`, is in the same namespace."""
    name = namespace()
    sh("ip", "-n", name, "link", "add", "polc-test-h", "type", "veth", "peer", "name", "polc-test-w")
    for end in ("polc-test-h", "polc-test-w"):
        sh("ip", "-n", name, "link", "set", end, "up")
    return name, "polc-test-h"
