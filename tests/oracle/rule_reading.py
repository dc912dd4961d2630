"""One rule of a raw policy object, and whether it matches a packet (dossier §3, §4, with §4.1 and §4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .inventory_reading import Entity, Inventory, Net, Object, Unsupported, protocol_number, read_net
from .selector_reading import ACCOUNT_LABEL, NAMESPACE_LABEL, Predicate, read_selector

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


class Holder(NamedTuple):
    """An address that has a port, by named port or service. protocol, port: None for any."""

    net: Net
    protocol: int | None
    port: int | None

    def is_met(self, family: int, protocol: int, address: int, port: int) -> bool:
        return (
            self.net.holds(family, address)
            and self.protocol in (None, protocol)
            and (self.port is None or (self.port == port and protocol in _WITH_PORTS))
        )


@dataclass(frozen=True)
class Side:
    """One of source, destination. holders: addresses of what the selectors find, None without selectors;
    strangers_to: addresses of what a lone notSelector finds, None without one. named, not_named: who has
    the ports given by name, None without any. members: who stands behind the service, None without one."""

    nets: tuple[Net, ...]
    not_nets: tuple[Net, ...]
    ports: tuple[tuple[int, int], ...]
    not_ports: tuple[tuple[int, int], ...]
    holders: frozenset[Net] | None
    strangers_to: frozenset[Net] | None
    named: frozenset[Holder] | None = None
    not_named: frozenset[Holder] | None = None
    members: frozenset[Holder] | None = None

    def family_fits(self, family: int) -> bool:
        """§4.2: a non-empty list that has nothing of the packet's family disables the rule (QUIRK 5)."""
        return all(any(net.version == family for net in nets) for nets in (self.nets, self.not_nets) if nets)

    def accepts(self, family: int, protocol: int, address: int, port: int) -> bool:
        where = (family, protocol, address, port)
        if self.nets and not _in(self.nets, family, address):
            return False
        if _in(self.not_nets, family, address):
            return False
        if self.holders is not None and not _in(self.holders, family, address):
            return False
        if self.strangers_to is not None and _in(self.strangers_to, family, address):
            return False
        if self.members is not None and not _met(self.members, where):
            return False
        if (self.ports or self.named is not None) and not self.has_port(where):
            return False
        if any(first <= port <= last for first, last in self.not_ports):
            return False
        return self.not_named is None or not _met(self.not_named, where)

    def has_port(self, where: tuple[int, int, int, int]) -> bool:
        """Whether one of `ports` holds: a number of the list, or a name that the address gives this port."""
        if any(first <= where[3] <= last for first, last in self.ports):
            return True
        return self.named is not None and _met(self.named, where)


def _met(holders: frozenset[Holder], where: tuple[int, int, int, int]) -> bool:
    return any(holder.is_met(*where) for holder in holders)


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
        if not self.source.accepts(family, protocol, packet.source, sport):
            return False
        if not self.destination.accepts(family, protocol, packet.destination, dport):
            return False
        if self.icmp is not None and not _icmp_is(self.icmp, packet):
            return False
        return self.not_icmp is None or not _icmp_is(self.not_icmp, packet)


def _icmp_is(wanted: tuple[int, int | None], packet: Packet) -> bool:
    kind, code = wanted
    return packet.is_icmp and packet.icmp_type == kind and code in (None, packet.icmp_code)


def read_rule(raw: Object, name: RuleName, inventory: Inventory) -> Rule:
    """The rule at `name`; its selectors, named ports and services are answered from the inventory."""
    _only(raw, "action ipVersion protocol notProtocol icmp notICMP source destination metadata")
    protocol, version = raw.get("protocol"), raw.get("ipVersion")
    # §4.2: these names, not their numbers, imply the family.
    implied = {"icmp": 4, "icmpv6": 6}.get(str(protocol).lower())
    return Rule(
        name,
        str(raw["action"]),
        int(version) if version is not None else implied,
        None if protocol is None else protocol_number(protocol),
        None if raw.get("notProtocol") is None else protocol_number(raw["notProtocol"]),
        _icmp(raw.get("icmp")),
        _icmp(raw.get("notICMP")),
        _side(raw.get("source") or {}, name.namespace, inventory, exact=False),
        _side(raw.get("destination") or {}, name.namespace, inventory, exact=True),
    )


def _only(raw: Object, known: str) -> None:
    strange = set(raw) - set(known.split())
    if strange:
        raise Unsupported(f"fields {sorted(strange)}")


