"""A failure at any single write, on any door, leaves what was there before (S5, S6)."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable

import pytest
from polc.pair.object import ObjectPair
from polc.runtime.attach import AttachReport, attach
from polc.runtime.errors import CannotError
from polc.runtime.hooks import Mechanism
from polc.runtime.kernel import Kernel
from polc.runtime.netlink import Netlink
from polc.runtime.standing import State
from polc.tests.kernel.scene import Scene, allowing, denying

pytestmark = pytest.mark.kernel


def attach_failing_at(scene: Scene, pair: ObjectPair, write: int) -> tuple[AttachReport | None, bool]:
    """(report, whether write number `write` was reached and failed); no report when the attach was refused.

    A failed write does not always refuse: loads are tried again to have the verifier's log.
    """
    scene.door.fail_at = write
    try:
        report = scene.attach(pair)
    except CannotError:
        return None, True
    else:
        return report, scene.door.fail_at == 0
    finally:
        scene.door.fail_at = 0


def test_a_first_attach_that_fails_at_any_bpf_write_leaves_nothing(scene: Scene) -> None:
    before = scene.snapshot()
    refused = 0
    for write in itertools.count(1):
        report, reached = attach_failing_at(scene, allowing(), write)
        if not reached:
            break
        if report is None:
            refused += 1
        else:
            assert report.status.state is State.ENFORCING
            scene.detach()
        assert scene.left_over(before) == (), f"after write {write} failed"
    assert refused > 20, "the failures were injected into the work itself"
    assert scene.verify().identity == allowing().identity.hex()


def test_a_swap_that_fails_at_any_bpf_write_is_the_old_pair_or_wholly_the_new_one(scene: Scene) -> None:
    """Also when only the tail fails: the new pair is in force, that is said, the next attach finishes it."""
    refused = unfinished = 0
    for write in itertools.count(1):
        old = scene.attach(allowing()).status
        before = scene.snapshot()
        report, reached = attach_failing_at(scene, denying(), write)
        if not reached:
            break
        if report is None:
            refused += 1
            assert scene.status() == old, f"after write {write} failed"
            assert scene.left_over(before) == (), f"after write {write} failed"
            continue
        assert report.status.identity == denying().identity.hex()
        assert bool(report.notes) == bool(report.status.notes)
        unfinished += bool(report.notes)
        assert scene.attach(denying()).status.notes == ()
        assert not scene.attach(denying()).changed
    assert (refused > 10, unfinished > 2) == (True, True), "failures reached both sides of the store"


class FailingNetlink(Netlink):
    """Answers ENOBUFS to its write number `fail_at`, counted from 1."""

    def __init__(self, fail_at: int) -> None:
        super().__init__()
        self._fail_at = fail_at

    def _write(self, what: str, request: Callable[[], object]) -> None:
        if len(self.writes) + 1 == self._fail_at:
            self.writes.append(what)
            raise OSError(errno.ENOBUFS, f"injected instead of {what}")
        super()._write(what, request)


def test_a_first_attach_that_fails_at_any_netlink_write_leaves_nothing(scene: Scene) -> None:
    before = scene.snapshot()

    def failing(write: int) -> Callable[[Kernel], bool]:
        def work(kernel: Kernel) -> bool:
            with FailingNetlink(write) as net:
                try:
                    attach(Kernel(net, kernel.bpf), allowing(), scene.request())
                except CannotError:
                    return True
            return False

        return work

    write = 1
    while scene.run(failing(write)):
        assert scene.left_over(before) == (), f"after netlink write {write} failed"
        write += 1
    assert write == (1 if scene.mechanism is Mechanism.TCX else 4), "clsact and two filters"
    assert scene.verify().identity == allowing().identity.hex()
