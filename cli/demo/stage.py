"""The demo's stage: client, node and workload, two veths between them, and a node that forwards.

The node's end of the workload's veth is where a policy is attached, as on a Kubernetes node:

    client  client0 ──── uplink  node  cali-web ──── eth0  workload
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pyroute2 import IPRoute

from ...runtime import netns
from ...runtime.errors import CannotError
from .namespaces import PrivateWorld

IFACE: Final = "cali-web"  # the node's end of the workload's veth

CLIENT: Final = "10.77.1.2"  # the addresses that examples/shop/inventory.yaml gives these pods
CLIENT6: Final = "fd77:1::2"
STRANGER: Final = "10.77.1.66"  # in the client's namespace too, but no pod that the policy knows
WORKLOAD: Final = "10.77.2.2"
WORKLOAD6: Final = "fd77:2::2"

_NODE_TO_CLIENT: Final = ("10.77.1.1", "fd77:1::1")
_NODE_TO_WORKLOAD: Final = ("10.77.2.1", "fd77:2::1")
# Without duplicate address detection an IPv6 address, the link-local one too, is usable at once.
_NO_DUPLICATE_DETECTION: Final = {"ipv6/conf/all/accept_dad": "0", "ipv6/conf/default/accept_dad": "0"}
_FORWARDING: Final = {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1"}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Stage:
    """The three namespaces, by path."""

    client: Path
    node: Path
    workload: Path

    def at_client(self, function: Callable[[], _T]) -> _T:
        return netns.run(str(self.client), function)

    def at_node(self, function: Callable[[], _T]) -> _T:
        return netns.run(str(self.node), function)

    def at_workload(self, function: Callable[[], _T]) -> _T:
        return netns.run(str(self.workload), function)


def build(world: PrivateWorld) -> Stage:
    """Makes the namespaces and wires them; CannotError when this machine cannot."""
    mark = secrets.token_hex(3)
    client, node, workload = (
        world.namespace(f"polc-demo-{who}-{mark}") for who in ("client", "node", "workload")
    )
    stage = Stage(client, node, workload)
    for at in (stage.at_client, stage.at_node, stage.at_workload):
        at(lambda: _turn(_NO_DUPLICATE_DETECTION))
    stage.at_node(lambda: _wire_node(client, workload))
    stage.at_client(
        lambda: _wire_end("client0", ((CLIENT, 24), (STRANGER, 24), (CLIENT6, 64)), _NODE_TO_CLIENT)
    )
    stage.at_workload(lambda: _wire_end("eth0", ((WORKLOAD, 24), (WORKLOAD6, 64)), _NODE_TO_WORKLOAD))
    stage.at_node(lambda: _turn(_FORWARDING))
    return stage


def _wire_node(client: Path, workload: Path) -> None:
    with IPRoute() as route:
        _up(route, "lo")
        for name, peer, target, (v4, v6) in (
            ("uplink", "client0", client, _NODE_TO_CLIENT),
            (IFACE, "eth0", workload, _NODE_TO_WORKLOAD),
        ):
            with target.open() as namespace:
                end = {"ifname": peer, "net_ns_fd": namespace.fileno()}
                route.link("add", ifname=name, kind="veth", peer=end)
            _address(route, name, v4, 24)
            _address(route, name, v6, 64)
            _up(route, name)


def _wire_end(name: str, addresses: tuple[tuple[str, int], ...], gateways: tuple[str, str]) -> None:
    with IPRoute() as route:
        _up(route, "lo")
        for address, length in addresses:
            _address(route, name, address, length)
        _up(route, name)
        for gateway, everything in zip(gateways, ("0.0.0.0/0", "::/0"), strict=True):
            route.route("add", dst=everything, gateway=gateway)


def _address(route: Any, name: str, address: str, length: int) -> None:
    route.addr("add", index=_index(route, name), address=address, prefixlen=length)


def _up(route: Any, name: str) -> None:
    route.link("set", index=_index(route, name), state="up")


def _index(route: Any, name: str) -> int:
    return int(route.link_lookup(ifname=name)[0])


def _turn(knobs: Mapping[str, str]) -> None:
    """Writes the namespace's own network knobs; /proc/sys/net shows those of the thread that opens it."""
    for knob, value in knobs.items():
        path = Path("/proc/sys/net") / knob
        try:
            path.write_text(value)
        except OSError as error:
            raise CannotError(f"cannot set {path} in the demo's namespace: {error.strerror}") from error