def _icmp(raw: Any) -> tuple[int, int | None] | None:
    if raw is None:
        return None
    code = raw.get("code")
    return int(raw["type"]), None if code is None else int(code)


def _ports(raw: Any) -> tuple[tuple[tuple[int, int], ...], list[str]]:
    """Numbers and ranges as `first:last`, and names (§3.3)."""
    found, names = [], []
    for item in raw or ():
        first, _, last = str(item).partition(":")
        if first.isdigit() and (last or first).isdigit():
            found.append((int(first), int(last or first)))
        else:
            names.append(str(item))
    return tuple(found), names


def _side(raw: Object, namespace: str, inventory: Inventory, exact: bool) -> Side:
    """exact: a service's ports count too, as they do in a destination (§4.4)."""
    _only(
        raw,
        "nets notNets ports notPorts selector notSelector namespaceSelector serviceAccounts services",
    )
    positive, negative = scope(raw, namespace)
    entities = inventory.entities
    holders = strangers = None
    if positive is not None:
        holders = _addresses(entities, lambda one: _both(positive, negative, one))
    elif negative is not None:
        refused = negative
        strangers = _addresses(entities, lambda one: refused(one.labels))
    # §4.3: the merged positive selector filters the named ports, of notPorts too.
    named_by = [one for one in entities if positive is None or _both(positive, negative, one)]
    ports, names = _ports(raw.get("ports"))
    not_ports, not_names = _ports(raw.get("notPorts"))
    return Side(
        tuple(read_net(text) for text in raw.get("nets") or ()),
        tuple(read_net(text) for text in raw.get("notNets") or ()),
        ports,
        not_ports,
        holders,
        strangers,
        _named(names, named_by),
        _named(not_names, named_by),
        _members(raw.get("services"), namespace, inventory, exact),
    )


def _named(names: Sequence[str], entities: Sequence[Entity]) -> frozenset[Holder] | None:
    """§4.3: the triples of these names; nobody when no endpoint has one."""
    if not names:
        return None
    return frozenset(
        Holder(net, port.protocol, port.port)
        for one in entities
        for port in one.ports
        if port.name in names
        for net in one.nets
    )


def _members(raw: Any, namespace: str, inventory: Inventory, exact: bool) -> frozenset[Holder] | None:
    if raw is None:
        return None
    # QUIRK 7 as decided: without a namespace, the policy's own.
    key = (str(raw.get("namespace") or namespace), str(raw["name"]))
    if exact:
        return frozenset(
            Holder(read_net(one.address), one.protocol, one.port) for one in inventory.services.backends(*key)
        )
    return frozenset(Holder(read_net(text), None, None) for text in inventory.services.addresses(*key))


def _both(positive: Predicate, negative: Predicate | None, one: Entity) -> bool:
    return positive(one.labels) and not (negative is not None and negative(one.labels))


def _addresses(entities: Sequence[Entity], wanted: Any) -> frozenset[Net]:
    return frozenset(net for one in entities if wanted(one) for net in one.nets)


def _of_accounts(raw: Any) -> Predicate | None:
    """§4.1 step 2: names and selector are both required; an empty struct is no criterion."""
    given = raw or {}
    names, text = [str(name) for name in given.get("names") or ()], str(given.get("selector") or "")
    if not names and not text:
        return None
    chosen = read_selector(text, of_accounts=True)
    return lambda labels: chosen(labels) and (not names or labels.get(ACCOUNT_LABEL) in names)


def scope(raw: Object, namespace: str) -> tuple[Predicate | None, Predicate | None]:
    """The positive and the negative predicate of one side after §4.1, None where there is none.

    namespace: the policy's, `` for a GlobalNetworkPolicy and a Profile.
    """
    selector = str(raw.get("selector") or "")
    refused = str(raw.get("notSelector") or "")
    spaces = str(raw.get("namespaceSelector") or "")
    negative = read_selector(refused) if refused else None
    parts = [read_selector(selector)] if selector else []
    accounts = _of_accounts(raw.get("serviceAccounts"))
    if accounts is not None:
        parts.append(accounts)
    if spaces:
        parts.append(read_selector(spaces, of_namespaces=True))
    elif namespace and (parts or refused):
        parts.append(lambda labels: labels.get(NAMESPACE_LABEL) == namespace)
    if not parts:
        return None, negative
    return (lambda labels: all(part(labels) for part in parts)), negative
