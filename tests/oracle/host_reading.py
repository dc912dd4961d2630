"""What a host endpoint decides before any policy: failsafe ports, and what only passes through (§6.4, §6.5).

The dossier says what a host's own traffic meets and what is forwarded, not how a program tells the two: Felix
asks the routes, a tc program of polc sees none. Here the oracle reads polc's own stance (docs/quirks.md): a
packet is the host's own when its near address is one of its node's (§6.5: "local host addresses", as all host
endpoints of the node give them) or one that is never forwarded (loopback, link-local, unspecified as a
source, multicast and broadcast as a destination); everything else is forwarded.
"""

from __future__ import annotations

from collections.abc import Iterable

from .inventory_reading import Net, read_net
from .rule_reading import Packet

# protocol, destination port; the defaults of §6.5.
_CLUSTER = tuple((6, port) for port in (179, 2379, 2380, 5473, 6443, 6666, 6667))
FAILSAFES = {
    "ingress": frozenset({(6, 22), (17, 68), *_CLUSTER}),
    "egress": frozenset({(17, 53), (17, 67), *_CLUSTER}),
}
_LOCAL = ("127.0.0.0/8", "169.254.0.0/16", "::1", "fe80::/10")
_NEVER_FORWARDED = {
    "ingress": tuple(map(read_net, (*_LOCAL, "224.0.0.0/4", "255.255.255.255", "ff00::/8"))),
    "egress": tuple(map(read_net, (*_LOCAL, "0.0.0.0", "::"))),
}


def is_own(local: Iterable[Net], direction: str, packet: Packet) -> bool:
    """Whether the packet ends (ingress) or begins (egress) at the host, whose addresses are `local`."""
    near = packet.destination if direction == "ingress" else packet.source
    nets = (*local, *_NEVER_FORWARDED[direction])
    return any(net.holds(packet.family, near) for net in nets)


def is_failsafe(direction: str, packet: Packet) -> bool:
    """Whether the packet goes to a port that no policy closes."""
    return (packet.protocol, packet.dport) in FAILSAFES[direction]
