"""What a tagged frame is to a program at tc: the kernel takes the outer VLAN tag off first (net/core/dev.c).

`polc replay` takes one tag off each frame of a capture for this reason.
"""

from __future__ import annotations

import time
from ipaddress import ip_address
from socket import AF_PACKET, SOCK_RAW, if_nameindex, socket

import pytest
from polc.cli.watching import Watch
from polc.judge.packets import Wanted
from polc.runtime import netns
from polc.tests.kernel.policies import BOTH, CLOSED, compiled
from polc.tests.kernel.scene import NODE, WORKLOAD, Scene

pytestmark = pytest.mark.kernel

TAG, SERVICE_TAG = bytes.fromhex("81000005"), bytes.fromhex("88a80007")
PATIENCE = 20.0


def _reason(scene: Scene, watch: Watch, tags: bytes) -> str:
    """Why the workload's UDP packet to the closed port is dropped when it leaves behind these tags."""
    frame = Wanted(17, ip_address(WORKLOAD), ip_address(NODE), 5353, CLOSED).frame()
    with netns.run(scene.veth.workload, lambda: socket(AF_PACKET, SOCK_RAW)) as sending:
        device = netns.run(scene.veth.workload, _device)
        sending.sendto(b"\xff" * 6 + frame[6:12] + tags + frame[12:], (device, 0))
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for event in watch.records(0.2):
            return event.reason
    raise AssertionError("no event")


def _device() -> str:
    return next(name for _, name in if_nameindex() if name != "lo")


def test_one_tag_is_not_seen_and_two_are_no_ip_packet(scene: Scene) -> None:
    scene.attach(compiled(BOTH))
    expected = {
        b"": "policy",
        TAG: "policy",
        SERVICE_TAG: "policy",
        TAG + TAG: "not-ip",
        SERVICE_TAG + TAG: "not-ip",
    }
    with Watch(scene.veth.namespace, scene.device) as watch:
        assert {tags: _reason(scene, watch, tags) for tags in expected} == expected
