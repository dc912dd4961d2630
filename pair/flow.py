"""The one definition of flow tracking: key, states, events, time-outs and the transition table, as data.

The model interprets this table, codegen lowers it to bytes, `monitor` takes its names from it.

**Key** (layout.FLOW_KEY): written from the endpoint's side, so both directions of a flow have one key
without comparing addresses. A packet of direction *ingress* has local = destination, remote = source;
*egress* the reverse. Ports: TCP, UDP, SCTP theirs; ICMP query and reply: local = identifier, remote = 0,
initiator = 1 + direction of the request (so that two hosts that ping each other with one identifier have
two flows); everything else 0.

**Walk** for a packet of a class that has flows (`ProtocolClass`): look the entry up; an entry idle for
longer than its state's time-out counts as absent (state NONE). `who` is OWNER when the packet's direction is
the entry's owner, or when there is no entry. Then `transition(cls, state, who, event)`:

* ACCEPT: when the entry's generation is older than the program's (signed 32-bit difference) and
  KEEP_ESTABLISHED is not set, the *owner's* direction judges the owner's tuple again (a peer's packet with
  addresses and ports swapped; an ICMP reply as the request it answers, of code 0): allowed → generation
  and rule re-stamped, then as below; denied → entry deleted, packet dropped with reason CUT and the deciding
  rule. A generation that is not older is accepted as it is. The entry's state becomes `state`, `seen` is now.
* JUDGE: the policy of the packet's own direction judges. Denied → dropped with reason POLICY, the entry
  untouched. Allowed: `adopt` → a new entry (owner = the packet's direction, generation, rule, `state`);
  otherwise, when who is OWNER → generation, rule, `state`, `seen` are updated; when PEER → entry untouched.
* DROP: dropped with `reason`, the entry untouched. But on a host's own interface (HOST) a TCP PACKET without
  an entry is judged as one that opens a flow, and when allowed adopted as PICKED_UP: what was open before the
  policy came goes on as far as the policy allows it, so that nobody is locked out of a host.

ICMP errors look up the flow of the packet they carry (as the sender of that packet saw it: the opposite of
the error's direction); a live entry whose generation is not older (or KEEP_ESTABLISHED) lets them pass
unchanged, anything else drops them with UNRELATED.

Sources: Calico's conntrack rules and time-outs, dossier §11.1 and §11.2; RFC 9293 for the TCP flags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from .packet import Reason


class ProtocolClass(IntEnum):
    TCP = 0
    UDP = 1
    QUERY = 2  # ICMP and ICMPv6 request and reply
    GENERIC = 3


class State(IntEnum):
    NONE = 0  # no entry
    SYN_SENT = 1
    SYN_ACKED = 2
    ESTABLISHED = 3
    FIN_OWNER = 4
    FIN_PEER = 5
    CLOSED = 6  # FIN both ways, or RST
    OPEN = 7  # every class other than TCP


class Who(IntEnum):
    OWNER = 0  # the side whose packet was judged
    PEER = 1


class Event(IntEnum):
    PACKET = 0  # UDP, generic; ICMP request or TCP segment without SYN, FIN, RST
    SYN = 1  # SYN without ACK
    SYN_ACK = 2
    FIN = 3
    RST = 4  # wins over the other flags
    REPLY = 5  # ICMP reply


class Timeout(IntEnum):
    """Index into layout.Config.timeouts."""

    TCP_SYN = 0
    TCP_ESTABLISHED = 1
    TCP_CLOSED = 2
    UDP = 3
    ICMP = 4
    GENERIC = 5


# Seconds of silence (dossier §11.2). CLOSED covers Calico's TCPFinsSeen (30 s) and TCPResetSeen (40 s).
TIMEOUTS: Final[Mapping[Timeout, int]] = MappingProxyType(
    {
        Timeout.TCP_SYN: 20,
        Timeout.TCP_ESTABLISHED: 3600,
        Timeout.TCP_CLOSED: 40,
        Timeout.UDP: 60,
        Timeout.ICMP: 5,
        Timeout.GENERIC: 600,
    }
)


class Step(IntEnum):
    ACCEPT = 0
    JUDGE = 1
    DROP = 2


@dataclass(frozen=True, slots=True)
class Transition:
    state: State
    timeout: Timeout
    step: Step
    adopt: bool = False
    reason: Reason = Reason.NONE


_STATE_TIMEOUT: Final = {
    State.SYN_SENT: Timeout.TCP_SYN,
    State.SYN_ACKED: Timeout.TCP_SYN,
    State.ESTABLISHED: Timeout.TCP_ESTABLISHED,
    State.FIN_OWNER: Timeout.TCP_CLOSED,
    State.FIN_PEER: Timeout.TCP_CLOSED,
    State.CLOSED: Timeout.TCP_CLOSED,
}
_CLASS_TIMEOUT: Final = {
    ProtocolClass.TCP: Timeout.TCP_SYN,
    ProtocolClass.UDP: Timeout.UDP,
    ProtocolClass.QUERY: Timeout.ICMP,
    ProtocolClass.GENERIC: Timeout.GENERIC,
}


def timeout_of(cls: ProtocolClass, state: State) -> Timeout:
    """The time-out class of an entry at rest in `state`."""
    return _STATE_TIMEOUT.get(state, _CLASS_TIMEOUT[cls])


def _tcp(state: State, who: Who, event: Event) -> Transition:
    none = Transition(State.NONE, Timeout.TCP_SYN, Step.DROP, reason=Reason.NO_FLOW)
    if event is Event.SYN:
        if state in (State.NONE, State.CLOSED):
            return Transition(State.SYN_SENT, Timeout.TCP_SYN, Step.JUDGE, adopt=True)
        return Transition(state, timeout_of(ProtocolClass.TCP, state), Step.JUDGE)
    if state is State.NONE or event is Event.REPLY:
        return none
    after = _tcp_next(state, who, event)
    return Transition(after, timeout_of(ProtocolClass.TCP, after), Step.ACCEPT)


def _tcp_next(state: State, who: Who, event: Event) -> State:
    if event is Event.RST:
        return State.CLOSED
    if event is Event.FIN:
        mine, other = (
            (State.FIN_OWNER, State.FIN_PEER) if who is Who.OWNER else (State.FIN_PEER, State.FIN_OWNER)
        )
        if state is State.CLOSED or state is other:
            return State.CLOSED
        return mine
    if state is State.SYN_SENT and who is Who.PEER and event is Event.SYN_ACK:
        return State.SYN_ACKED
    if state is State.SYN_ACKED and who is Who.OWNER and event is Event.PACKET:
        return State.ESTABLISHED
    return state


def _other(cls: ProtocolClass, state: State, event: Event) -> Transition:
    timeout = _CLASS_TIMEOUT[cls]
    if state is State.NONE:
        if event is Event.REPLY:
            return Transition(State.NONE, timeout, Step.DROP, reason=Reason.NO_FLOW)
        return Transition(State.OPEN, timeout, Step.JUDGE, adopt=True)
    return Transition(State.OPEN, timeout, Step.ACCEPT)


def _table() -> Mapping[tuple[ProtocolClass, State, Who, Event], Transition]:
    return MappingProxyType(
        {
            (cls, state, who, event): (
                _tcp(state, who, event) if cls is ProtocolClass.TCP else _other(cls, state, event)
            )
            for cls in ProtocolClass
            for state in State
            for who in Who
            for event in Event
        }
    )


TRANSITIONS: Final = _table()


# A TCP flow of a host that is met in its middle (Linux's nf_conntrack_tcp_loose; dossier §11.1 leaves such
# packets towards the host to Linux).
PICKED_UP: Final = Transition(State.ESTABLISHED, Timeout.TCP_ESTABLISHED, Step.JUDGE, adopt=True)


def transition(cls: ProtocolClass, state: State, who: Who, event: Event) -> Transition:
    """The row for one packet; every combination has one."""
    return TRANSITIONS[cls, state, who, event]
