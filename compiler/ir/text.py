"""The IR as text that a person reviews in a golden file, and back.

    polc-ir 1
    set $0
      10.0.0.0/8
      2001:db8::/32
    ingress
      tier default: deny #4
        policy NetworkPolicy/shop/web
          #0 log
          #1 allow: version 4, proto 6, src in $0, dst port 80|443-444
          #2 deny: proto not 17, src not in $0, icmp not 3/1
          #3 allow: dst endpoint 6:443 6:80|8080@$0 17:53@$1, src endpoint not none
      end: allow #5
    egress
      end: allow #0

After a direction's end may come `staged`, and then tiers and an end of what is staged there.

The prefixes of a set, and the rules of a policy, are a line each; an index follows its `#`. The text of a
program is always the same, and `load(dump(p)) == p`. The reader goes line by line instead of through Lark,
because a set of tens of thousands of prefixes is ordinary and every line has one simple shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from ...pair.layout import Direction
from .check import IrError
from .nodes import (
    Action,
    AddressSet,
    Criterion,
    End,
    EndpointPorts,
    Judge,
    MatchAddress,
    MatchEndpointPort,
    MatchIcmp,
    MatchPort,
    MatchProtocol,
    MatchVersion,
    Policy,
    Prefix,
    Program,
    Rule,
    Side,
    Tier,
)

_HEADER = "polc-ir 1"
_STAGED = "staged"
_DIGITS = 10  # of an index; every other number is shorter


def dump(program: Program) -> str:
    """The text, ending in a newline."""
    return "\n".join([_HEADER, *_dump_lines(program)]) + "\n"


def load(text: str) -> Program:
    """The program of a text; raises IrError naming the line. Invariants are `check`'s, not tested here."""
    return _Reader(text).program()


def _dump_lines(program: Program) -> Iterator[str]:
    for item in program.sets:
        yield f"set {item.name}"
        for prefix in item.prefixes:
            yield f"  {prefix_text(prefix)}"
    for direction in Direction:
        judge = program.judge(direction)
        yield direction.word
        yield from _judge_lines(judge)
        if judge.staged is not None:
            yield _STAGED
            yield from _judge_lines(judge.staged)


def _judge_lines(judge: Judge) -> Iterator[str]:
    for tier in judge.tiers:
        yield f"  tier {tier.name}: {tier.default} #{tier.default_index}"
        for policy in tier.policies:
            yield f"    policy {policy.name}"
            for rule in policy.rules:
                yield f"      {rule_text(rule)}"
    yield f"  end: {judge.end.action} #{judge.end.index}"


def rule_text(rule: Rule) -> str:
    """One rule's line without indentation."""
    head = f"#{rule.index} {rule.action}"
    return f"{head}: {', '.join(map(criterion_text, rule.criteria))}" if rule.criteria else head


def criterion_text(criterion: Criterion) -> str:
    """One criterion, as in `dst port not 80|443-444`."""
    match criterion:
        case MatchVersion(version):
            return f"version {version}"
        case MatchProtocol(number, negated):
            return f"proto {_not(negated)}{number}"
        case MatchAddress(side, name, negated):
            return f"{side} {_not(negated)}in {name}"
        case MatchPort(side, ranges, negated):
            return f"{side} port {_not(negated)}{_ranges_text(ranges)}"
        case MatchIcmp(kind, code, negated):
            return f"icmp {_not(negated)}{kind}" + ("" if code is None else f"/{code}")
        case MatchEndpointPort(side, entries, negated):
            return f"{side} endpoint {_not(negated)}{' '.join(map(_entry_text, entries)) or 'none'}"


def _ranges_text(ranges: tuple[tuple[int, int], ...]) -> str:
    return "|".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)


def _entry_text(entry: EndpointPorts) -> str:
    where = "" if entry.set is None else f"@{entry.set}"
    return f"{entry.protocol}:{_ranges_text(entry.ranges)}{where}"


def _not(negated: bool) -> str:
    return "not " if negated else ""


def prefix_text(prefix: Prefix) -> str:
    """A CIDR in the usual notation; IPv6 by RFC 5952 without the embedded IPv4 form."""
    if prefix.version == 4:
        octets = prefix.address.to_bytes(4, "big")
        return f"{octets[0]}.{octets[1]}.{octets[2]}.{octets[3]}/{prefix.length}"
    return f"{_v6_text(prefix.address)}/{prefix.length}"


def _v6_text(address: int) -> str:
    # Not str(IPv6Address): Python versions differ in how they print IPv4-mapped addresses.
    groups = [address >> shift & 0xFFFF for shift in range(112, -16, -16)]
    start, length = 0, 1
    for at in range(8):
        run = next((n for n in range(8 - at) if groups[at + n]), 8 - at)
        if run > length:
            start, length = at, run
    texts = [f"{group:x}" for group in groups]
    if length == 1:
        return ":".join(texts)
    return f"{':'.join(texts[:start])}::{':'.join(texts[start + length :])}"


