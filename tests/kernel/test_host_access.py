"""A host reaches its own workload whatever the policy says; what it forwards is judged, whoever it names.

Dossier §6.4: the packet's way, not its source address, tells the two apart.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from socket import AF_INET, IPPROTO_RAW, SOCK_DGRAM, SOCK_RAW, socket

import pytest
from polc.pair.layout import Direction
from polc.runtime import netns
from polc.tests.generators.frames import checksum
from polc.tests.kernel.policies import CLOSED, INGRESS_ONLY, OPEN, compiled
from polc.tests.kernel.scene import NODE, WORKLOAD, Scene, sh

pytestmark = pytest.mark.kernel

CLIENT = "10.98.0.2"
CROSSING = 0.5


@pytest.fixture
def client(scene: Scene, namespace: Callable[[], str]) -> str:
    """A namespace whose packets the node forwards to the workload, also those with the node's own address."""
    name, node = namespace(), scene.veth.namespace
    sh(
        *("ip", "-n", node, "link", "add", "polc-test-n", "type", "veth"),
        *("peer", "name", "polc-test-c", "netns", name),
    )
    for space, device, address in ((node, "polc-test-n", "10.98.0.1"), (name, "polc-test-c", CLIENT)):
        sh("ip", "-n", space, "addr", "add", f"{address}/24", "dev", device)
        sh("ip", "-n", space, "link", "set", device, "up")
    sh("ip", "-n", name, "route", "add", "default", "via", "10.98.0.1")
    sh("ip", "-n", scene.veth.workload, "route", "add", "default", "via", NODE)
    for setting in ("ip_forward=1", "conf.all.rp_filter=0", "conf.polc-test-n.rp_filter=0"):
        _set(node, setting)
    _set(node, "conf.polc-test-n.accept_local=1")
    return name


def _set(space: str, setting: str) -> None:
    name, _, value = setting.partition("=")
    path = f"/proc/sys/net/ipv4/{'/'.join(name.split('.', 2)) if name.startswith('conf') else name}"
    sh("ip", "netns", "exec", space, "sh", "-c", f"echo {value} > {path}")


def _raw(source: str, port: int) -> bytes:
    """A UDP datagram to the workload with any source address (RFC 791, RFC 768)."""
    ends = (bytes(map(int, address.split("."))) for address in (source, WORKLOAD))
    payload = b"polc"
    udp = struct.pack(">HHHH", 5353, port, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0, *ends)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + udp


def _forwarded(scene: Scene, client: str, source: str, port: int) -> bool:
    """Whether a packet from the client, with that source address, reaches the workload."""
    with netns.run(scene.veth.workload, lambda: socket(AF_INET, SOCK_DGRAM)) as listening:
        listening.bind((WORKLOAD, port))
        listening.settimeout(CROSSING)
        with netns.run(client, lambda: socket(AF_INET, SOCK_RAW, IPPROTO_RAW)) as sending:
            sending.sendto(_raw(source, port), (WORKLOAD, 0))
        try:
            return bool(listening.recvfrom(16)[1][0] == source)
        except TimeoutError:
            return False


def test_the_host_reaches_its_workload_and_a_forwarded_packet_of_its_address_does_not(
    scene: Scene, client: str
) -> None:
    assert _forwarded(scene, client, NODE, CLOSED), "the way itself is open"
    scene.attach(compiled(INGRESS_ONLY), host_access=True)
    assert scene.passes(Direction.INGRESS, CLOSED)
    assert not _forwarded(scene, client, NODE, CLOSED)
    assert not _forwarded(scene, client, CLIENT, CLOSED)
    assert _forwarded(scene, client, NODE, OPEN)


def test_without_host_access_the_host_is_judged_as_anybody(scene: Scene) -> None:
    scene.attach(compiled(INGRESS_ONLY), host_access=False)
    assert not scene.passes(Direction.INGRESS, CLOSED)
    assert scene.passes(Direction.INGRESS, OPEN)


def test_the_workload_answers_its_host(scene: Scene) -> None:
    """The workload may start nothing, and answers what its host asks."""
    scene.attach(
        compiled(INGRESS_ONLY.replace("ingress:", "types: [Ingress, Egress]\n  ingress:")), host_access=True
    )
    veth = scene.veth
    with (
        netns.run(veth.workload, lambda: socket(AF_INET, SOCK_DGRAM)) as workload,
        netns.run(veth.namespace, lambda: socket(AF_INET, SOCK_DGRAM)) as node,
    ):
        workload.bind((WORKLOAD, CLOSED))
        node.bind((NODE, 7100))
        for one in (workload, node):
            one.settimeout(CROSSING)
        workload.sendto(b"first", (NODE, 7100))
        with pytest.raises(TimeoutError):
            node.recv(16)
        node.sendto(b"ask", (WORKLOAD, CLOSED))
        assert workload.recv(16) == b"ask"
        workload.sendto(b"answer", (NODE, 7100))
        assert node.recv(16) == b"answer"


def test_attaching_again_with_other_access_swaps(scene: Scene) -> None:
    pair = compiled(INGRESS_ONLY)
    scene.attach(pair, host_access=True)
    assert not scene.attach(pair, host_access=True).changed
    assert scene.attach(pair, host_access=False).changed
    assert not scene.passes(Direction.INGRESS, CLOSED)
