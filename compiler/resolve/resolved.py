"""What resolve yields: the IR of one endpoint, and for each rule index the place it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...pair.layout import Direction
from ..ir.nodes import Program
from ..source import Span

What = Literal["rule", "tier-default", "end", "no-policy", "failsafe", "forwarded", "not-forwarded"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a rule index comes from.

    span: the rule's `action`; for a tier default the name of the last policy that made the tier apply; for
    an end the endpoint (or, with --labels, the last policy of the last tier; None when there is nothing);
    for what holds for every host the HostEndpoint.
    policy: `Kind/namespace/name`, `` for an end; of a failsafe port the option that opened it. number:
    the rule's position in its list, -1 otherwise. action: `allow`, …; `would-allow` and so on of what is
    staged. key: stable name, hex SHA-256 (first 16 digits) over the rule's meaning and its owner.
    """

    what: What
    action: str
    span: Span | None
    policy: str = ""
    number: int = -1
    key: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolved:
    """name: `NS.POD`, the policy's name with --labels; endpoint: `NS/NAME` or ``; addresses: as text.

    provenance[direction][i] belongs to rule index i; len = judge.index_count.
    """

    name: str
    endpoint: str
    addresses: tuple[str, ...]
    program: Program
    provenance: Mapping[Direction, tuple[Provenance, ...]]
