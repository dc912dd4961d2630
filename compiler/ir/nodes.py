"""The decision IR: what one endpoint's policy decides, in both directions, and nothing else.

It knows neither YAML nor addresses of tables. Order is meaning: tiers, policies and rules are tried in
sequence. A rule matches when every criterion holds; a rule without criteria matches every packet. Walk
(dossier §6.2): in each tier the first matching Allow, Deny or Pass decides; Log marks and goes on; Pass
leaves the tier; no match takes the tier's default; after the last tier the judge's end decides.

Rule indices are dense from 0 within a judge, in walk order, and count tier defaults and the end too, so
each verdict has one index; they are given by resolve and stay with their rule through every pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ...pair.layout import Direction


class Action(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    LOG = "log"
    PASS = "pass"


class Side(StrEnum):
    SOURCE = "src"
    DESTINATION = "dst"


@dataclass(frozen=True, slots=True, order=True)
class Prefix:
    """A CIDR. version: 4 or 6; address: integer with host bits zero; length: 0–32 or 0–128."""

    version: int
    address: int
    length: int


@dataclass(frozen=True, slots=True)
class AddressSet:
    """A named set of addresses of both families. prefixes: sorted, minimal (disjoint, merged)."""

    name: str
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class MatchVersion:
    """The packet's IP version is `version` (4 or 6)."""

    version: int


@dataclass(frozen=True, slots=True)
class MatchProtocol:
    """The IP protocol (after extension headers) is `number` (0–255), or is not when negated."""

    number: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class MatchAddress:
    """The address of `side` is in the set of that name, or is not when negated."""

    side: Side
    set: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class MatchPort:
    """The port of `side` is in one of the inclusive ranges (sorted, merged), or in none when negated.

    A packet without ports (any protocol but TCP, UDP, SCTP) has port 0 here.
    """

    side: Side
    ranges: tuple[tuple[int, int], ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class MatchIcmp:
    """ICMP type, and code unless None. An ICMP packet is protocol 1 in IPv4 or 58 in IPv6; for any other
    packet the criterion is false, and its negation true (QUIRK 8)."""

    type: int
    code: int | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class EndpointPorts:
    """Ports of some endpoints: protocol 6, 17 or 132, inclusive ranges (sorted, merged), and the set of the
    endpoints' addresses, None for any address."""

    protocol: int
    ranges: tuple[tuple[int, int], ...]
    set: str | None


@dataclass(frozen=True, slots=True)
class MatchEndpointPort:
    """The packet's protocol, and the address and port of `side`, are those of one of the entries, or of none
    when negated. No entries: nothing is (a named port that no endpoint has, a service without slices).

    At most one entry holds for a packet: of one protocol, sets are disjoint, and an entry without a set
    shares no port with the others. Entries are sorted by protocol, the one without a set first; a negated
    criterion has none without a set.
    """

    side: Side
    entries: tuple[EndpointPorts, ...]
    negated: bool = False


Criterion = MatchVersion | MatchProtocol | MatchAddress | MatchPort | MatchIcmp | MatchEndpointPort


@dataclass(frozen=True, slots=True)
class Rule:
    index: int
    action: Action
    criteria: tuple[Criterion, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """name: `Kind/namespace/name` (`Kind/name` for cluster kinds)."""

    name: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Tier:
    """default: DENY or PASS, taken with `default_index` when no rule of the tier decided."""

    name: str
    default: Action
    default_index: int
    policies: tuple[Policy, ...]


@dataclass(frozen=True, slots=True)
class End:
    """What happens after the last tier: ALLOW (the namespace profile) or DENY."""

    action: Action
    index: int


@dataclass(frozen=True, slots=True)
class Judge:
    """One direction's decision. No tiers: no policy selects the endpoint in this direction.

    staged: the decision as it would be were the staged policies in force, None without any. It is taken for
    every packet that is judged, told when it differs, and never enforced. Its indices follow those of the
    judge; it holds no Log rules and no staged judge of its own.
    """

    direction: Direction
    tiers: tuple[Tier, ...]
    end: End
    staged: Judge | None = None

    @property
    def index_count(self) -> int:
        """How many indices there are: the last end has the largest."""
        return (self.staged or self).end.index + 1


@dataclass(frozen=True, slots=True)
class Program:
    """One endpoint's policy. sets: every set that a criterion names, `$0`, `$1`, … in order of first use
    (ingress before egress); equal sets are one."""

    sets: tuple[AddressSet, ...]
    ingress: Judge
    egress: Judge

    def judge(self, direction: Direction) -> Judge:
        return self.ingress if direction is Direction.INGRESS else self.egress
