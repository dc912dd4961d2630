"""Why a rule does not match, in words: the criterion that failed, with the packet's value and the rule's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ..compiler.ir.nodes import (
    AddressSet,
    Criterion,
    MatchAddress,
    MatchEndpointPort,
    MatchIcmp,
    MatchPort,
    MatchProtocol,
    MatchVersion,
    Prefix,
    Side,
)
from ..compiler.ir.nodes import Rule as IrRule
from ..compiler.ir.text import prefix_text
from ..compiler.model import Packet
from ..compiler.resolve import World
from ..compiler.resources import Entity, NamedPort, PortRange, Rule, ServiceMatch
from .packets import packet_address, protocol_text

_SIDES: Final = {Side.SOURCE: "source", Side.DESTINATION: "destination"}
_SHOWN: Final = 4  # members of a list that are named


class Wording:
    """Words for one inventory. sets: those of the program whose criteria are asked about."""

    def __init__(self, world: World, sets: Iterable[AddressSet]) -> None:
        self._world = world
        self._owners: dict[Prefix, list[str]] | None = None
        self._sets: Mapping[str, AddressSet] = {item.name: item for item in sets}

    def mismatch(self, rule: IrRule, at: int, packet: Packet, given: Rule, namespace: str) -> str:
        """Why criterion `at` of a rule is false for the packet.

        given: the rule as the policy has it. namespace: the policy's, `` for a global one.
        """
        criterion = rule.criteria[at]
        if isinstance(criterion, MatchEndpointPort):
            return self._endpoint_port(criterion, packet, given, namespace)
        if isinstance(criterion, MatchAddress):
            return self._address(rule.criteria, at, criterion, packet, given, namespace)
        return self.plain(criterion, packet)

    def plain(self, criterion: Criterion, packet: Packet) -> str:
        """Why a criterion is false, whatever words the rule has for it."""
        match criterion:
            case MatchVersion(version):
                return f"the packet is IPv{packet.version}, the rule is for IPv{version}"
            case MatchProtocol(number, negated):
                name = protocol_text(packet.protocol)
                other = protocol_text(number)
                return f"protocol {name} is excluded" if negated else f"protocol {name} is not {other}"
            case MatchPort(side, ranges, negated):
                port = packet.sport if side is Side.SOURCE else packet.dport
                texts = [f"{first}" if first == last else f"{first}:{last}" for first, last in ranges]
                verb = "is in the excluded" if negated else "is not in"
                return f"{_SIDES[side]} port {port} {verb} {_some(texts)}"
            case MatchIcmp():
                return _icmp(criterion, packet)
            case MatchEndpointPort(side, _, negated):
                port = packet.sport if side is Side.SOURCE else packet.dport
                verb = "is one of the excluded" if negated else "is none of the endpoints'"
                return f"{_SIDES[side]} port {port} {verb} ports"
            case MatchAddress(side, name, negated):
                verb = "is in the excluded" if negated else "is not in"
                nets = map(prefix_text, self._sets[name].prefixes)
                return f"{self._end(side, packet)} {verb} {_some(nets)}"

    def _endpoint_port(
        self, criterion: MatchEndpointPort, packet: Packet, given: Rule, namespace: str
    ) -> str:
        port, entity = packet.sport, given.source
        if criterion.side is Side.DESTINATION:
            port, entity = packet.dport, given.destination
        protocol = protocol_text(packet.protocol)
        head = f"{self._end(criterion.side, packet)}, {protocol} port {port},"
        if entity.services is not None:
            return f"{head} is no endpoint of service {_service(entity.services, namespace)}"
        if criterion.negated:
            return f"{head} is one of the excluded ports {_ports(entity.not_ports, entity.not_named_ports)}"
        return f"{head} is none of the ports {_ports(entity.ports, entity.named_ports)}"

    def _address(
        self,
        criteria: tuple[Criterion, ...],
        at: int,
        criterion: MatchAddress,
        packet: Packet,
        given: Rule,
        namespace: str,
    ) -> str:
        entity = given.source if criterion.side is Side.SOURCE else given.destination
        if _is_nets(criteria, at, criterion, entity):
            return self.plain(criterion, packet)
        head = self._end(criterion.side, packet)
        if criterion.negated:
            text = entity.not_selector.text if entity.not_selector else ""
            return f"{head} is selected by notSelector `{text}`"
        if entity.services is not None:
            return f"{head} is no address of service {_service(entity.services, namespace)}"
        count = len(self._sets[criterion.set].prefixes)
        members = f"{count} network{'' if count == 1 else 's'}"
        return f"{head} is not selected by {_selectors(entity, namespace)} ({members})"

    def _end(self, side: Side, packet: Packet) -> str:
        """The side's address, with the name of the endpoint, host or set that has it."""
        number = packet.source if side is Side.SOURCE else packet.destination
        text = str(packet_address(packet, number))
        wanted = Prefix(packet.version, number, 32 if packet.version == 4 else 128)
        if self._owners is None:
            self._owners = _owners(self._world)
        owners = self._owners.get(wanted)
        return f"{_SIDES[side]} {text} ({_some(owners)})" if owners else f"{_SIDES[side]} {text}"


