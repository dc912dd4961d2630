"""The ports of a Kubernetes rule by protocol, as the rules of Calico need them (dossier §7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ...grammar.nodes import Node
from .. import codes
from ..resources import NamedPort, PortRange, Protocol
from ..source import Span
from .fields import Place, Shape, is_empty, read_integer, read_list, read_mapping, read_word
from .ports import PROTOCOLS, read_port

PORT = Shape.of("a port of a rule", "protocol port endPort")
RULE_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")


@dataclass(frozen=True)
class PortGroup:
    """The ports of one protocol; none means all of them. protocol: None for any."""

    protocol: Protocol | None = None
    ports: tuple[PortRange, ...] = ()
    names: tuple[NamedPort, ...] = ()


@dataclass
class PortGroups:
    """Gathers ports by protocol. One that asks for all ports of its protocol takes in the others."""

    _ports: dict[str, list[PortRange | NamedPort]] = field(default_factory=dict)
    _whole: set[str] = field(default_factory=set)
    _at: dict[str, Span] = field(default_factory=dict)

    def add(self, protocol: str, port: PortRange | NamedPort | None, at: Span) -> None:
        """protocol: its name, `` for any. port: None for all."""
        self._at.setdefault(protocol, at)
        found = self._ports.setdefault(protocol, [])
        if port is None:
            self._whole.add(protocol)
        else:
            found.append(port)

    def groups(self) -> tuple[PortGroup, ...]:
        """Sorted by the protocols' names."""
        return tuple(self._group(name) for name in sorted(self._ports))

    def _group(self, name: str) -> PortGroup:
        ports = [] if name in self._whole else self._ports[name]
        return PortGroup(
            Protocol(at=self._at[name], number=PROTOCOLS[name], name=name) if name else None,
            tuple(item for item in ports if isinstance(item, PortRange)),
            tuple(item for item in ports if isinstance(item, NamedPort)),
        )


def read_port_groups(place: Place, node: Node | None) -> tuple[PortGroup, ...]:
    """One group of any protocol when no ports are given."""
    if node is None or is_empty(node):
        return (PortGroup(),)
    gathered = PortGroups()
    for item in read_list(place, node, "`ports`"):
        _read_port(place, item, gathered)
    return gathered.groups()


def _read_port(place: Place, node: Node, gathered: PortGroups) -> None:
    values = read_mapping(place, node, PORT)
    if values is None:
        return
    protocol: str | None = "TCP"
    if "protocol" in values and not is_empty(values["protocol"]):
        protocol = read_word(place, values["protocol"], "a protocol", RULE_PROTOCOLS)
    port = None
    if "port" in values and not is_empty(values["port"]):
        port = read_port(place, values["port"], "a port")
        if isinstance(port, PortRange) and port.first != port.last:
            message = "a range is written with `port` and `endPort`"
            place.error(codes.PORT, message, values["port"], hint=f"`endPort: {port.last}`")
        if port is None:
            return
    if "endPort" in values:
        port = _range(place, values, port)
    if protocol is not None:
        gathered.add(protocol, port, place.span(node))


def _range(
    place: Place, values: dict[str, Node], port: PortRange | NamedPort | None
) -> PortRange | NamedPort | None:
    last = read_integer(place, values["endPort"], "an endPort", 1, 65535)
    if not isinstance(port, PortRange):
        what = "a `port`" if port is None else "a `port` that is a number"
        place.error(codes.PORT_RANGE, f"`endPort` needs {what}", values["endPort"])
        return port
    if last is not None and last < port.first:
        message = f"the port range {port.first} to {last} starts after its end"
        place.error(codes.PORT_RANGE, message, values["endPort"])
        return port
    return port if last is None else port.model_copy(update={"last": last})
