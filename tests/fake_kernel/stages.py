"""The same stage twice: on the fake kernel, and on the real one in a throw-away namespace."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from polc.runtime import netns
from polc.runtime.kernel import Kernel
from polc.runtime.netlink import Netlink
from polc.tests.fake_kernel.files import FakePath, doors
from polc.tests.fake_kernel.machine import ROOT, FakeKernel
from polc.tests.fake_kernel.process import Process
from polc.tests.fake_kernel.situations import Stage
from polc.tests.kernel.scene import sh

DEVICE = "polc-test-h"
_PATIENCE = 0.5  # seconds
_T = TypeVar("_T")


def on_fake(work: Callable[[Stage], _T]) -> _T:
    """Runs the work on a fake kernel of its own."""
    kernel = FakeKernel()
    space = kernel.namespace()
    device = space.add(DEVICE)
    process = Process(kernel, "a test")
    stage = Stage(
        doors(process, space),
        cast(Path, FakePath(process, ROOT)),
        DEVICE,
        lambda: kernel.delete_device(space, device),
        kernel.work,
    )
    return work(stage)


def _moment() -> None:
    """The real kernel empties maps and frees programs after a grace period."""
    time.sleep(_PATIENCE)


class RealStages:
    """Real stages: each with a new veth in the same namespace."""

    def __init__(self, namespace: str, root: Path) -> None:
        self._namespace = namespace
        self._root = root

    def run(self, work: Callable[[Stage], _T]) -> _T:
        add = ("ip", "-n", self._namespace, "link", "add", DEVICE, "type", "veth", "peer", "name")
        sh(*add, "polc-test-w")

        def delete() -> None:
            sh("ip", "-n", self._namespace, "link", "del", DEVICE)

        def inside() -> _T:
            with Netlink() as net:
                kernel = Kernel(net)
                try:
                    return work(Stage(kernel, self._root, DEVICE, delete, _moment))
                finally:
                    if any(one.name == DEVICE for one in net.links()):
                        delete()

        return netns.run(self._namespace, inside)
