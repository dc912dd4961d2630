"""One rule of a raw policy object, and whether it matches a packet (dossier §3, §4, with §4.1 and §4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .inventory_reading import Entity, Net, Object, Unsupported, read_net
from .selector_reading import NAMESPACE_LABEL, Predicate, read_selector

_NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "sctp": 132, "udplite": 136}
_WITH_PORTS = (6, 17, 132)


class Packet(NamedTuple):
    """What a policy can see. family: 4 or 6; addresses: as numbers; ports: host order, 0 when none."""

    family: int
    protocol: int
    source: int
    destination: int
    sport: int = 0
    dport: int = 0
    icmp_type: int = 0
    icmp_code: int = 0

    @property
    def is_icmp(self) -> bool:
        return (self.family, self.protocol) in ((4, 1), (6, 58))

    @property
    def ports(self) -> tuple[int, int]:
        return (self.sport, self.dport) if self.protocol in _WITH_PORTS else (0, 0)


class RuleName(NamedTuple):
    """Where a rule stands. direction: `ingress` or `egress`; number: from 0 in its list."""

    kind: str
    namespace: str
    name: str
    direction: str
    number: int

    def __str__(self) -> str:
        owner = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{owner}/{self.direction}/{self.number}"


@dataclass(frozen=True)
class Side:
    """One of source, destination. holders: addresses of what the selectors find, None without selectors;
    strangers_to: addresses of what a lone notSelector finds, None without one."""

    nets: tuple[Net, ...]
    not_nets: tuple[Net, ...]
    ports: tuple[tuple[int, int], ...]
    not_ports: tuple[tuple[int, int], ...]
    holders: frozenset[Net] | None
    strangers_to: frozenset[Net] | None

    def family_fits(self, family: int) -> bool:
        """§4.2: a non-empty list that has nothing of the packet's family disables the rule (QUIRK 5)."""
        return all(any(net.version == family for net in nets) for nets in (self.nets, self.not_nets) if nets)

    def accepts(self, family: int, address: int, port: int) -> bool:
        if self.nets and not _in(self.nets, family, address):
            return False
        if _in(self.not_nets, family, address):
            return False
        if self.holders is not None and not _in(self.holders, family, address):
            return False
        if self.strangers_to is not None and _in(self.strangers_to, family, address):
            return False
        if self.ports and not any(first <= port <= last for first, last in self.ports):
            return False
        return not any(first <= port <= last for first, last in self.not_ports)


def _in(nets: Sequence[Net] | frozenset[Net], family: int, address: int) -> bool:
    return any(net.version == family and net.first <= address <= net.last for net in nets)


@dataclass(frozen=True)
class Rule:
    """action: Allow, Deny, Log or Pass. icmp, not_icmp: (type, code or None)."""

    name: RuleName
    action: str
    version: int | None
    protocol: int | None
    not_protocol: int | None
    icmp: tuple[int, int | None] | None
    not_icmp: tuple[int, int | None] | None
    source: Side
    destination: Side

    def matches(self, packet: Packet) -> bool:
        family, protocol = packet.family, packet.protocol
        if self.version not in (None, family):
            return False
        if self.protocol not in (None, protocol) or self.not_protocol == protocol:
            return False
        if not (self.source.family_fits(family) and self.destination.family_fits(family)):
            return False
        sport, dport = packet.ports
        if not self.source.accepts(family, packet.source, sport):
            return False
        if not self.destination.accepts(family, packet.destination, dport):
            return False
        if self.icmp is not None and not _icmp_is(self.icmp, packet):
            return False
        return self.not_icmp is None or not _icmp_is(self.not_icmp, packet)


def _icmp_is(wanted: tuple[int, int | None], packet: Packet) -> bool:
    kind, code = wanted
    return packet.is_icmp and packet.icmp_type == kind and code in (None, packet.icmp_code)


def read_rule(raw: Object, name: RuleName, entities: Sequence[Entity]) -> Rule:
    """The rule at `name`; its selectors are answered from `entities`."""
    _only(raw, "action ipVersion protocol notProtocol icmp notICMP source destination metadata")
    protocol, version = raw.get("protocol"), raw.get("ipVersion")
    # §4.2: these names, not their numbers, imply the family.
    implied = {"icmp": 4, "icmpv6": 6}.get(str(protocol).lower())
    return Rule(
        name,
        str(raw["action"]),
        int(version) if version is not None else implied,
        _protocol(protocol),
        _protocol(raw.get("notProtocol")),
        _icmp(raw.get("icmp")),
        _icmp(raw.get("notICMP")),
        _side(raw.get("source") or {}, name.namespace, entities),
        _side(raw.get("destination") or {}, name.namespace, entities),
    )


def _only(raw: Object, known: str) -> None:
    strange = set(raw) - set(known.split())
    if strange:
        raise Unsupported(f"fields {sorted(strange)}")


def _protocol(value: Any) -> int | None:
    if value is None:
        return None
    text = str(value)
    return int(text) if text.isdigit() else _NUMBERS[text.lower()]


def _icmp(raw: Any) -> tuple[int, int | None] | None:
    if raw is None:
        return None
    code = raw.get("code")
    return int(raw["type"]), None if code is None else int(code)


def _ports(raw: Any) -> tuple[tuple[int, int], ...]:
    """Numbers, and ranges as `first:last` (§3.3)."""
    found = []
    for item in raw or ():
        first, _, last = str(item).partition(":")
        if not first.isdigit():
            raise Unsupported("named ports")
        found.append((int(first), int(last or first)))
    return tuple(found)


def _side(raw: Object, namespace: str, entities: Sequence[Entity]) -> Side:
    _only(raw, "nets notNets ports notPorts selector notSelector namespaceSelector")
    positive, negative = scope(raw, namespace)
    holders = strangers = None
    if positive is not None:
        holders = _addresses(entities, lambda one: _both(positive, negative, one))
    elif negative is not None:
        refused = negative
        strangers = _addresses(entities, lambda one: refused(one.labels))
    return Side(
        tuple(read_net(text) for text in raw.get("nets") or ()),
        tuple(read_net(text) for text in raw.get("notNets") or ()),
        _ports(raw.get("ports")),
        _ports(raw.get("notPorts")),
        holders,
        strangers,
    )


def _both(positive: Predicate, negative: Predicate | None, one: Entity) -> bool:
    return positive(one.labels) and not (negative is not None and negative(one.labels))


def _addresses(entities: Sequence[Entity], wanted: Any) -> frozenset[Net]:
    return frozenset(net for one in entities if wanted(one) for net in one.nets)


def scope(raw: Object, namespace: str) -> tuple[Predicate | None, Predicate | None]:
    """The positive and the negative predicate of one side after §4.1, None where there is none.

    namespace: the policy's, `` for a GlobalNetworkPolicy.
    """
    wanted = str(raw.get("selector") or "")
    refused = str(raw.get("notSelector") or "")
    spaces = str(raw.get("namespaceSelector") or "")
    negative = read_selector(refused) if refused else None
    confinement: Predicate | None = None
    if spaces:
        confinement = read_selector(spaces, of_namespaces=True)
    elif namespace:
        confinement = lambda labels: labels.get(NAMESPACE_LABEL) == namespace  # noqa: E731
    if confinement is None or not (wanted or refused or spaces):
        return (read_selector(wanted) if wanted else None), negative
    inside, chosen = confinement, read_selector(wanted)
    return (lambda labels: inside(labels) and chosen(labels)), negative