class _Reader:
    """A cursor over the text's lines; `_line` is the one being read."""

    def __init__(self, text: str) -> None:
        self._lines = [line.strip() for line in text.rstrip().splitlines()]
        self._at = 0

    def program(self) -> Program:
        if self._peek() != _HEADER:
            raise self._error(f"expected {_HEADER!r}")
        self._at += 1
        sets = []
        while self._peek().startswith("set "):
            sets.append(self._set())
        judges = [self._judge(direction) for direction in Direction]
        if self._at < len(self._lines):
            raise self._error("expected the end of the text")
        return Program(tuple(sets), *judges)

    def _peek(self) -> str:
        return self._lines[self._at] if self._at < len(self._lines) else ""

    def _error(self, message: str) -> IrError:
        return IrError(f"line {self._at + 1}: {message}, found {self._peek()!r}")

    def _set(self) -> AddressSet:
        name = self._peek().removeprefix("set ")
        self._at += 1
        prefixes = []
        while "/" in (line := self._peek()):
            prefixes.append(self._prefix(line))
            self._at += 1
        return AddressSet(name, tuple(prefixes))

    def _prefix(self, line: str) -> Prefix:
        address, _, length = line.partition("/")
        try:
            if ":" in address:
                return Prefix(6, int(IPv6Address(address)), self._number(length))
            return Prefix(4, int(IPv4Address(address)), self._number(length))
        except AddressValueError:
            raise self._error("expected a prefix") from None

    def _judge(self, direction: Direction) -> Judge:
        if self._peek() != direction.word:
            raise self._error(f"expected {direction.word!r}")
        self._at += 1
        judge = self._decision(direction)
        if self._peek() != _STAGED:
            return judge
        self._at += 1
        return replace(judge, staged=self._decision(direction))

    def _decision(self, direction: Direction) -> Judge:
        tiers = []
        while self._peek().startswith("tier "):
            tiers.append(self._tier())
        head, action, index = self._head()
        if head != "end":
            raise self._error("expected 'tier' or 'end'")
        self._at += 1
        return Judge(direction, tuple(tiers), End(action, index))

    def _head(self) -> tuple[str, Action, int]:
        """Of `NAME: ACTION #INDEX`."""
        name, _, rest = self._peek().partition(": ")
        action, _, index = rest.partition(" ")
        if not index.startswith("#"):
            raise self._error("expected 'NAME: ACTION #INDEX'")
        return name, self._action(action), self._number(index[1:])

    def _tier(self) -> Tier:
        head, default, index = self._head()
        self._at += 1
        policies = []
        while (line := self._peek()).startswith("policy "):
            self._at += 1
            rules = []
            while self._peek().startswith("#"):
                rules.append(self._rule())
            policies.append(Policy(line.removeprefix("policy "), tuple(rules)))
        return Tier(head.removeprefix("tier "), default, index, tuple(policies))

    def _rule(self) -> Rule:
        head, colon, rest = self._peek().partition(": ")
        index, _, action = head.partition(" ")
        criteria = tuple(map(self._criterion, rest.split(", "))) if colon else ()
        rule = Rule(self._number(index[1:]), self._action(action), criteria)
        self._at += 1
        return rule

    def _criterion(self, text: str) -> Criterion:
        words = text.split(" ")
        negated = "not" in words
        match [word for word in words if word != "not"]:
            case ["version", version] if not negated:
                return MatchVersion(self._number(version))
            case ["proto", number]:
                return MatchProtocol(self._number(number), negated)
            case [("src" | "dst") as side, "in", name]:
                return MatchAddress(Side(side), name, negated)
            case [("src" | "dst") as side, "port", ranges]:
                return MatchPort(Side(side), self._ranges(ranges), negated)
            case [("src" | "dst") as side, "endpoint", "none"]:
                return MatchEndpointPort(Side(side), (), negated)
            case [("src" | "dst") as side, "endpoint", *entries] if entries:
                return MatchEndpointPort(Side(side), tuple(map(self._entry, entries)), negated)
            case ["icmp", value]:
                kind, slash, code = value.partition("/")
                return MatchIcmp(self._number(kind), self._number(code) if slash else None, negated)
        raise self._error("expected a criterion")

    def _entry(self, text: str) -> EndpointPorts:
        ports, _, name = text.partition("@")
        protocol, _, ranges = ports.partition(":")
        return EndpointPorts(self._number(protocol), self._ranges(ranges), name or None)

    def _ranges(self, text: str) -> tuple[tuple[int, int], ...]:
        return tuple(map(self._range, text.split("|")))

    def _range(self, text: str) -> tuple[int, int]:
        first, dash, last = text.partition("-")
        return self._number(first), self._number(last if dash else first)

    def _action(self, text: str) -> Action:
        try:
            return Action(text)
        except ValueError:
            raise self._error("expected an action") from None

    def _number(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
            raise self._error("expected a number")
        return int(text)
