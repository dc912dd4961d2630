"""A pass that fails keeps nothing in memory, however long its fault is kept, before any collection."""

from __future__ import annotations

import errno
import gc
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from polc.runtime import reconcile as passes
from polc.runtime.gate import Gates
from polc.runtime.grace import Grace
from polc.runtime.hooks import Mechanism
from polc.runtime.netlink import Link
from polc.runtime.reconcile import Done, Job, reconcile
from polc.runtime.request import AttachRequest
from polc.tests.fake_kernel.conftest import swift
from polc.tests.fake_kernel.files import doors
from polc.tests.fake_kernel.machine import ROOT, FakeKernel
from polc.tests.fake_kernel.pairs import pair
from polc.tests.fake_kernel.process import Process, fail

__all__ = ["swift"]
pytestmark = pytest.mark.usefixtures("swift")


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> Iterator[WeakSet[Any]]:
    """The jobs' work that is still in memory, with the collector at rest."""
    alive: WeakSet[Any] = WeakSet()

    class Traced(passes._Piece):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            alive.add(self)

    monkeypatch.setattr(passes, "_Piece", Traced)
    gc.collect()
    gc.disable()
    yield alive
    gc.enable()


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EINVAL])
def test_a_call_that_fails_at_any_moment_leaves_nothing_to_the_collector(
    pieces: WeakSet[Any], number: int
) -> None:
    kernel = FakeKernel()
    space = kernel.namespace()
    device = space.add("d0")
    process = Process(kernel)
    kept: list[Done] = []
    for call in itertools.count(1):
        process.plan_for({call: fail(number)})
        request = AttachRequest("d0", Path(ROOT), mechanism=Mechanism.TCX)
        link = Link(device.index, device.name, device.hardware, device.kind, device.up)
        job = Job(link, pair(len([one for one in kept if one.fault is None]) % 2), request)
        kept += reconcile(doors(process, space), [job], Gates(), Grace())
        kernel.work()
        assert not pieces, process.trace[-3:]
        assert not process.open_names(), process.trace[-3:]
        if not process.met:
            break
        process.met = 0
    assert len([one for one in kept if one.fault is not None]) > 50
