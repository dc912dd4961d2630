"""Throw-away network namespaces, veths and a private bpf filesystem; every test proves it left nothing."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from polc.runtime.bpffs import Bpffs
from polc.runtime.hooks import Mechanism
from polc.tests.kernel.scene import NODE, WORKLOAD, Recorder, Scene, Veth, allowing, sh

_NUMBERS = itertools.count()
PREFIX = "polc-test-"


@pytest.fixture(scope="session", autouse=True)
def _compiler() -> None:
    """LLVM's processes, which a first compilation starts: started in a namespace they would keep it alive."""
    allowing()


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
def veth(namespace: Callable[[], str]) -> Veth:
    """A veth from one namespace (the node, `polc-test-h`) to another (the workload).

    Neighbours are permanent: a test's policy may deny ARP too, and a failed look-up lasts for a second.
    """
    pair = Veth(namespace(), namespace())
    node, workload = pair.namespace, pair.workload
    sh(
        *("ip", "-n", node, "link", "add", pair.device, "type", "veth"),
        *("peer", "name", "polc-test-w", "netns", workload),
    )
    ends = (
        (node, pair.device, NODE, "02:00:00:00:00:01"),
        (workload, "polc-test-w", WORKLOAD, "02:00:00:00:00:02"),
    )
    for (space, device, address, mac), (_, _, peer, peer_mac) in (ends, ends[::-1]):
        sh("ip", "-n", space, "link", "set", device, "address", mac)
        sh("ip", "-n", space, "addr", "add", f"{address}/24", "dev", device)
        sh("ip", "-n", space, "link", "set", device, "up")
        sh("ip", "-n", space, "neigh", "replace", peer, "lladdr", peer_mac, "dev", device, "nud", "permanent")
    return pair


@pytest.fixture
def door() -> Iterator[Recorder]:
    """The bpf door of a test. In the end, with namespaces and bpffs gone, nothing made by it may live."""
    recorder = Recorder()
    yield recorder
    assert recorder.alive() == set()


@pytest.fixture(params=list(Mechanism), ids=str)
def scene(request: pytest.FixtureRequest, door: Recorder, veth: Veth, bpffs: Bpffs) -> Scene:
    """A veth to attach to, once by tcx links and once by clsact filters."""
    return Scene(veth, bpffs.root, request.param, door)


@pytest.fixture
def clsact(door: Recorder, veth: Veth, bpffs: Bpffs) -> Scene:
    """As `scene`, by clsact filters only."""
    return Scene(veth, bpffs.root, Mechanism.CLSACT, door)


@pytest.fixture
def tcx(door: Recorder, veth: Veth, bpffs: Bpffs) -> Scene:
    """As `scene`, by tcx links only: for what does not depend on the mechanism."""
    return Scene(veth, bpffs.root, Mechanism.TCX, door)