def _owners(world: World) -> dict[Prefix, list[str]]:
    """The names of what each prefix belongs to."""
    found: dict[Prefix, list[str]] = {}
    for item in world.entities:
        name = f"{item.namespace}/{item.name}" if item.namespace else item.name
        for prefix in item.prefixes:
            found.setdefault(prefix, []).append(name)
    return found


def _is_nets(criteria: tuple[Criterion, ...], at: int, criterion: MatchAddress, entity: Entity) -> bool:
    """Whether the criterion is made of `nets` or `notNets`: those come before the selectors of their side."""
    nets = entity.not_nets if criterion.negated else entity.nets
    alike = (
        item
        for item in criteria[:at]
        if isinstance(item, MatchAddress) and (item.side, item.negated) == (criterion.side, criterion.negated)
    )
    return bool(nets) and next(alike, None) is None


def _selectors(entity: Entity, namespace: str) -> str:
    """The fields that one positive set was made of, as written."""
    fields = (
        ("selector", entity.selector),
        ("notSelector", entity.not_selector),
        ("namespaceSelector", entity.namespace_selector),
    )
    words = [f"{name} `{field.text.strip()}`" for name, field in fields if field is not None]
    accounts = entity.service_accounts
    if accounts is not None and accounts.names:
        words.insert(0, f"serviceAccounts {_some(accounts.names)}")
    if accounts is not None and accounts.selector is not None:
        words.insert(0, f"serviceAccounts `{accounts.selector.text.strip()}`")
    if namespace and entity.namespace_selector is None:
        words.append(f"in namespace {namespace}")
    return " and ".join(words[:2]) if len(words) < 3 else ", ".join(words)


def _service(service: ServiceMatch, namespace: str) -> str:
    return f"{service.namespace or namespace}/{service.name}"


def _ports(numbers: Iterable[PortRange], names: Iterable[NamedPort]) -> str:
    """Names first, then numbers, as the rule has them."""
    texts = [f"{item.first}" if item.first == item.last else f"{item.first}:{item.last}" for item in numbers]
    return _some([f"`{item.name}`" for item in names] + texts)


def _icmp(criterion: MatchIcmp, packet: Packet) -> str:
    wanted = f"type {criterion.type}" + (f" code {criterion.code}" if criterion.code is not None else "")
    if packet.icmp_type is None:
        return (
            f"a packet of protocol {protocol_text(packet.protocol)} has no ICMP type, the rule asks for one"
        )
    found = f"ICMP type {packet.icmp_type} code {packet.icmp_code}"
    return f"{found} is excluded ({wanted})" if criterion.negated else f"{found} is not {wanted}"


def _some(texts: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    every = list(texts)
    shown = ", ".join(every[:_SHOWN]) or "the empty list"
    more = len(every) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
