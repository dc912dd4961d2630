"""Test cases as data: who sends what to whom, and what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..compiler.source import Span
from .ends import Side

VerdictWord = Literal["allow", "deny"]


@dataclass(frozen=True, slots=True)
class Expected:
    """verdict, and the rules that must have decided (any spelling of `matches`); none: any rule may."""

    verdict: VerdictWord
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Packet:
    """What of a packet does not depend on who sends it. protocol: a number. port: of the receiver.

    Ports are None without ports; sport is None for the usual one; icmp_type None for an echo request.
    """

    protocol: int
    port: int | None = None
    sport: int | None = None
    icmp_type: int | None = None
    icmp_code: int = 0
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """A step that sends: forwards from the case's sender to its receiver, or back. flags: of TCP.

    unreachable: the ICMP error about what the other side sent last (by the case: its first packet).
    """

    at: Span
    words: str
    forwards: bool
    expected: Expected
    flags: int = 0
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """A step in which nothing is sent for so many milliseconds."""

    at: Span
    words: str
    milliseconds: int


Step = Send | Wait


@dataclass(frozen=True, slots=True)
class Case:
    """One case. at: its name. source_at, destination_at: where the ends are named."""

    at: Span
    name: str
    source: Side
    destination: Side
    source_at: Span
    destination_at: Span
    packet: Packet
    steps: tuple[Step, ...]
