"""The executable meaning of the unoptimised IR together with flow tracking: the judge of all other judges.

Packets: dossier §11.3 by `model.packet`. Policy: §4 and §6.2 by `model.walk`. Flows: `pair.flow`, whose
docstring each branch of `_flow` below follows in its order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from ...pair.flow import PICKED_UP, Event, Step, Transition, Who, transition
from ...pair.flow import State as FlowState
from ...pair.layout import L2_DEFAULT, L2_NONE, NO_RULE, Config, ConfigFlag, Direction
from ...pair.packet import TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, PacketClass, Reason
from ..ir.nodes import Program
from .flows import FLOW_CLASSES, Entry, Flows, flow_key, inner_key, older
from .packet import Packet, parse_packet
from .walk import Walk


class Verdict(StrEnum):
    ALLOW = "allow"
    DROP = "drop"


class Judgement(NamedTuple):
    """What one direction's policy says. rule: the deciding index, None when no policy was asked.

    logs: indices of the Log rules that matched before it, in order. staged: the rule that would decide
    otherwise were the staged policies in force.
    """

    verdict: Verdict
    rule: int | None
    reason: Reason
    logs: tuple[int, ...] = ()
    staged: int | None = None


class Outcome(NamedTuple):
    """What happened to one frame.

    rule, logs, staged: of the policy of `direction`, which judged the packet; `judged` says whether one did.
    An established packet that nobody judged has the rule and direction that allowed its flow; rule is None
    when neither a rule nor a flow was involved. key, entry: the flow looked up, and its entry afterwards.
    """

    verdict: Verdict
    rule: int | None
    reason: Reason
    direction: Direction
    logs: tuple[int, ...] = ()
    judged: bool = False
    staged: int | None = None
    key: bytes | None = None
    entry: Entry | None = None


# Dossier §11.3, workload column; NOT_IP passes on a host's own interface.
_DROPS = {
    PacketClass.NOT_IP: Reason.NOT_IP,
    PacketClass.MALFORMED: Reason.MALFORMED,
    PacketClass.SHORT: Reason.SHORT,
    PacketClass.FRAGMENT: Reason.FRAGMENT,
    PacketClass.EXTENSION: Reason.EXTENSION,
}
_PASSES = (PacketClass.ARP, PacketClass.NEIGHBOUR)
_DEFAULTS = Config()


class Model:
    """One endpoint's pair, with the flows both directions share.

    config: as the runtime would write it (generation, L2 header, flags, time-outs). alone: only the object
    of the packet's own direction is loaded, so that the other direction cannot judge again.
    """

    def __init__(self, program: Program, config: Config = _DEFAULTS, *, alone: bool = False) -> None:
        self._config = config
        self._alone = alone
        self._flows = Flows(config)
        self._program = program
        self._walk = Walk.of(program)
        self._own = False  # whether the packet at hand was sent by the host to its own workload

    @property
    def flows(self) -> Mapping[bytes, Entry]:
        """Every entry by its `layout.FLOW_KEY` bytes, those that have been idle too long included."""
        return MappingProxyType(self._flows.entries)

    def swap(self, program: Program, generation: int) -> None:
        """Puts another policy in force under its generation; flows stay, stamped as they are."""
        self._program = program
        self._walk = Walk.of(program)
        self._config = replace(self._config, generation=generation)

    def judge(self, direction: Direction, packet: Packet) -> Judgement:
        """The policy's word on one packet, without any flow; classes no policy judges have rule None.

        An ICMP error is judged here by its own tuple, although `step` never asks policy about one.
        """
        if packet.cls in _PASSES:
            return Judgement(Verdict.ALLOW, None, Reason.NONE)
        if packet.cls in _DROPS:
            host = packet.cls is PacketClass.NOT_IP and ConfigFlag.HOST in self._config.flags
            reason = Reason.NONE if host else _DROPS[packet.cls]
            return Judgement(Verdict.ALLOW if host else Verdict.DROP, None, reason)
        decision = self._walk.decide(self._program.judge(direction), packet)
        if decision.allowed:
            return Judgement(Verdict.ALLOW, decision.rule, Reason.NONE, decision.logs, decision.staged)
        return Judgement(Verdict.DROP, decision.rule, Reason.POLICY, decision.logs, decision.staged)

    def step(
        self,
        direction: Direction,
        frame: bytes,
        now: float,
        *,
        ethertype: int | None = None,
        host_made: bool = False,
    ) -> Outcome:
        """One frame at `now` seconds, any clock that does not run backwards; flows change accordingly.

        host_made: the workload's own host sent it, rather than forwarded it.
        """
        l2 = {0: L2_DEFAULT, L2_NONE: 0}.get(self._config.l2_header, self._config.l2_header)
        return self.step_packet(direction, parse_packet(frame, l2, ethertype), now, host_made=host_made)

    def step_packet(
        self, direction: Direction, packet: Packet, now: float, *, host_made: bool = False
    ) -> Outcome:
        """As `step`, for a packet already parsed."""
        # Dossier §6.4: what a host sends to its workload passes, and its flow's answers do.
        access = ConfigFlag.HOST_ACCESS in self._config.flags and direction is Direction.INGRESS
        self._own = host_made and access
        if packet.cls is PacketClass.ERROR:
            outcome = self._error(direction, packet, now)
        elif packet.cls in FLOW_CLASSES:
            outcome = self._flow(direction, packet, now)
        else:
            outcome = _outcome(self._ask(direction, packet), direction)
        if self._own and outcome.verdict is Verdict.DROP:
            return outcome._replace(verdict=Verdict.ALLOW, rule=None, reason=Reason.NONE, direction=direction)
        return outcome

    def _ask(self, direction: Direction, packet: Packet, entry: Entry | None = None) -> Judgement:
        """The policy's word, unless it is not asked because the host reaches its own workload.

        entry: the flow that is judged again.
        """
        access = ConfigFlag.HOST_ACCESS in self._config.flags and direction is Direction.INGRESS
        known = entry is not None and entry.rule == NO_RULE
        if access and (self._own or known):
            return Judgement(Verdict.ALLOW, None, Reason.NONE)
        return self.judge(direction, packet)

    def _error(self, direction: Direction, packet: Packet, now: float) -> Outcome:
        """An ICMP error passes only when it speaks of a live flow of this generation."""
        if packet.inner is None:
            return Outcome(Verdict.DROP, None, Reason.UNRELATED, direction)
        key = inner_key(direction, packet.inner)
        entry = self._flows.live(key, now)
        if entry is None or self._stale(entry):
            return Outcome(
                Verdict.DROP, None, Reason.UNRELATED, direction, key=key, entry=self.flows.get(key)
            )
        return Outcome(Verdict.ALLOW, _rule(entry), Reason.NONE, entry.owner, key=key, entry=entry)

    def _stale(self, entry: Entry) -> bool:
        """Whether a newer policy has yet to be asked about this flow."""
        keep = ConfigFlag.KEEP_ESTABLISHED in self._config.flags
        return not keep and older(entry.generation, self._config.generation)

    def _flow(self, direction: Direction, packet: Packet, now: float) -> Outcome:
        key = flow_key(direction, packet)
        entry = self._flows.live(key, now)
        state = entry.state if entry else FlowState.NONE
        who = Who.OWNER if entry is None or entry.owner is direction else Who.PEER
        row = transition(FLOW_CLASSES[packet.cls], state, who, _event(packet))
        if row.step is Step.ACCEPT and entry is not None:
            outcome = self._accept(direction, packet, entry, key, row, now)
        elif row.step is Step.JUDGE:
            outcome = self._judge_new(direction, packet, who, key, row, now)
        elif ConfigFlag.HOST in self._config.flags and _in_the_middle(packet):
            outcome = self._judge_new(direction, packet, who, key, PICKED_UP, now)
        else:
            outcome = Outcome(Verdict.DROP, None, row.reason, direction)
        return outcome._replace(key=key, entry=self.flows.get(key))

    def _accept(
        self, direction: Direction, packet: Packet, entry: Entry, key: bytes, row: Transition, now: float
    ) -> Outcome:
        """An established packet; a newer policy first judges the owner's tuple in the owner's direction."""
        outcome = Outcome(Verdict.ALLOW, _rule(entry), Reason.NONE, entry.owner)
        if self._stale(entry):
            mine = entry.owner is direction
            if self._alone and not mine:
                return Outcome(Verdict.DROP, None, Reason.NO_PEER, direction)
            asked = self._ask(entry.owner, packet if mine else packet.reversed(), entry)
            outcome = _outcome(asked, entry.owner)
            if outcome.verdict is Verdict.DROP:
                del self._flows.entries[key]
                return outcome._replace(reason=Reason.CUT)
            entry = entry._replace(generation=self._config.generation, rule=_stamp(outcome))
        self._flows.touch(key, entry, row.state, now)
        return outcome

    def _judge_new(
        self, direction: Direction, packet: Packet, who: Who, key: bytes, row: Transition, now: float
    ) -> Outcome:
        """A packet that opens a flow, or a SYN on one there is: the packet's own direction judges."""
        outcome = _outcome(self._ask(direction, packet), direction)
        if outcome.verdict is Verdict.ALLOW and (row.adopt or who is Who.OWNER):
            entry = Entry(now, self._config.generation, _stamp(outcome), direction, row.state)
            self._flows.entries[key] = entry
        return outcome


