"""Many interfaces in one pass: one grace period for all, and no fault of one that another one feels."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from polc.pair.layout import MAP_FLOWS, SECTION_TABLES, Direction
from polc.pair.object import ObjectPair
from polc.runtime.bpf import Bpf, BpfError, Command
from polc.runtime.drift import Drift
from polc.runtime.errors import CannotError, GoneError, NotInForce, VerifierError
from polc.runtime.gate import Gates
from polc.runtime.grace import Grace
from polc.runtime.hooks import Mechanism, remove
from polc.runtime.install import Work
from polc.runtime.kernel import Kernel
from polc.runtime.pins import WORD
from polc.runtime.policy import Policy
from polc.runtime.readback import read
from polc.runtime.reconcile import Done, Job, reconcile
from polc.tests.kernel.rejected import rejected_pair
from polc.tests.kernel.scene import Scene, Veth, allowing, denying, sh

pytestmark = pytest.mark.kernel
DEVICES = tuple(f"polc-test-{number}" for number in range(5))


class CountingGrace(Grace):
    """Counts the periods waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def wait(self, bpf: Bpf) -> None:
        self.waits += 1
        super().wait(bpf)


@pytest.fixture
def node(scene: Scene, namespace: Callable[[], str]) -> Scene:
    """A namespace with five devices."""
    name = namespace()
    for device in DEVICES:
        sh("ip", "-n", name, "link", "add", device, "type", "veth", "peer", "name", f"{device}p")
    return replace(scene, veth=Veth(name, name))


def jobs(node: Scene, kernel: Kernel, pairs: Sequence[ObjectPair]) -> list[Job]:
    """One for each device, in an order that is not that of the indices."""
    return [
        Job(kernel.net.link(device), pair, node.request(interface=device))
        for device, pair in zip(DEVICES[::-1], pairs, strict=True)
    ]


def passed(node: Scene, pairs: Sequence[ObjectPair], grace: Grace) -> tuple[Done, ...]:
    return node.run(lambda kernel: reconcile(kernel, jobs(node, kernel, pairs), Gates(), grace))


def test_a_pass_over_many_interfaces_waits_for_one_grace_period_and_a_second_writes_nothing(
    node: Scene,
) -> None:
    grace = CountingGrace()
    first = passed(node, [allowing()] * 5, grace)
    assert grace.waits == 0, "nothing was in force before"
    assert [one.fault for one in first] == [None] * 5
    each = 2 if node.mechanism is Mechanism.TCX else 3
    assert [one.tc_writes for one in first] == [each] * 5
    swapped = passed(node, [denying()] * 5, grace)
    assert grace.waits == 1
    for done in swapped:
        assert done.report is not None
        assert (done.report.status.identity, done.report.notes) == (denying().identity.hex(), ())
        assert [one.drift for one in done.drifts] == [Drift.OTHER_POLICY]
        assert done.tc_writes == 0
    one, other = node.run(lambda kernel: [maps_of(kernel, device) for device in DEVICES[:2]])
    assert one[SECTION_TABLES] == other[SECTION_TABLES], "what nobody can change is loaded once a pass"
    assert one[MAP_FLOWS] != other[MAP_FLOWS]
    again = passed(node, [denying()] * 5, grace)
    assert [(one.writes, one.drifts) for one in again] == [(0, ())] * 5
    assert grace.waits == 1


@pytest.mark.parametrize("dry", [False, True])
def test_what_the_caller_expects_changes_nothing_of_what_is_done(node: Scene, dry: bool) -> None:
    """Rightly expected or not: the same reports, drifts and writes."""

    def run(pairs: Sequence[ObjectPair], expected: bool) -> list[tuple[object, ...]]:
        def work(kernel: Kernel) -> tuple[Done, ...]:
            given = [
                replace(job, expected=expected, request=replace(job.request, dry_run=dry))
                for job in jobs(node, kernel, pairs)
            ]
            return reconcile(kernel, given, Gates(), Grace())

        done = node.run(work)
        assert [one.fault for one in done] == [None] * 5
        return [
            (
                one.writes,
                one.tc_writes,
                [drift.drift for drift in one.drifts],
                len(one.report.plan),
                one.report.changed,
            )
            for one in done
            if one.report is not None
        ]

    passed(node, [allowing()] * 5, Grace())
    quiet = run([allowing()] * 5, expected=True)
    assert quiet == run([allowing()] * 5, expected=False)
    assert {one[0] for one in quiet} == {0}
    there = run([denying()] * 5, expected=True)
    assert there == run([allowing() if not dry else denying()] * 5, expected=False)
    assert {one[4] for one in there} == {not dry}


