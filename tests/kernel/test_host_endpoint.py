"""A HostEndpoint's pair on a real interface: the host's own traffic, failsafe ports, and what it forwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from socket import AF_INET, SOCK_DGRAM, socket

import pytest
from polc.compiler.pipeline import compile_endpoint, load_sources
from polc.compiler.source import Source
from polc.pair.failsafes import read_failsafes
from polc.pair.layout import Direction
from polc.pair.object import ObjectPair, read_pair
from polc.runtime import netns
from polc.runtime.hooks import Mode
from polc.runtime.standing import State
from polc.tests.kernel.scene import NODE, WORKLOAD, Scene, sh

pytestmark = pytest.mark.kernel

OPEN, CLOSED, FAILSAFE = 7001, 7002, 7003
BEHIND = "10.98.0.2"
HOST = f"""\
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {{name: h, labels: {{role: node}}}}
spec: {{node: n, interfaceName: polc-test-h, expectedIPs: [{NODE}]}}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {{name: g}}
spec:
  selector: role == 'node'
  ingress:
  - {{action: Allow, protocol: UDP, destination: {{ports: [{OPEN}]}}}}
"""


@cache
def host_pair() -> ObjectPair:
    given = load_sources([Source("host.yaml", HOST)])
    failsafes = read_failsafes(f"udp:{FAILSAFE}", None)
    made = compile_endpoint(given, "", "h", failsafes=failsafes)
    return read_pair(made.ingress, made.egress)


def crosses(sender: str, receiver: str, address: str, port: int) -> bool:
    """Whether a UDP packet from one namespace reaches an address of another."""
    with netns.run(receiver, lambda: socket(AF_INET, SOCK_DGRAM)) as listening:
        listening.bind((address, port))
        listening.settimeout(0.5)
        with netns.run(sender, lambda: socket(AF_INET, SOCK_DGRAM)) as sending:
            sending.sendto(b"polc", (address, port))
        try:
            return listening.recv(16) == b"polc"
        except TimeoutError:
            return False


def test_a_host_is_closed_but_for_its_policy_and_the_failsafe_ports(scene: Scene) -> None:
    """Here the peer's namespace is the outside, and the node is the host."""
    host = replace(scene, mode=Mode.HOST)
    assert host.attach(host_pair()).status.state is State.ENFORCING
    outside, inside = scene.veth.workload, scene.veth.namespace
    reached = {port: crosses(outside, inside, NODE, port) for port in (OPEN, CLOSED, FAILSAFE)}
    assert reached == {OPEN: True, CLOSED: False, FAILSAFE: True}
    assert not crosses(inside, outside, WORKLOAD, CLOSED)
    assert crosses(inside, outside, WORKLOAD, 53), "an outbound failsafe port"


def test_what_a_host_forwards_is_not_its_own(scene: Scene, namespace: Callable[[], str]) -> None:
    behind, node = namespace(), scene.veth.namespace
    sh(
        *("ip", "-n", node, "link", "add", "polc-test-n", "type", "veth"),
        *("peer", "name", "polc-test-c", "netns", behind),
    )
    for space, device, address in ((node, "polc-test-n", "10.98.0.1"), (behind, "polc-test-c", BEHIND)):
        sh("ip", "-n", space, "addr", "add", f"{address}/24", "dev", device)
        sh("ip", "-n", space, "link", "set", device, "up")
    sh("ip", "-n", behind, "route", "add", "default", "via", "10.98.0.1")
    sh("ip", "-n", scene.veth.workload, "route", "add", "default", "via", NODE)
    sh("ip", "netns", "exec", node, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    host = replace(scene, mode=Mode.HOST)
    host.attach(host_pair())
    outside = scene.veth.workload
    assert not crosses(outside, node, NODE, CLOSED)
    assert crosses(outside, behind, BEHIND, CLOSED)
    assert crosses(behind, outside, WORKLOAD, CLOSED)
    assert host.passes(Direction.INGRESS, CLOSED) is False
