"""An event of the ring in words: what was denied, what was logged, and what staged policies would change."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from polc.cli.events import record, text
from polc.pair.layout import Direction, Event, EventKind
from polc.pair.packet import Reason
from polc.pair.provenance import ProvenanceTable, RuleProvenance

RULE = RuleProvenance(
    index=0,
    what="rule",
    action="deny",
    file="p.yaml",
    line=7,
    column=5,
    policy="StagedNetworkPolicy/shop/web",
    number=0,
    text="- action: Deny",
)
TABLES = {3: {Direction.INGRESS: ProvenanceTable(endpoint="", direction=Direction.INGRESS, rules=(RULE,))}}


def event(kind: EventKind, reason: Reason) -> Event:
    source, destination = (ip_address(one).packed.ljust(16, b"\0") for one in ("10.0.0.1", "10.0.0.2"))
    ends = (40000, 80, source, destination)
    return Event(10**9, 3, 0, 4, int(Direction.INGRESS), kind, reason, 4, 6, 2, *ends)


@pytest.mark.parametrize(
    ("kind", "reason", "verdict"),
    [
        (EventKind.DENY, Reason.POLICY, "deny"),
        (EventKind.LOG, Reason.NONE, "log"),
        (EventKind.STAGED, Reason.POLICY, "would-deny"),
        (EventKind.STAGED, Reason.NONE, "would-allow"),
    ],
)
def test_an_event_says_what_happened_or_would_happen_and_by_which_line(
    kind: EventKind, reason: Reason, verdict: str
) -> None:
    found = record(event(kind, reason), TABLES)
    assert (found.verdict, found.at, found.policy) == (verdict, "p.yaml:7:5", "StagedNetworkPolicy/shop/web")
    line = text(found)
    assert line.split()[0] == verdict
    assert "TCP 10.0.0.1:40000 > 10.0.0.2:80" in line
    assert line.endswith("p.yaml:7:5  - action: Deny")
