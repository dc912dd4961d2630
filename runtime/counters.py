"""What the counters of the programs in force say, as a report with a fixed shape; from the kernel alone.

Names come from `.rodata.prov` of the same program: a count and its line cannot belong to two policies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from ..pair.layout import HIT_REASONS, Direction, Hit, hit_of_rule
from ..pair.packet import Reason
from ..pair.provenance import WOULD, RuleProvenance
from .errors import CannotError, GoneError, NotInForce, cannot
from .gate import Gates
from .hits import Vanished, standing_hits
from .interface import find_interface
from .kernel import Kernel
from .netlink import Link
from .policy import Policy
from .readback import Core, read
from .standing import judge
from .status import summary

COUNTERS_VERSION: Final = 1
_TRIES: Final = 16

Word = Literal["ingress", "egress"]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RuleCount(_Shape):
    """One rule index of one direction. packets: that were judged and met it, a Log rule's too; of a staged
    rule those it would have decided otherwise. bytes: of those packets, link-layer header included.

    key: stable name over swaps. what, action, policy, at, line: as `polc monitor` says them; action is
    `would-allow` or `would-deny` (or `would-pass`) of what is staged.
    """

    direction: Word
    rule: int
    key: str
    what: str
    action: str
    policy: str
    at: str
    line: str
    packets: int
    bytes: int

    @property
    def staged(self) -> bool:
        return self.action.startswith(WOULD)


class ReasonCount(_Shape):
    """Packets that were dropped before any rule was asked; reasons that dropped none are left out."""

    direction: Word
    reason: str
    packets: int
    bytes: int


class InterfaceCounters(_Shape):
    """One interface. summary: the state in one line. rules: every rule index, staged ones too, in walk order,
    ingress first. notes: why something is missing."""

    interface: str
    ifindex: int
    summary: str
    identity: str | None
    endpoint: str
    generation: int
    rules: tuple[RuleCount, ...]
    reasons: tuple[ReasonCount, ...]
    notes: tuple[str, ...]


class CountersReport(_Shape):
    """`polc counters --format json`."""

    version: Literal[1] = COUNTERS_VERSION
    interfaces: tuple[InterfaceCounters, ...]


def counters(kernel: Kernel, interface: str | None = None, gates: Gates | None = None) -> CountersReport:
    """The counts on one interface, or on every one where a policy is in force.

    Raises CannotError when the kernel does not let us look, GoneError for an unknown interface, NotInForce
    when no policy is in force there (or anywhere).
    """
    known = gates or Gates()
    if interface is not None:
        one = _counted(kernel, find_interface(kernel, interface), known)
        found = [] if one is None else [one]
    else:
        try:
            links = kernel.net.links()
        except OSError as error:
            raise cannot(error, "list the interfaces") from error
        found = [one for link in links if (one := _unless_gone(kernel, link, known)) is not None]
    if not found:
        where = interface or "any interface of this network namespace"
        raise NotInForce(f"no policy is in force on {where}: nothing is counted", "see `polc status`")
    return CountersReport(interfaces=tuple(found))


def _unless_gone(kernel: Kernel, link: Link, gates: Gates) -> InterfaceCounters | None:
    try:
        return _counted(kernel, link, gates)
    except GoneError:
        return None


def _counted(kernel: Kernel, link: Link, gates: Gates) -> InterfaceCounters | None:
    """None when there is no program in force; once more when one left while it was read."""
    for _ in range(_TRIES):
        try:
            return _read(kernel, link, gates)
        except Vanished:
            continue
        except OSError as error:
            raise cannot(error, f"read the counters of {link.name}") from error
    raise CannotError(f"the policy on {link.name} kept changing while its counters were read", "try again")


def _read(kernel: Kernel, link: Link, gates: Gates) -> InterfaceCounters | None:
    standing = judge(read(kernel, link, gates))
    core = standing.core
    active = [one for one in core.active if isinstance(one, Policy)] if core and core.value else []
    if core is None or not active:
        return None
    rules: list[RuleCount] = []
    reasons: list[ReasonCount] = []
    notes: list[str] = []
    for direction in Direction:
        word: Word = "ingress" if direction is Direction.INGRESS else "egress"
        hits, provenance, missing = _direction(kernel, core, direction)
        notes += [f"the {word} program {missing}"] if missing else []
        rules += [_rule(word, rule, hits[hit_of_rule(rule.index)]) for rule in provenance]
        reasons += [_reason(word, at, hit) for at, hit in enumerate(hits[:HIT_REASONS]) if hit.packets]
    table = active[0].table()
    return InterfaceCounters(
        interface=link.name,
        ifindex=link.index,
        summary=summary(standing),
        identity=standing.identity,
        endpoint=table.endpoint if table is not None else "",
        generation=standing.generation,
        rules=tuple(rules),
        reasons=tuple(reasons),
        notes=tuple(notes),
    )


def _direction(
    kernel: Kernel, core: Core, direction: Direction
) -> tuple[Sequence[Hit], Sequence[RuleProvenance], str]:
    """Counters and rules of one direction's program; or none of both, and why."""
    active, idle = core.active[direction], core.idle[direction]
    table = active.table() if isinstance(active, Policy) else None
    if not isinstance(active, Policy) or table is None or not active.is_for(direction):
        return (), (), "in force is not there, or none this polc can read"
    hits = standing_hits(kernel.bpf, active, idle if isinstance(idle, Policy) else None)
    if len(hits) < hit_of_rule(len(table.rules)):
        return (), (), "does not count: another version of polc made it"
    return hits, table.rules, ""


def _rule(direction: Word, rule: RuleProvenance, hit: Hit) -> RuleCount:
    return RuleCount(
        direction=direction,
        rule=rule.index,
        key=rule.key,
        what=rule.what,
        action=rule.action,
        policy=rule.policy,
        at=rule.place,
        line=rule.text,
        packets=hit.packets,
        bytes=hit.octets,
    )


def _reason(direction: Word, number: int, hit: Hit) -> ReasonCount:
    known = number in Reason.__members__.values()
    word = Reason(number).word if known else str(number)
    return ReasonCount(direction=direction, reason=word, packets=hit.packets, bytes=hit.octets)
