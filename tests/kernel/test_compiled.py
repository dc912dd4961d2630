"""Policies compiled from YAML, attached to a real interface, judging real packets."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket
from threading import Event

import pytest
from polc.pair.layout import Direction
from polc.runtime import netns
from polc.runtime.standing import State
from polc.tests.kernel.policies import BOTH, CLOSED, CONTRARY, INGRESS_ONLY, OPEN, RULE, compiled
from polc.tests.kernel.scene import NODE, WORKLOAD, Scene
from polc.tests.kernel.test_commands import polc

pytestmark = pytest.mark.kernel


def ports(scene: Scene) -> dict[tuple[Direction, int], bool]:
    return {
        (direction, port): scene.passes(direction, port) for direction in Direction for port in (OPEN, CLOSED)
    }


def test_s37_a_policy_of_ingress_only_is_a_whole_pair(scene: Scene) -> None:
    pair = compiled(INGRESS_ONLY)
    report = scene.attach(pair)
    assert report.status.state is State.ENFORCING
    assert [one.identity for one in report.status.policies] == [pair.identity.hex()] * 2
    assert ports(scene) == {
        (Direction.INGRESS, OPEN): True,
        (Direction.INGRESS, CLOSED): False,
        (Direction.EGRESS, OPEN): True,
        (Direction.EGRESS, CLOSED): True,
    }
    assert not scene.attach(pair).changed


def test_a_swap_turns_every_verdict_in_both_directions(scene: Scene) -> None:
    scene.attach(compiled(BOTH))
    expected = {(direction, port): port == OPEN for direction in Direction for port in (OPEN, CLOSED)}
    assert ports(scene) == expected
    report = scene.attach(compiled(CONTRARY))
    assert report.status.generation == 2
    assert ports(scene) == {place: not passed for place, passed in expected.items()}
    scene.attach(compiled(BOTH))
    assert ports(scene) == expected


@contextmanager
def conversation(scene: Scene) -> Iterator[tuple[socket, socket]]:
    """(the node's socket, the workload's), connected to each other: one flow, OPEN at the workload."""
    with (
        netns.run(scene.veth.namespace, lambda: socket(AF_INET, SOCK_DGRAM)) as node,
        netns.run(scene.veth.workload, lambda: socket(AF_INET, SOCK_DGRAM)) as workload,
    ):
        node.bind((NODE, 7100))
        workload.bind((WORKLOAD, OPEN))
        node.connect((WORKLOAD, OPEN))
        workload.connect((NODE, 7100))
        for end in (node, workload):
            end.settimeout(0.25)
        yield node, workload


def arrives(sender: socket, receiver: socket) -> bool:
    sender.send(b"word")
    try:
        return receiver.recv(16) == b"word"
    except TimeoutError:
        return False


def test_the_answers_of_an_allowed_flow_pass_and_a_swap_cuts_it_in_both_directions(scene: Scene) -> None:
    """S32: what the new policy denies is cut for flows established under the old one too."""
    scene.attach(compiled(BOTH))
    with conversation(scene) as (node, workload):
        assert not arrives(workload, node), "nobody asked yet, and egress allows another port only"
        assert arrives(node, workload)
        assert arrives(workload, node)
        scene.attach(compiled(CONTRARY))
        assert not arrives(workload, node)
        assert not arrives(node, workload)


def test_keep_established_lets_an_old_flow_go_on_after_a_swap(scene: Scene) -> None:
    scene.attach(compiled(BOTH), keep_established=True)
    with conversation(scene) as (node, workload):
        assert arrives(node, workload)
        scene.attach(compiled(CONTRARY), keep_established=True)
        assert arrives(workload, node)
        assert arrives(node, workload)
        assert not scene.passes(Direction.INGRESS, OPEN + 10)


@pytest.mark.parametrize("kept", [False, True])
def test_attach_keeps_or_cuts_old_flows_as_its_option_says(tcx: Scene, tmp_path: Path, kept: bool) -> None:
    for name, text in (("old", BOTH), ("new", CONTRARY)):
        for direction in Direction:
            data = compiled(text).side(direction).data
            (tmp_path / f"{name}.{direction.word}.o").write_bytes(data)
    how = ("--no-host-access", *(("--keep-established",) if kept else ()))
    with conversation(tcx) as (node, workload):
        assert polc(tcx, "attach", str(tmp_path / "old"), *how).returncode == 0
        assert arrives(node, workload)
        assert polc(tcx, "attach", str(tmp_path / "new"), *how).returncode == 0
        assert (arrives(node, workload), arrives(workload, node)) == (kept, kept)
        assert not tcx.passes(Direction.INGRESS, OPEN + 10)


def new_flows(scene: Scene, stop: Event) -> tuple[int, int]:
    """(packets sent, packets received): each from a socket of its own, towards the workload, until `stop`."""
    sent = received = 0
    with netns.run(scene.veth.workload, lambda: socket(AF_INET, SOCK_DGRAM)) as listening:
        listening.bind((WORKLOAD, OPEN))
        listening.settimeout(1)
        while not stop.is_set():
            with netns.run(scene.veth.namespace, lambda: socket(AF_INET, SOCK_DGRAM)) as sending:
                sending.sendto(b"new", (WORKLOAD, OPEN))
            sent += 1
            try:
                received += listening.recv(16) == b"new"
            except TimeoutError:
                continue
    return sent, received


def test_s33_a_swap_drops_no_new_flow_that_both_policies_allow(scene: Scene) -> None:
    other = BOTH + RULE % ("Allow", CLOSED)
    stop = Event()
    scene.attach(compiled(BOTH))
    with ThreadPoolExecutor(1) as pool:
        counts = pool.submit(new_flows, scene, stop)
        try:
            for turn in range(30):
                scene.attach(compiled((other, BOTH)[turn % 2]))
        finally:
            stop.set()
    sent, received = counts.result()
    assert scene.status().generation == 31
    assert sent > 100
    assert received == sent
