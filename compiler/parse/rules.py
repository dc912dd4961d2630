"""Rules and their two entities, with the checks that look at several fields at once (dossier §3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from ...grammar.nodes import Node
from .. import codes
from ..ir.nodes import Action
from ..resources import Entity, Icmp, NamedPort, PortRange, Protocol, Rule
from .entities import IN_ENTITY, read_entity
from .fields import (
    Place,
    Shape,
    Unsupported,
    is_empty,
    missing,
    read_integer,
    read_list,
    read_mapping,
    read_word,
    wrong_type,
)
from .metadata import read_annotations
from .near import listed
from .ports import PORT_PROTOCOLS, read_protocol

ACTIONS: Final = {
    "Allow": Action.ALLOW,
    "Deny": Action.DENY,
    "Log": Action.LOG,
    "Pass": Action.PASS,
}

RULE = Shape.of(
    "a rule",
    "action ipVersion protocol notProtocol icmp notICMP source destination metadata",
    {"http": Unsupported(is_empty)},
    elsewhere={name: f"`{name}` belongs under `source` or `destination`" for name in IN_ENTITY.split()}
    | {"from": "Calico's rules have `source`", "to": "Calico's rules have `destination`"},
)
ICMP = Shape.of("an ICMP match", "type code")
RULE_METADATA = Shape.of("the metadata of a rule", "annotations")

_T = TypeVar("_T")


@dataclass
class _Given:
    """What a rule's fields were typed to, and the nodes to point at."""

    place: Place
    values: dict[str, Node]
    version: int | None = None
    protocol: Protocol | None = None
    not_protocol: Protocol | None = None
    icmp: Icmp | None = None
    not_icmp: Icmp | None = None


def read_rule(place: Place, node: Node) -> Rule | None:
    """A rule; None when it has no readable action. Everything wrong in it is reported."""
    values = read_mapping(place, node, RULE)
    if values is None:
        return None
    given = _Given(place, values)
    action = _read(values, "action", lambda value: read_word(place, value, "an action", ACTIONS))
    if "action" not in values:
        missing(place, node, "this rule has no `action`", "add one of " + listed(ACTIONS))
    given.version = _read(values, "ipVersion", lambda value: _read_version(place, value))
    given.protocol = _read(values, "protocol", lambda value: read_protocol(place, value, "a protocol"))
    given.not_protocol = _read(values, "notProtocol", lambda value: read_protocol(place, value, "a protocol"))
    given.icmp = _read(values, "icmp", lambda value: _read_icmp(place, value))
    given.not_icmp = _read(values, "notICMP", lambda value: _read_icmp(place, value))
    source = read_entity(place, values.get("source"), node, "source")
    destination = read_entity(place, values.get("destination"), node, "destination")
    annotations = _read_rule_metadata(place, values["metadata"]) if "metadata" in values else {}
    _check_protocol(given)
    _check_ports(given, source, destination)
    _check_families(given, source, destination)
    if action is None:
        return None
    return Rule(
        at=place.span(values["action"]),
        action=ACTIONS[action],
        ip_version=given.version,
        protocol=given.protocol,
        not_protocol=given.not_protocol,
        icmp=given.icmp,
        not_icmp=given.not_icmp,
        source=source,
        destination=destination,
        annotations=annotations,
    )


def _read(values: dict[str, Node], name: str, read: Callable[[Node], _T | None]) -> _T | None:
    return read(values[name]) if name in values else None


def _read_version(place: Place, node: Node) -> int | None:
    version = read_integer(place, node, "an ipVersion", 4, 6)
    if version == 5:
        place.error(codes.OUT_OF_RANGE, "an ipVersion cannot be 5", node, expected="`4` or `6`")
        return None
    return version


def _read_icmp(place: Place, node: Node) -> Icmp | None:
    """An ICMP match; an empty one is none."""
    values = read_mapping(place, node, ICMP)
    if not values:
        return None
    kind = _read(values, "type", lambda value: read_integer(place, value, "an ICMP type", 0, 254))
    code = _read(values, "code", lambda value: read_integer(place, value, "an ICMP code", 0, 255))
    if "type" not in values:
        message = "an ICMP code is given without an ICMP type"
        place.error(codes.ICMP_CODE, message, values["code"], hint="add `type`")
    if kind is None:
        return None
    return Icmp(at=place.span(values["type"]), type=kind, code=code)


