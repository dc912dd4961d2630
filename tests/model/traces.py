"""What the traces share: three policies, the packets of one connection, and the two outcomes."""

from __future__ import annotations

from polc.compiler.ir.text import load
from polc.compiler.model import Model, Outcome, Verdict
from polc.pair.flow import State
from polc.pair.layout import Direction
from polc.pair.packet import Reason
from polc.tests.model.frames import (
    ACK,
    OTHER,
    PEER,
    POD,
    SYN,
    icmp,
    tcp,
)

IN, OUT = Direction.INGRESS, Direction.EGRESS

# Ingress: log all, then TCP 80, UDP 53, echo, SCTP 7 and GRE. Egress: only UDP 53 and echo.
OPEN = load(
    """polc-ir 1
    ingress
      tier default: deny #7
        policy P/in
          #0 log
          #1 allow: proto 6, dst port 80
          #2 allow: proto 17, dst port 53
          #3 allow: proto 1, icmp 8
          #4 allow: proto 132, dst port 7
          #5 allow: proto 58, icmp 128
          #6 allow: proto 47
      end: allow #8
    egress
      tier default: deny #2
        policy P/out
          #0 allow: proto 17, dst port 53
          #1 allow: proto 1, icmp 8
      end: allow #3
    """
)
SHUT = load("polc-ir 1\ningress\n  end: deny #0\negress\n  end: deny #0\n")
WIDE = load("polc-ir 1\ningress\n  end: allow #0\negress\n  end: allow #0\n")


def to_pod(flags: int, sport: int = 4000, dport: int = 80) -> bytes:
    return tcp(PEER, POD, sport, dport, flags)


def from_pod(flags: int, sport: int = 80, dport: int = 4000) -> bytes:
    return tcp(POD, PEER, sport, dport, flags)


def passed(outcome: Outcome) -> State:
    """The state of the flow after a packet that passed; an assertion otherwise."""
    assert (outcome.verdict, outcome.reason) == (Verdict.ALLOW, Reason.NONE), outcome
    assert outcome.entry is not None
    return outcome.entry.state


def dropped(outcome: Outcome) -> Reason:
    assert outcome.verdict is Verdict.DROP, outcome
    assert outcome.reason is not Reason.NONE
    return outcome.reason


def established(model: Model, now: float = 0) -> None:
    assert passed(model.step(IN, to_pod(SYN), now)) is State.SYN_SENT
    assert passed(model.step(OUT, from_pod(SYN | ACK), now)) is State.SYN_ACKED
    assert passed(model.step(IN, to_pod(ACK), now)) is State.ESTABLISHED


def unreachable(inside: bytes, source: str = OTHER, destination: str = POD) -> bytes:
    return icmp(source, destination, 3, 3, body=inside)
