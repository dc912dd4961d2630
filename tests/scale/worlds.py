"""Large policies as YAML, and the packets that look at their edges."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

ETHERNET = bytes(12)
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: prod, labels: {app: web}}
status: {podIP: 10.255.0.1}
"""
HOME = IPv4Address("10.255.0.1")
HOME6 = IPv6Address("fd00::1")


def many_rules(count: int) -> str:
    """Rule i allows (even i) or denies TCP from net i to port i, in policies of at most 1,000 rules each
    (Calico takes 1,024); what no rule matches, the tier denies."""
    return POD + "".join(_policy(first, min(count - first, 1000)) for first in range(0, count, 1000))


def _policy(first: int, count: int) -> str:
    rules = "".join(
        f"  - action: {'Allow' if number % 2 == 0 else 'Deny'}\n"
        f"    protocol: TCP\n"
        f"    source: {{nets: [{net(number)}/28]}}\n"
        f"    destination: {{ports: [{port(number)}]}}\n"
        for number in range(first, first + count)
    )
    return (
        f"---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n"
        f"metadata: {{name: many{first}, namespace: prod}}\nspec:\n  order: {first}\n"
        f"  selector: app == 'web'\n  types: [Ingress]\n  ingress:\n{rules}"
    )


def net(number: int) -> IPv4Address:
    """Nets of 16 addresses with one unused net between two."""
    return IPv4Address((10 << 24) + number * 32)


def port(number: int) -> int:
    return 1000 + 2 * number


def set_of(members: list[str]) -> str:
    """A policy that allows TCP from one NetworkSet and denies the rest."""
    nets = "".join(f"  - {member}\n" for member in members)
    return (
        f"{POD}---\napiVersion: projectcalico.org/v3\nkind: NetworkSet\n"
        f"metadata: {{name: friends, namespace: prod, labels: {{role: friend}}}}\nspec:\n  nets:\n{nets}"
        f"---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n"
        f"metadata: {{name: few, namespace: prod}}\nspec:\n  selector: app == 'web'\n  types: [Ingress]\n"
        f"  ingress:\n  - action: Allow\n    protocol: TCP\n    source: {{selector: role == 'friend'}}\n"
    )


def syn(source: IPv4Address | IPv6Address, dport: int) -> bytes:
    """An Ethernet frame with a TCP SYN to the workload."""
    tcp = struct.pack("!HHIIBBHHH", 40000, dport, 0, 0, 0x50, 0x02, 0, 0, 0)
    if isinstance(source, IPv4Address):
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, source.packed, HOME.packed)
        return ETHERNET + b"\x08\x00" + header + tcp
    header = struct.pack("!IHBB16s16s", 6 << 28, 20, 6, 64, source.packed, HOME6.packed)
    return ETHERNET + b"\x86\xdd" + header + tcp
