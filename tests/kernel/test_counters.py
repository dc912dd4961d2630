"""Hits a rule on real traffic: exact, kept over swaps, never counted twice, staged ones beside what holds."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from socket import AF_INET, SOCK_DGRAM, socket
from threading import Event

import pytest
from polc.pair.layout import Direction
from polc.runtime import netns
from polc.runtime.counters import InterfaceCounters, counters
from polc.runtime.errors import NotInForce
from polc.runtime.swap import Banks
from polc.tests.kernel.policies import CLOSED, HEAD, OPEN, RULE, compiled
from polc.tests.kernel.scene import NODE, WORKLOAD, Scene
from polc.tests.kernel.test_compiled import arrives, conversation

pytestmark = pytest.mark.kernel

FRAME = 14 + 20 + 8 + 4  # what Scene.passes and arrives send
ALLOW, DENY = RULE % ("Allow", OPEN), RULE % ("Deny", CLOSED)
LOG, OTHER = RULE % ("Log", OPEN), RULE % ("Allow", 7009)
STAGED = HEAD.replace("NetworkPolicy", "StagedNetworkPolicy").replace("web,", "strict,", 1)
FIRST = HEAD + "  ingress:\n" + LOG + ALLOW + DENY + "  egress:\n" + ALLOW
SECOND = HEAD + "  ingress:\n" + OTHER + DENY + ALLOW + "  egress:\n" + ALLOW  # another order, no Log
WITH_STAGED = FIRST + "---\n" + STAGED + "  ingress:\n" + RULE % ("Deny", OPEN) + DENY

Counts = dict[tuple[str, str, int], tuple[int, int]]


def found(scene: Scene) -> InterfaceCounters:
    return scene.run(lambda kernel: counters(kernel, scene.device)).interfaces[0]


def counts(scene: Scene) -> Counts:
    """(packets, bytes) by direction, action and port; rules only: a veth's own multicast meets defaults."""
    ports = (OPEN, CLOSED, 7009)
    return {
        (one.direction, one.action, port): (one.packets, one.bytes)
        for one in found(scene).rules
        for port in ports
        if one.what == "rule" and str(port) in one.line
    }


def test_what_a_rule_decided_is_counted_once_and_named_by_its_line(scene: Scene) -> None:
    scene.attach(compiled(FIRST))
    for _ in range(3):
        assert scene.passes(Direction.INGRESS, OPEN)
    for _ in range(2):
        assert not scene.passes(Direction.INGRESS, CLOSED)
    with conversation(scene) as (node, workload):
        assert all(arrives(*ends) for ends in ((node, workload), (workload, node)) * 3)
    assert scene.passes(Direction.EGRESS, OPEN)
    assert counts(scene) == {
        ("ingress", "log", OPEN): (4, 4 * FRAME),
        ("ingress", "allow", OPEN): (4, 4 * FRAME),
        ("ingress", "deny", CLOSED): (2, 2 * FRAME),
        ("egress", "allow", OPEN): (1, FRAME),
    }
    rules = [one for one in found(scene).rules if one.what == "rule"]
    assert [one.at for one in rules] == [f"policy.yaml:{line}:14" for line in (7, 8, 9, 11)]


def test_a_staged_policy_is_counted_and_not_enforced(tcx: Scene) -> None:
    tcx.attach(compiled(WITH_STAGED))
    for _ in range(3):
        assert tcx.passes(Direction.INGRESS, OPEN)
    assert not tcx.passes(Direction.INGRESS, CLOSED), "both say so: nothing to tell"
    seen = counts(tcx)
    assert seen["ingress", "would-deny", OPEN] == (3, 3 * FRAME)
    assert seen["ingress", "would-deny", CLOSED] == (0, 0)
    assert seen["ingress", "allow", OPEN] == (3, 3 * FRAME)
    assert seen["ingress", "deny", CLOSED] == (1, FRAME)


def test_counts_follow_their_rule_through_swaps(scene: Scene) -> None:
    scene.attach(compiled(FIRST))
    assert scene.passes(Direction.INGRESS, OPEN)
    assert not scene.passes(Direction.INGRESS, CLOSED)
    scene.attach(compiled(SECOND))
    assert scene.passes(Direction.INGRESS, OPEN)
    kept = {("ingress", "allow", OPEN): (2, 2 * FRAME), ("ingress", "deny", CLOSED): (1, FRAME)}
    kept["egress", "allow", OPEN] = (0, 0)
    assert counts(scene) == kept | {("ingress", "allow", 7009): (0, 0)}
    scene.attach(compiled(FIRST))
    assert counts(scene) == kept | {("ingress", "log", OPEN): (0, 0)}, "its rule was away in between"
    scene.detach()
    with pytest.raises(NotInForce):
        found(scene)


def send_new_flows(scene: Scene, stop: Event) -> int:
    """How many packets, each from a source port of its own: a port that comes again is no new flow."""
    ports = iter(range(20000, 60000))
    while not stop.is_set():
        with netns.run(scene.veth.namespace, lambda: socket(AF_INET, SOCK_DGRAM)) as sending:
            sending.bind((NODE, next(ports)))
            sending.sendto(b"polc", (WORKLOAD, OPEN))
    return next(ports) - 20000


def test_no_packet_is_lost_or_counted_twice_while_policies_swap(tcx: Scene) -> None:
    tcx.attach(compiled(FIRST))
    stop, last = Event(), 0
    with ThreadPoolExecutor(1) as pool:
        flows = pool.submit(send_new_flows, tcx, stop)
        try:
            for turn in range(8):
                tcx.attach(compiled((SECOND, FIRST)[turn % 2]))
                now = counts(tcx)["ingress", "allow", OPEN][0]
                assert now >= last
                last = now
        finally:
            stop.set()
    sent = flows.result()
    assert sent > 20
    assert counts(tcx)["ingress", "allow", OPEN] == (sent, sent * FRAME)


def test_an_unfinished_swap_hides_no_count_and_is_told_later(
    tcx: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOMEM, "injected")

    for repair in (SECOND, FIRST):
        tcx.attach(compiled(FIRST))
        before = counts(tcx).get(("ingress", "allow", OPEN), (0, 0))[0]
        assert tcx.passes(Direction.INGRESS, OPEN)
        with monkeypatch.context() as patched:
            patched.setattr(Banks, "settle", refused)
            patched.setattr("polc.runtime.install.Handover.hand_over", lambda _: None)
            assert "injected" in "".join(tcx.attach(compiled(SECOND)).notes)
        assert tcx.passes(Direction.INGRESS, OPEN)
        assert counts(tcx)["ingress", "allow", OPEN][0] == before + 2, "read while it is unfinished"
        tcx.attach(compiled(repair))
        assert counts(tcx)["ingress", "allow", OPEN][0] == before + 2, repair
        assert tcx.status().notes == ()
