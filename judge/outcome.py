"""What an engine answers for a frame, and what it remembers of a flow: the same shapes for every engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..pair import layout
from ..pair.flow import State
from ..pair.layout import Direction, Event, EventKind
from ..pair.packet import Reason
from ..pair.provenance import ProvenanceTable, logged_rules


class FlowEntry(NamedTuple):
    """One value of the flow map. seen: jiffies."""

    seen: int
    generation: int
    rule: int
    owner: Direction
    state: State

    @classmethod
    def unpack(cls, data: bytes) -> FlowEntry:
        seen, generation, rule, owner, state = layout.FLOW_ENTRY.unpack(data)
        return cls(seen, generation, rule, Direction(owner), State(state))

    def pack(self) -> bytes:
        return layout.FLOW_ENTRY.pack(*self)


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one frame.

    rule: index into the provenance of `direction`, whose policy judged; None when no rule decided, and from
    the kernel engine for every frame let through (see the flow entry). reason: NONE when let through, and
    when a slot was empty. logs: rules with action Log that matched, in order. staged: the rule that would
    decide otherwise were the staged policies in force.
    """

    allowed: bool
    rule: int | None
    reason: Reason
    direction: Direction
    logs: tuple[int, ...]
    events: tuple[Event, ...]
    staged: int | None = None


def logged(events: Iterable[Event], tables: Mapping[Direction, ProvenanceTable]) -> tuple[int, ...]:
    """The Log rules that the events tell of, in order."""
    return tuple(
        index for event in events for index in logged_rules(event, tables[Direction(event.direction)])
    )


def staged_rule(events: Iterable[Event]) -> int | None:
    """The rule that a STAGED event names: what would decide otherwise."""
    return next((event.rule for event in events if event.kind == EventKind.STAGED), None)