def _in_the_middle(packet: Packet) -> bool:
    """A TCP segment that neither opens nor ends a connection."""
    return packet.cls is PacketClass.TCP and _event(packet) is Event.PACKET


def _rule(entry: Entry) -> int | None:
    return None if entry.rule == NO_RULE else entry.rule


def _stamp(outcome: Outcome) -> int:
    """What a flow's entry says of who allowed it."""
    return NO_RULE if outcome.rule is None else outcome.rule


def _outcome(judgement: Judgement, direction: Direction) -> Outcome:
    return Outcome(
        judgement.verdict,
        judgement.rule,
        judgement.reason,
        direction,
        judgement.logs,
        judged=judgement.rule is not None,
        staged=judgement.staged,
    )


def _event(packet: Packet) -> Event:
    """The table's event: RST wins, a SYN is a SYN whatever else is set."""
    if packet.cls is PacketClass.REPLY:
        return Event.REPLY
    if packet.cls is not PacketClass.TCP:
        return Event.PACKET
    if packet.tcp_flags & TCP_RST:
        return Event.RST
    if packet.tcp_flags & TCP_SYN:
        return Event.SYN_ACK if packet.tcp_flags & TCP_ACK else Event.SYN
    return Event.FIN if packet.tcp_flags & TCP_FIN else Event.PACKET
