"""How many bytes stand before the IP header when a device hands a packet to tc."""

from __future__ import annotations

from typing import Final

from ..pair.layout import L2_DEFAULT, L2_NONE

# include/uapi/linux/if_arp.h. Loopback frames carry an Ethernet header too.
_ETHERNET: Final = {1: "ether", 772: "loopback"}
# Devices that give tc the bare IP packet.
_BARE: Final = {
    512: "ppp",
    519: "rawip",
    768: "ipip",
    769: "ip6tnl",
    776: "sit",
    778: "gre",
    823: "ip6gre",
    65534: "none",
}


def header_length(hardware: int) -> int | None:
    """`Config.l2_header` for a device of type `hardware` (ARPHRD_*), None for a type polc does not know."""
    if hardware in _ETHERNET:
        return L2_DEFAULT
    return L2_NONE if hardware in _BARE else None
