"""An event of the ring as a person and a program read it: which line of which policy decided about what."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from ..pair.layout import NO_RULE, Direction, Event, EventKind
from ..pair.packet import PROTO_ICMP, PROTO_ICMPV6, PROTO_SCTP, PROTO_TCP, PROTO_UDP, PROTO_UDPLITE, Reason
from ..pair.provenance import ProvenanceTable, RuleProvenance
from .diagnostics import clean

Tables = Mapping[int, Mapping[Direction, ProvenanceTable]]  # by generation and direction

_PROTOCOLS: Final = {
    PROTO_TCP: "TCP",
    PROTO_UDP: "UDP",
    PROTO_ICMP: "ICMP",
    PROTO_ICMPV6: "ICMPv6",
    PROTO_SCTP: "SCTP",
    PROTO_UDPLITE: "UDPLite",
}
# What is said of a decision that no rule took; the place is then the policy's or the endpoint's name.
UNMATCHED: Final = {
    "tier-default": "  (no rule matches: the tier's default)",
    "end": "  (no tier decides: the end of the walk)",
    "no-policy": "  (no policy selects the endpoint)",
    "failsafe": "  (a failsafe port)",
    "forwarded": "  (forwarded, and no policy is for that)",
}
_WITH_PORTS: Final = frozenset({PROTO_TCP, PROTO_UDP, PROTO_SCTP})


class EventRecord(BaseModel):
    """One denied or logged packet, or one that staged policies would decide otherwise (`would-deny`,
    `would-allow`; it met the other verdict). time: seconds of the machine's monotonic clock. direction: whose
    policy.

    protocol: a name, or the number. ports: None without ports; icmp: type and code, None for others.
    rule: index in that direction, None when no rule was reached; then reason says why. at: `file:line:col` of
    what decided, `` when the generation's text is not known any more. line: that line of the policy. what:
    `rule`, or what decided when no rule matched: `tier-default`, `end`, `no-policy`; of a host, `failsafe`
    and `forwarded`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    time: float
    generation: int
    ifindex: int
    direction: Literal["ingress", "egress"]
    verdict: Literal["deny", "log", "would-deny", "would-allow"]
    reason: str
    protocol: str
    source: str
    destination: str
    source_port: int | None = None
    destination_port: int | None = None
    icmp: tuple[int, int] | None = None
    rule: int | None = None
    at: str = ""
    policy: str = ""
    line: str = ""
    what: str = ""


def record(event: Event, tables: Tables) -> EventRecord:
    """Reads one event with the provenance of the generation that decided it."""
    direction = Direction(event.direction)
    rule = _rule(event, direction, tables)
    ports = event.protocol in _WITH_PORTS
    icmp = event.protocol in (PROTO_ICMP, PROTO_ICMPV6)
    return EventRecord(
        time=event.time / 1e9,
        generation=event.generation,
        ifindex=event.ifindex,
        direction="ingress" if direction is Direction.INGRESS else "egress",
        verdict=_verdict(event),
        reason=_reason(event.reason),
        protocol=_PROTOCOLS.get(event.protocol, str(event.protocol)),
        source=_address(event.family, event.source),
        destination=_address(event.family, event.destination),
        source_port=event.sport if ports else None,
        destination_port=event.dport if ports else None,
        icmp=(event.sport, event.dport) if icmp else None,
        rule=event.rule if event.rule != NO_RULE else None,
        at=rule.place if rule else "",
        policy=rule.policy if rule else "",
        line=rule.text if rule else "",
        what=rule.what if rule else "",
    )


def _verdict(event: Event) -> Literal["deny", "log", "would-deny", "would-allow"]:
    if event.kind == EventKind.STAGED:
        return "would-allow" if event.reason == Reason.NONE else "would-deny"
    return "log" if event.kind == EventKind.LOG else "deny"


def text(one: EventRecord) -> str:
    """One line: what happened to which packet, and the policy line that decided it."""
    source, destination = one.source, one.destination
    if one.source_port is not None:
        source = f"{_host(source)}:{one.source_port}"
        destination = f"{_host(destination)}:{one.destination_port}"
    detail = f" type {one.icmp[0]} code {one.icmp[1]}" if one.icmp else ""
    verdict = f"{one.verdict:<4} "
    return f"{verdict}{one.direction:<8}{one.protocol} {source} > {destination}{detail}  {cause(one)}"


def cause(one: EventRecord) -> str:
    """Why: the place and text of the deciding line, or the reason when no rule was reached."""
    why = "" if one.reason in ("none", "policy") else f"{one.reason}: "
    if one.at:
        return clean(f"{why}{one.at}  {one.line}{UNMATCHED.get(one.what, '')}")
    if one.rule is not None:
        return f"{why}rule {one.rule} of generation {one.generation}"
    return one.reason


def _rule(event: Event, direction: Direction, tables: Tables) -> RuleProvenance | None:
    table = tables.get(event.generation, {}).get(direction)
    if table is None or event.rule >= len(table.rules):
        return None
    return table.rules[event.rule]


def _reason(number: int) -> str:
    try:
        return Reason(number).word
    except ValueError:
        return str(number)


def _address(family: int, raw: bytes) -> str:
    if family == 4:
        return str(IPv4Address(raw[:4]))
    return str(IPv6Address(raw)) if family == 6 else "-"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
