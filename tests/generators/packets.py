"""Five-tuples aimed at rules and at the edges of what rules say: first and last address, port, type, ±1."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from polc.tests.oracle.host_reading import FAILSAFES
from polc.tests.oracle.inventory_reading import Entity, Inventory, Net
from polc.tests.oracle.rule_reading import Holder, Packet, Rule, Side

WITH_PORTS = (6, 17, 132)
# In IPv6 these numbers are extension headers, or none (RFC 8200): no packet has them as its protocol.
NOT_PROTOCOLS_V6 = frozenset({0, 43, 44, 51, 59, 60})
_PROTOCOLS = (6, 6, 17, 17, 132, 1, 58, 47, 50, 2, 89, 255)
_TRIES = 40


class Aim:
    """Packets for one endpoint. peers: every address that the inventory knows."""

    def __init__(self, rng: Random, inventory: Inventory, subject: Entity) -> None:
        self.rng = rng
        self.subject = subject
        self.known = sorted({net for one in inventory.entities for net in one.nets})

    def at(self, rule: Rule) -> Packet | None:
        """A packet that `rule` matches by itself; None when none was found."""
        for _ in range(_TRIES):
            packet = self._try(rule)
            if packet is not None and rule.matches(packet):
                return packet
        return None

    def beside(self, packet: Packet, rule: Rule) -> Packet:
        """`packet` with one field moved over an edge, of the rule's where it names one."""
        rng = self.rng
        field = rng.choice(["source", "destination", "sport", "dport", "protocol", "icmp", "family"])
        if field in ("source", "destination"):
            side = rule.source if field == "source" else rule.destination
            return packet._replace(**{field: self._edge(packet.family, side)})
        if field in ("sport", "dport"):
            ports = (rule.source if field == "sport" else rule.destination).ports
            base = rng.choice(rng.choice(ports)) if ports else getattr(packet, field)
            return _sane(packet._replace(**{field: min(max(base + rng.choice([-1, 1]), 0), 65535)}))
        if field == "protocol":
            return _sane(packet._replace(protocol=(packet.protocol + rng.choice([-1, 1, 5, 52])) % 256))
        if field == "icmp":
            moved = (packet.icmp_type + rng.choice([-1, 0, 1])) % 256
            return _sane(
                packet._replace(icmp_type=moved, icmp_code=(packet.icmp_code + rng.choice([-1, 1])) % 256)
            )
        other = self.any(10 - packet.family)
        if rng.random() < 0.5:
            return other
        return _sane(packet._replace(family=other.family, source=other.source, destination=other.destination))

    def any(self, version: int | None = None) -> Packet:
        """A packet between two addresses that may be of interest, of any protocol."""
        rng = self.rng
        family = version or rng.choice([4, 6])
        ports = (
            rng.choice([0, 1, 53, 80, 443, 8080, 40000, 65535]),
            rng.choice([0, 1, 22, 53, 80, 81, 443, 65535]),
        )
        kind = rng.choice([0, 3, 8, 13, 128, 129, 135, 255])
        raw = Packet(
            family,
            rng.choice(_PROTOCOLS),
            self._somewhere(family),
            self._somewhere(family),
            *ports,
            kind,
            rng.randrange(3),
        )
        return _sane(self._of_host(raw) if self.subject.kind == "HostEndpoint" else raw)

    def _of_host(self, packet: Packet) -> Packet:
        """Mostly to or from the host itself, now and then at one of its failsafe ports."""
        rng = self.rng
        mine = [net.first for net in self.subject.nets if net.version == packet.family]
        if mine and rng.random() < 0.75:
            packet = packet._replace(**{rng.choice(["source", "destination"]): mine[0]})
        if rng.random() < 0.2:
            way = rng.choice(sorted(FAILSAFES))
            protocol, port = rng.choice(sorted(FAILSAFES[way]))
            packet = packet._replace(protocol=protocol, dport=port)
        return packet

    def _try(self, rule: Rule) -> Packet | None:
        rng = self.rng
        family = rule.version or rng.choice([4, 6])
        if not (rule.source.family_fits(family) and rule.destination.family_fits(family)):
            family = 10 - family
        protocol = rule.protocol
        if protocol is None:
            protocol = rng.choice([one for one in _PROTOCOLS if one != rule.not_protocol])
        inward = rule.name.direction == "ingress"
        source = self._inside(family, rule.source, own=not inward)
        destination = self._inside(family, rule.destination, own=inward)
        if source is None or destination is None:
            return None
        kind, code = rule.icmp or (rng.choice([8, 13, 0, 128, 129, 200]), None)
        sport, dport = self._port(rule.source), self._port(rule.destination)
        held = self._held(rule, rule.destination, family, inward)
        if held is not None:
            destination, dport = held.net.first, dport if held.port is None else held.port
            protocol = protocol if held.protocol is None or rule.protocol is not None else held.protocol
        held = self._held(rule, rule.source, family, not inward)
        if held is not None:
            source, sport = held.net.first, sport if held.port is None else held.port
            protocol = protocol if held.protocol is None or rule.protocol is not None else held.protocol
        packet = Packet(
            family,
            protocol,
            source,
            destination,
            sport,
            dport,
            kind,
            rng.randrange(256) if code is None else code,
        )
        return _sane(packet)

    def _held(self, rule: Rule, side: Side, family: int, own: bool) -> Holder | None:
        """One of those that a service or a named port of the side stands for, the subject before others;
        None when there are none, or to try the numeric ports beside the names."""
        if side.members is None and (side.named is None or (side.ports and self.rng.random() < 0.5)):
            return None
        fitting = [
            one
            for one in sorted(side.members or side.named or (), key=repr)
            if one.net.version == family and rule.protocol in (None, one.protocol or rule.protocol)
        ]
        mine = [one for one in fitting if own and one.net in self.subject.nets]
        return self.rng.choice(mine or fitting) if fitting else None

    def _port(self, side: Side) -> int:
        rng = self.rng
        if side.ports:
            first, last = rng.choice(side.ports)
            return rng.choice([first, last, rng.randint(first, last)])
        if side.not_ports and rng.random() < 0.5:
            first, last = rng.choice(side.not_ports)
            return min(max(rng.choice([first - 1, last + 1]), 0), 65535)
        return rng.choice([80, 443, 40000, rng.randrange(65536)])

    def _inside(self, family: int, side: Side, own: bool) -> int | None:
        """An address that meets the side's nets and selectors, at their edges where there are any."""
        rng = self.rng
        mine = [net for net in self.subject.nets if net.version == family]
        narrow: Sequence[Net] = [net for net in sorted(side.holders or ()) if net.version == family]
        if side.holders is not None and not narrow:
            return None
        nets = [net for net in side.nets if net.version == family]
        if narrow or nets:
            picked = rng.choice(narrow or nets)
            if narrow and nets:
                overlap = [_meet(one, other) for one in narrow for other in nets]
                met = [net for net in overlap if net is not None]
                if not met:
                    return None
                picked = rng.choice(sorted(met))
            if own and mine and picked.holds(family, mine[0].first) and rng.random() < 0.7:
                return mine[0].first
            return rng.choice([picked.first, picked.last, rng.randint(picked.first, picked.last)])
        if own and mine and rng.random() < 0.9:
            return mine[0].first
        return self._somewhere(family)

    def _edge(self, family: int, side: Side) -> int:
        """An address on either side of an edge of the side's nets; anywhere when there are none."""
        rng = self.rng
        nets = [
            net
            for net in (
                *side.nets,
                *side.not_nets,
                *sorted(side.holders or ()),
                *sorted(side.strangers_to or ()),
            )
            if net.version == family
        ]
        if not nets:
            return self._somewhere(family)
        net = rng.choice(nets)
        top: int = 2 ** (32 if family == 4 else 128) - 1
        return min(max(rng.choice([net.first - 1, net.first, net.last, net.last + 1]), 0), top)

    def _somewhere(self, family: int) -> int:
        rng = self.rng
        nets = [net for net in self.known if net.version == family]
        if nets and rng.random() < 0.7:
            net = rng.choice(nets)
            return rng.choice([net.first, net.last])
        return rng.getrandbits(32 if family == 4 else 128)


def _meet(one: Net, other: Net) -> Net | None:
    first, last = max(one.first, other.first), min(one.last, other.last)
    return Net(one.version, first, last) if first <= last else None


def _sane(packet: Packet) -> Packet:
    """The packet as a frame could carry it: ports and ICMP fields only where its protocol has them.

    Protocol 1 in IPv6 and 58 in IPv4 keep type and code: bytes that a judge must not take for ICMP.
    """
    protocol = packet.protocol
    if packet.family == 6 and protocol in NOT_PROTOCOLS_V6:
        protocol = 61
    fields = packet._replace(protocol=protocol)
    if protocol not in WITH_PORTS:
        fields = fields._replace(sport=0, dport=0)
    return fields if protocol in (1, 58) else fields._replace(icmp_type=0, icmp_code=0)