def test_a_gate_and_a_pin_that_go_in_the_midst_of_a_swap_are_missed_and_put_back(
    node: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A swap looks at neither between its look under the lock and the store."""
    passed(node, [allowing()] * 5, Grace())
    commit = Work.commit

    def broken(work: Work) -> None:
        kernel, link = work._site.kernel, work._site.link
        if link.name == DEVICES[0]:
            (gate, _) = read(kernel, link).gates
            remove(kernel, link.index, gate.runner)
        if link.name == DEVICES[1]:
            assert work._site.pins.drop(WORD)
        commit(work)

    with monkeypatch.context() as patch:
        patch.setattr(Work, "commit", broken)
        *good, unpinned, ungated = passed(node, [denying()] * 5, Grace())
    assert [one.fault for one in (*good, unpinned)] == [None] * 4
    assert isinstance(ungated.fault, NotInForce)
    *_, unpinned, ungated = passed(node, [denying()] * 5, Grace())
    assert [one.drift for one in unpinned.drifts] == [Drift.PIN_LOST]
    assert Drift.ONE_HOOK_MISSING in [one.drift for one in ungated.drifts]
    again = passed(node, [denying()] * 5, Grace())
    assert [(one.fault, one.writes, one.drifts) for one in again] == [(None, 0, ())] * 5


def test_a_grace_period_that_cannot_be_had_leaves_the_other_bank_and_says_so(node: Scene) -> None:
    passed(node, [allowing()] * 5, Grace())

    class NoGrace(Grace):
        def wait(self, bpf: Bpf) -> None:  # noqa: ARG002
            raise BpfError(errno.ENOMEM, Command.MAP_UPDATE_ELEM, "")

    for one in passed(node, [denying()] * 5, NoGrace()):
        assert one.report is not None
        assert one.report.status.identity == denying().identity.hex()
        (note,) = one.report.notes
        assert note.startswith("could not overwrite the bank that is not in force: no grace period")
    mended = passed(node, [denying()] * 5, Grace())
    assert [[drift.drift for drift in one.drifts] for one in mended] == [[Drift.IDLE_BANK]] * 5


def test_one_whose_swap_did_not_end_waits_before_it_is_filled_again_and_the_others_do_not(
    node: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed(node, [allowing()] * 5, Grace())
    with monkeypatch.context() as patch:
        patch.setattr(Work, "_settle", lambda *_: None)  # as if killed right after the store
        passed(node, [denying(), *[allowing()] * 4], Grace())
    grace, order = CountingGrace(), []
    commit = Work.commit

    def noted(work: Work) -> None:
        order.append((work._site.link.name, grace.waits))
        commit(work)

    monkeypatch.setattr(Work, "commit", noted)
    done = passed(node, [allowing(), *[denying()] * 4], grace)
    assert [one.fault for one in done] == [None] * 5
    first = DEVICES[::-1][0]
    assert order[-1] == (first, 1)
    assert sorted(order[:-1]) == sorted((name, 0) for name in DEVICES if name != first)
    assert grace.waits == 2


def maps_of(kernel: Kernel, device: str) -> Mapping[str, int]:
    """Of the ingress program in force."""
    (core,) = read(kernel, kernel.net.link(device)).cores.values()
    assert isinstance(core.active[0], Policy)
    return core.active[0].maps


def test_one_bad_interface_delays_none_and_each_fault_is_its_own(
    node: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace = CountingGrace()
    passed(node, [allowing()] * 5, grace)
    pairs = [rejected_pair(Direction.EGRESS), denying(), denying(), denying(), denying()]

    def with_trouble(kernel: Kernel) -> tuple[Done, ...]:
        work = jobs(node, kernel, pairs)
        kernel.net._route.link("del", index=work[1].link.index)
        with kernel.host.locked(kernel.host.cookie(), work[2].link.index):
            return reconcile(kernel, work, Gates(), grace)

    monkeypatch.setattr("polc.runtime.reconcile._SHORT", 0.0)
    rejected, gone, locked, *good = node.run(with_trouble)
    assert isinstance(rejected.fault, VerifierError)
    assert isinstance(gone.fault, GoneError)
    assert isinstance(locked.fault, CannotError)
    assert "another polc is changing" in locked.fault.message
    assert [one.report is None for one in (rejected, gone, locked)] == [True] * 3
    assert grace.waits == 1
    for done in good:
        assert done.report is not None
        assert done.report.status.identity == denying().identity.hex()
    left = node.run(lambda kernel: kernel.host.cookie())
    assert not list(Path("/run/polc").glob(f"{left}-*")), "every lock was let go"
    retried = [one for one in passed_again(node, grace) if one.fault is None]
    assert len(retried) == 4


def passed_again(node: Scene, grace: Grace) -> tuple[Done, ...]:
    """The devices that are left."""

    def work(kernel: Kernel) -> tuple[Done, ...]:
        there = [link for link in kernel.net.links() if link.name in DEVICES]
        found = [Job(link, denying(), node.request(interface=link.name)) for link in there]
        return reconcile(kernel, found, Gates(), grace)

    return node.run(work)
