"""One rule of a policy as IR criteria, each with the words that its stable key is made of.

Dossier §4 (which fields there are and how they combine) and §4.2 (address families).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..ir.nodes import (
    Criterion,
    EndpointPorts,
    MatchAddress,
    MatchEndpointPort,
    MatchIcmp,
    MatchPort,
    MatchProtocol,
    MatchVersion,
    Prefix,
    Side,
)
from ..ir.sets import merge
from ..ir.text import criterion_text, prefix_text
from ..resources import Entity, NamedPort, Net, Protocol, Rule
from ..selector import Selector, canonical
from .ports import NameSet, Ranges, entries, grouped, merged_ranges
from .scope import peer
from .services import service_addresses, service_triples
from .world import World, network_prefix

_FAMILIES = frozenset({4, 6})
_FAMILY_OF_NAME = {"ICMP": 4, "ICMPv6": 6}


@dataclass(frozen=True, slots=True)
class Piece:
    """criterion: what is tested. words: what the user asked for, independent of the inventory."""

    criterion: Criterion
    words: str


def rule_pieces(rule: Rule, namespace: str, world: World, name_set: NameSet) -> tuple[Piece, ...]:
    """A rule's criteria in Calico's order (§4, BPF compile order), so that sets are named in that order.

    namespace: the policy's. name_set: gives the name of the set with such a content.
    """
    pieces = _Pieces(world, name_set)
    sides = ((Side.SOURCE, rule.source), (Side.DESTINATION, rule.destination))
    pieces.add(rule_versions(rule))
    pieces.add(_protocols(rule))
    for side, entity in sides:
        pieces.nets(side, entity.nets, negated=False)
        pieces.nets(side, entity.not_nets, negated=True)
    for side, entity in sides:
        pieces.peer(side, entity, namespace)
    for side, entity in sides:
        pieces.service(side, entity, namespace)
    for side, entity in sides:
        pieces.ports(side, entity, rule.protocol, namespace)
        pieces.not_ports(side, entity, rule.protocol, namespace)
    pieces.add(_icmp(rule))
    return tuple(pieces.found)


class _Pieces:
    def __init__(self, world: World, name_set: NameSet) -> None:
        self.found: list[Piece] = []
        self._world = world
        self._name_set = name_set

    def add(self, criteria: Iterable[Criterion]) -> None:
        self.found.extend(Piece(item, criterion_text(item)) for item in criteria)

    def nets(self, side: Side, nets: tuple[Net, ...], *, negated: bool) -> None:
        if nets:
            prefixes = merge(network_prefix(net.network) for net in nets)
            self._address(side, prefixes, f"nets {' '.join(map(prefix_text, prefixes))}", negated=negated)

    def peer(self, side: Side, entity: Entity, namespace: str) -> None:
        asked = peer(entity, namespace)
        for selector, negated in ((asked.positive, False), (asked.negative, True)):
            if selector is not None:
                self._selector(side, selector, negated=negated)

    def _selector(self, side: Side, selector: Selector, *, negated: bool) -> None:
        words = f"selector {canonical(selector)}"
        self._address(side, self._world.selected(selector), words, negated=negated)

    def service(self, side: Side, entity: Entity, namespace: str) -> None:
        """§4.4: at the destination addresses with their ports, at the source addresses alone."""
        if entity.services is None:
            return
        key = entity.services.namespace or namespace, entity.services.name
        words = f"service {'/'.join(key)}"
        backends = self._world.services.get(key, ())
        if side is Side.SOURCE:
            self._address(side, service_addresses(backends), words, negated=False)
        else:
            found = entries(grouped(service_triples(backends)), self._name_set)
            self.found.append(Piece(MatchEndpointPort(side, found), f"{side} {words}"))

    def ports(self, side: Side, entity: Entity, protocol: Protocol | None, namespace: str) -> None:
        """A number or a name, §4.3; an entry for the numbers stands before those of the names."""
        numbers = merged_ranges((item.first, item.last) for item in entity.ports)
        names = _names(entity.named_ports)
        if not names:
            self.add((MatchPort(side, numbers),) if numbers else ())
            return
        anywhere: tuple[EndpointPorts, ...] = ()
        if numbers and protocol is not None:  # numbers are not taken without a protocol
            anywhere = (EndpointPorts(protocol.number, numbers, None),)
        found = self._named(peer(entity, namespace).positive, names, protocol, numbers)
        ports = f"{' '.join(f'{first}-{last}' for first, last in numbers)} {' '.join(names)}".strip()
        self.found.append(Piece(MatchEndpointPort(side, anywhere + found), f"{side} ports {ports}"))

    def not_ports(self, side: Side, entity: Entity, protocol: Protocol | None, namespace: str) -> None:
        """No number and no name; the names are those of the endpoints that the rule selects, §4.3."""
        numbers = merged_ranges((item.first, item.last) for item in entity.not_ports)
        names = _names(entity.not_named_ports)
        if numbers:
            self.add((MatchPort(side, numbers, negated=True),))
        if names:
            found = self._named(peer(entity, namespace).positive, names, protocol, numbers)
            criterion = MatchEndpointPort(side, found, negated=True)
            self.found.append(Piece(criterion, f"{side} not ports {' '.join(names)}"))

    def _named(
        self, selector: Selector | None, names: tuple[str, ...], protocol: Protocol | None, numbers: Ranges
    ) -> tuple[EndpointPorts, ...]:
        """The ports of those names that the rule's protocol allows, less those that `numbers` hold anyway."""
        number = None if protocol is None else protocol.number
        return entries(self._world.named(selector, names, number, numbers), self._name_set)

    def _address(self, side: Side, prefixes: tuple[Prefix, ...], words: str, *, negated: bool) -> None:
        criterion = MatchAddress(side, self._name_set(prefixes), negated)
        self.found.append(Piece(criterion, f"{side} {'not ' if negated else ''}{words}"))


def rule_versions(rule: Rule) -> Iterator[MatchVersion]:
    """The IP version the rule is confined to; both versions, which nothing has, when it contradicts itself.

    `ipVersion`, a protocol given as ICMP or ICMPv6, and the families of each `notNets` confine (§4.2,
    QUIRK 5). `nets` do too, but their own criterion already says so.
    """
    versions = _FAMILIES
    if rule.ip_version is not None:
        versions &= {rule.ip_version}
    if rule.protocol and rule.protocol.name in _FAMILY_OF_NAME:
        versions &= {_FAMILY_OF_NAME[rule.protocol.name]}
    for entity in (rule.source, rule.destination):
        if entity.not_nets:
            versions &= {net.network.version for net in entity.not_nets}
    if versions != _FAMILIES:
        yield from (MatchVersion(version) for version in sorted(versions or _FAMILIES))


def _protocols(rule: Rule) -> Iterator[MatchProtocol]:
    if rule.protocol:
        yield MatchProtocol(rule.protocol.number)
    if rule.not_protocol:
        yield MatchProtocol(rule.not_protocol.number, negated=True)


def _names(ports: tuple[NamedPort, ...]) -> tuple[str, ...]:
    return tuple(sorted({item.name for item in ports}))


def _icmp(rule: Rule) -> Iterator[MatchIcmp]:
    if rule.icmp:
        yield MatchIcmp(rule.icmp.type, rule.icmp.code)
    if rule.not_icmp:
        yield MatchIcmp(rule.not_icmp.type, rule.not_icmp.code, negated=True)
