"""What devices do to an attachment: a move to another namespace, a rename, no Ethernet header at all."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from socket import AF_INET, SOCK_DGRAM, inet_aton, socket

import pytest
from polc.runtime import netns
from polc.runtime.hooks import Mode
from polc.runtime.standing import State
from polc.tests.kernel.policies import CLOSED, INGRESS_ONLY, OPEN, compiled
from polc.tests.kernel.scene import Scene, Veth, allowing, denying, sh

pytestmark = pytest.mark.kernel


def moved(scene: Scene, target: str) -> Scene:
    sh("ip", "-n", scene.veth.namespace, "link", "set", scene.device, "netns", target)
    return replace(scene, veth=Veth(target, scene.veth.workload))


def pin_directories(scene: Scene) -> list[str]:
    return sorted(path.name for path in (scene.root / "polc").iterdir())


def test_s39_tcx_gates_live_on_after_a_move_and_their_pins_are_renamed(
    tcx: Scene, namespace: Callable[[], str]
) -> None:
    before = tcx.attach(denying()).status
    there = moved(tcx, namespace())
    after = there.verify()
    assert (after.identity, after.generation) == (before.identity, 1)
    assert after.netns_cookie != before.netns_cookie
    report = there.attach(denying())
    assert report.status.generation == 1, "adopted, not swapped"
    assert pin_directories(there) == [f"{after.netns_cookie}-{after.ifindex}"]
    assert not there.attach(denying()).changed
    there.detach()
    assert not (there.root / "polc").exists()


def test_s39_detach_after_a_move_removes_the_pins_under_the_old_name(
    tcx: Scene, namespace: Callable[[], str]
) -> None:
    tcx.attach(denying())
    there = moved(tcx, namespace())
    there.detach()
    assert there.status().state is State.ABSENT
    assert not (there.root / "polc").exists()


def test_s39_clsact_gates_are_lost_in_a_move_which_is_noticed_and_attached_anew(
    clsact: Scene, namespace: Callable[[], str]
) -> None:
    clsact.attach(allowing())
    there = moved(clsact, namespace())
    assert there.status().state is State.ABSENT
    assert there.attach(allowing()).status.state is State.ENFORCING


def test_a_renamed_interface_stays_attached(scene: Scene) -> None:
    scene.attach(denying())
    sh("ip", "-n", scene.veth.namespace, "link", "set", scene.device, "down")
    sh("ip", "-n", scene.veth.namespace, "link", "set", scene.device, "name", "polc-test-r.1")
    renamed = replace(scene, veth=replace(scene.veth, device="polc-test-r.1"))
    assert renamed.verify().identity == denying().identity.hex()
    assert not renamed.attach(denying()).changed
    renamed.detach()
    assert renamed.status().state is State.ABSENT


TUN, HERE, THERE = "polc-test-t", "10.98.0.1", "10.98.0.2"
_TUNSETIFF, _IFF_TUN_NO_PI = 0x400454CA, 0x1001  # include/uapi/linux/if_tun.h


@contextmanager
def tun(scene: Scene) -> Iterator[int]:
    """A tun device in the node's namespace; its file, where a write is a packet received."""
    name = scene.veth.namespace
    file = netns.run(name, lambda: os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK))
    try:
        netns.run(
            name, lambda: fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", TUN.encode(), _IFF_TUN_NO_PI))
        )
        sh("ip", "-n", name, "addr", "add", f"{HERE}/24", "dev", TUN)
        sh("ip", "-n", name, "link", "set", TUN, "up")
        yield file
    finally:
        os.close(file)


def datagram(port: int) -> bytes:
    """IPv4 and UDP from THERE to HERE, without UDP checksum."""
    udp = struct.pack(">HHHH", 7100, port, 8 + 4, 0) + b"word"
    fields = (0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, inet_aton(THERE), inet_aton(HERE))
    header = struct.pack(">BBHHHBBH4s4s", *fields)
    total = sum(struct.unpack(">10H", header))
    folded = (total & 0xFFFF) + (total >> 16)
    return header[:10] + struct.pack(">H", 0xFFFF - folded) + header[12:] + udp


def test_a_device_without_link_layer_header_is_judged_rightly_in_host_mode(scene: Scene) -> None:
    with tun(scene) as file:
        on_tun = replace(scene, veth=replace(scene.veth, device=TUN), mode=Mode.HOST)
        on_tun.attach(compiled(INGRESS_ONLY))

        def arrives(port: int) -> bool:
            with netns.run(scene.veth.namespace, lambda: socket(AF_INET, SOCK_DGRAM)) as listening:
                listening.bind((HERE, port))
                listening.settimeout(0.25)
                os.write(file, datagram(port))
                try:
                    return listening.recv(16) == b"word"
                except TimeoutError:
                    return False

        assert arrives(OPEN)
        assert not arrives(CLOSED)
        on_tun.detach()
        assert arrives(CLOSED)