def _read_rule_metadata(place: Place, node: Node) -> dict[str, str]:
    values = read_mapping(place, node, RULE_METADATA) or {}
    return read_annotations(place, values["annotations"]) if "annotations" in values else {}


def _check_protocol(given: _Given) -> None:
    """ICMP needs its protocol, and a protocol of one family needs that family."""
    place, values, protocol = given.place, given.values, given.protocol
    if "icmp" in values and ("protocol" not in values or (protocol and protocol.number not in (1, 58))):
        message = "`icmp` needs the rule's protocol to be ICMP or ICMPv6"
        place.error(
            codes.ICMP_PROTOCOL, message, values["icmp"], expected="`protocol: ICMP` or `protocol: ICMPv6`"
        )
    for name, item in (("protocol", protocol), ("notProtocol", given.not_protocol)):
        wanted = {"ICMP": 4, "ICMPv6": 6}.get(item.name or "") if item else None
        if item and wanted and given.version and given.version != wanted:
            message = f"protocol {item.name} requires ipVersion {wanted}, this rule has {given.version}"
            place.error(codes.PROTOCOL_VERSION, message, values[name])


def _check_ports(given: _Given, source: Entity, destination: Entity) -> None:
    """Ports need TCP, UDP or SCTP, except that names alone need no protocol; `notProtocol` does not satisfy
    that."""
    entities = (source, destination)
    ports: list[PortRange | NamedPort] = [
        port for entity in entities for port in entity.ports + entity.not_ports
    ]
    if "protocol" in given.values:
        ports += [port for entity in entities for port in entity.named_ports + entity.not_named_ports]
    if not ports or ("protocol" in given.values and given.protocol is None):
        return
    first = min(ports, key=lambda port: (port.at.line, port.at.column))
    expected = "`protocol: TCP`, `protocol: UDP` or `protocol: SCTP` in the rule"
    if given.protocol is None:
        message = "a rule with ports must set protocol to TCP, UDP or SCTP; this one sets none"
        given.place.error(codes.PORT_PROTOCOL, message, first.at, expected=expected)
    elif given.protocol.number not in PORT_PROTOCOLS:
        name = given.protocol.name or str(given.protocol.number)
        message = f"a rule with ports must set protocol to TCP, UDP or SCTP, not {name}"
        given.place.error(codes.PORT_PROTOCOL, message, first.at, expected=expected)


def _check_families(given: _Given, source: Entity, destination: Entity) -> None:
    """One family in all networks of a rule, that of `ipVersion`; no negation of everything."""
    place = given.place
    nots = source.not_nets + destination.not_nets
    nets = sorted(source.nets + destination.nets + nots, key=lambda net: (net.at.line, net.at.column))
    for net in nets[1:]:
        if net.network.version != nets[0].network.version:
            where = f"line {nets[0].at.line}, column {nets[0].at.column}"
            both = f"`{net.network}` and `{nets[0].network}` ({where})"
            message = f"a rule cannot hold both IPv4 and IPv6 networks: {both}"
            place.error(codes.MIXED_FAMILIES, message, net.at, hint="write one rule for each family")
            break
    for net in nets:
        if given.version and net.network.version != given.version:
            message = (
                f"`{net.network}` is IPv{net.network.version}, but the rule has ipVersion {given.version}"
            )
            place.error(codes.VERSION_MISMATCH, message, net.at)
            break
    for net in nots:
        if net.network.prefixlen == 0:
            message = f"`{net.network}` in `notNets` leaves nothing for the rule to match"
            place.error(codes.CATCH_ALL, message, net.at)
    if nots and len(nots) == len(nets) and not given.version and not _one_family(given):
        version = nots[0].network.version
        if all(net.network.version == version for net in nots):
            message = f"this rule has only IPv{version} `notNets`: no IPv{10 - version} packet matches it"
            place.warning(codes.ONE_FAMILY, message, nots[0].at, hint=f"add `ipVersion: {version}` to say so")


def _one_family(given: _Given) -> bool:
    return given.protocol is not None and given.protocol.name in ("ICMP", "ICMPv6")


def read_rules(place: Place, node: Node | None, name: str, most: int) -> tuple[Rule, ...]:
    """The rules of one direction."""
    if node is None:
        return ()
    rules: list[Rule] = []
    for item in read_list(place, node, f"`{name}`", most):
        if is_empty(item):
            wrong_type(place, item, "a rule is a mapping, not nothing", "a rule with an `action`")
            continue
        rule = read_rule(place, item)
        if rule is not None:
            rules.append(rule)
    return tuple(rules)
