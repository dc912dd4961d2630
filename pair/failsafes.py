"""Failsafe ports: what stays reachable on a host whatever its policies say (dossier §6.5).

Here, since the agent checks the words of its settings, and only its compiler's process may know the compiler.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from .packet import PROTO_SCTP, PROTO_TCP, PROTO_UDP

PROTOCOLS: Final = {"tcp": PROTO_TCP, "udp": PROTO_UDP, "sctp": PROTO_SCTP}
OPTION_INBOUND: Final = "--failsafe-inbound"
OPTION_OUTBOUND: Final = "--failsafe-outbound"
NONE: Final = "none"

_ITEM = re.compile(
    r"(?:(?P<protocol>[a-z]+):)?(?:\[?(?P<net>[0-9a-fA-F.:]+/[0-9]+)\]?:)?(?P<port>[0-9]{1,5})"
)


class FailsafeError(ValueError):
    """Failsafe ports that cannot be read; the message says which part."""


@dataclass(frozen=True, slots=True)
class Failsafe:
    """One port. net: whom it is open for, None for everybody. origin: the option, or `default failsafe`."""

    protocol: int
    port: int
    net: IPv4Network | IPv6Network | None = None
    origin: str = "default failsafe"

    @property
    def owner(self) -> str:
        """As provenance names it: `default failsafe tcp:22`."""
        word = next(word for word, number in PROTOCOLS.items() if number == self.protocol)
        net = f"{self.net}:" if self.net is not None and self.net.version == 4 else ""
        if self.net is not None and self.net.version == 6:
            net = f"[{self.net}]:"
        return f"{self.origin} {word}:{net}{self.port}"


@dataclass(frozen=True, slots=True)
class Failsafes:
    """inbound: ports of the host; outbound: ports of others."""

    inbound: tuple[Failsafe, ...]
    outbound: tuple[Failsafe, ...]


def _tcp(ports: Iterable[int]) -> tuple[Failsafe, ...]:
    return tuple(Failsafe(PROTO_TCP, port) for port in ports)


# felix/config/config_params.go: FailsafeInboundHostPorts, FailsafeOutboundHostPorts
_CONTROL: Final = (179, 2379, 2380, 5473, 6443, 6666, 6667)
DEFAULTS: Final = Failsafes(
    (*_tcp((22,)), Failsafe(PROTO_UDP, 68), *_tcp(_CONTROL)),
    (Failsafe(PROTO_UDP, 53), Failsafe(PROTO_UDP, 67), *_tcp(_CONTROL)),
)


def read_failsafes(inbound: str | None, outbound: str | None) -> Failsafes:
    """From the two options, None for the default. Raises FailsafeError, which names the option."""
    return Failsafes(
        DEFAULTS.inbound if inbound is None else _of_option(inbound, OPTION_INBOUND),
        DEFAULTS.outbound if outbound is None else _of_option(outbound, OPTION_OUTBOUND),
    )


def _of_option(text: str, option: str) -> tuple[Failsafe, ...]:
    try:
        return read_ports(text, option)
    except FailsafeError as error:
        raise FailsafeError(f"{option}: {error}") from None


def read_ports(text: str, option: str) -> tuple[Failsafe, ...]:
    """`tcp:22,udp:10.0.0.0/8:68,tcp:[fd00::/8]:179`; a bare port is TCP; `none` is no port at all.

    option: the origin of each. Raises FailsafeError.
    """
    if text.strip() in ("", NONE):
        return ()
    return tuple(_port(item.strip(), option) for item in text.split(","))


def _port(text: str, option: str) -> Failsafe:
    found = _ITEM.fullmatch(text)
    if found is None:
        raise FailsafeError(f"`{text}` is no failsafe port; expected PROTOCOL:PORT or PROTOCOL:NET:PORT")
    protocol = PROTOCOLS.get(found["protocol"] or "tcp")
    if protocol is None:
        raise FailsafeError(f"`{found['protocol']}` is no protocol; expected tcp, udp or sctp")
    port = int(found["port"])
    if not 1 <= port <= 65535:
        raise FailsafeError(f"{port} is no port; expected 1 to 65535")
    try:
        net = ip_network(found["net"], strict=False) if found["net"] else None
    except ValueError:
        raise FailsafeError(f"`{found['net']}` is no network") from None
    return Failsafe(protocol, port, net, option)
