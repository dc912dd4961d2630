"""What the demo sends, and what the policy in examples/shop says must come of it, written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from .stage import CLIENT, CLIENT6, STRANGER, WORKLOAD, WORKLOAD6
from .traffic import Probe

ENDPOINT: Final = ("shop", "web")
INVENTORY: Final = "inventory.yaml"
POLICY: Final = "policy.yaml"
NEXT_POLICY: Final = "policy-next.yaml"

WORKLOAD_TCP: Final = (22, 8080, 9090)
WORKLOAD_UDP: Final = (5353, 9999)
CLIENT_TCP: Final = (5432, 9000)
CLIENT_UDP: Final = (53,)

# Two conversations that the swap happens under: one that both policies allow, one that only the first does.
STEADY: Final = Probe("TCP", CLIENT, WORKLOAD, 8080)
DOOMED: Final = Probe("UDP", CLIENT, WORKLOAD, 5353)


@dataclass(frozen=True, slots=True)
class Scene:
    """One question and what must come of it. by: for a denied one, the policy whose line must be named."""

    sender: Literal["client", "workload"]
    probe: Probe
    allowed: bool
    by: str = ""


_NO_ADMIN: Final = "GlobalNetworkPolicy/no-admin-ports"
_WEB: Final = "NetworkPolicy/shop/web"

BEFORE: Final = (
    Scene("client", Probe("TCP", CLIENT, WORKLOAD, 8080), True),
    Scene("client", Probe("TCP", CLIENT6, WORKLOAD6, 8080), True),
    Scene("client", Probe("UDP", CLIENT, WORKLOAD, 5353), True),
    Scene("client", Probe("ICMP", CLIENT, WORKLOAD), True),
    Scene("client", Probe("ICMP", CLIENT6, WORKLOAD6), True),
    Scene("client", Probe("TCP", CLIENT, WORKLOAD, 9090), False, _NO_ADMIN),
    Scene("client", Probe("TCP", CLIENT6, WORKLOAD6, 22), False, _NO_ADMIN),
    Scene("client", Probe("UDP", CLIENT, WORKLOAD, 9999), False, _WEB),
    Scene("client", Probe("TCP", STRANGER, WORKLOAD, 8080), False, _WEB),
    Scene("workload", Probe("UDP", WORKLOAD, CLIENT, 53), True),
    Scene("workload", Probe("TCP", WORKLOAD, CLIENT, 9000), True),
    Scene("workload", Probe("TCP", WORKLOAD, CLIENT, 5432), False, _WEB),
    Scene("workload", Probe("ICMP", WORKLOAD, CLIENT), False, _WEB),
    Scene("workload", Probe("TCP", WORKLOAD6, CLIENT6, 9000), False, _WEB),
)

AFTER: Final = (
    Scene("client", Probe("TCP", CLIENT, WORKLOAD, 9090), True),
    Scene("client", Probe("TCP", CLIENT, WORKLOAD, 8080), True),
    Scene("client", Probe("UDP", CLIENT, WORKLOAD, 5353), False, _WEB),
    Scene("client", Probe("ICMP", CLIENT, WORKLOAD), False, _WEB),
    Scene("workload", Probe("TCP", WORKLOAD, CLIENT, 9000), False, _WEB),
    Scene("workload", Probe("UDP", WORKLOAD, CLIENT, 53), True),
)
