"""A network namespace with a veth and a bpf filesystem of its own, for commands on the real kernel."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from polc.tests.cli.command import EXAMPLES, Place, polc

_NUMBERS = itertools.count()


def _sh(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Both ends of a veth in one namespace: `polc-test-h` to attach to, `polc-test-w` to send from."""
    name = f"polc-test-cli-{os.getpid()}-{next(_NUMBERS)}"
    bpffs = tmp_path / "bpffs"
    bpffs.mkdir()
    _sh("ip", "netns", "add", name)
    try:
        _sh("mount", "-t", "bpf", "bpf", str(bpffs))
        _sh("ip", "-n", name, "link", "add", "polc-test-h", "type", "veth", "peer", "name", "polc-test-w")
        for end in ("polc-test-h", "polc-test-w"):
            _sh("ip", "-n", name, "link", "set", end, "up")
        yield Place(name, "polc-test-h", bpffs)
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
        subprocess.run(["umount", str(bpffs)], capture_output=True)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pairs `shop.web` (of policy.yaml) and `next/shop.web` (of policy-next.yaml)."""
    out = tmp_path_factory.mktemp("pairs")
    shop = EXAMPLES / "shop"
    for policy, folder in (("policy.yaml", out), ("policy-next.yaml", out / "next")):
        done = polc("compile", shop / "inventory.yaml", shop / policy, "-o", folder, "--endpoint", "shop/web")
        assert done.code == 0, done.err
    return out
