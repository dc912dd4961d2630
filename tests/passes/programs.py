"""Random programs over a tiny world, where rules often contradict, repeat and shadow each other, and the
packets that tell them apart."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from polc.compiler.ir.nodes import (
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
from polc.compiler.ir.sets import number_sets
from polc.compiler.model import Packet
from polc.pair.layout import Direction
from polc.pair.packet import PacketClass

SETS = (
    (),
    (Prefix(4, 0, 0), Prefix(6, 0, 0)),
    (Prefix(4, 0, 0),),
    (Prefix(6, 0, 0),),
    (Prefix(4, 8, 30),),
    (Prefix(4, 8, 31), Prefix(6, 8, 126)),
    (Prefix(6, 9, 128),),
)
DISJOINT = (("$4", "$6"), ("$5",), ("$2", "$3"), ())
RANGES = (((0, 65535),), ((80, 80),), ((80, 81),), ((79, 79), (81, 90)), ((1, 65535),))
ACTIONS = (Action.ALLOW, Action.DENY, Action.LOG, Action.PASS)


def _criterion(random: Random, *, ported: bool) -> Criterion:
    side, negated = random.choice(list(Side)), random.random() < 0.4
    kind = random.randrange(6 if ported else 5)
    if kind == 0:
        return MatchVersion(random.choice((4, 6)))
    if kind == 1:
        return MatchProtocol(random.choice((1, 6, 17, 58)), negated)
    if kind == 2:
        return MatchAddress(side, f"${random.randrange(len(SETS))}", negated)
    if kind == 3:
        return MatchIcmp(random.choice((8, 128)), random.choice((None, 0, 1)), negated)
    if kind == 4:
        return MatchEndpointPort(side, _entries(random, anywhere=not negated), negated)
    return MatchPort(side, random.choice(RANGES), negated)


def _entries(random: Random, *, anywhere: bool) -> tuple[EndpointPorts, ...]:
    found: list[EndpointPorts] = []
    for protocol in random.sample((6, 17, 132), random.choice((0, 1, 1, 2))):
        if anywhere and random.random() < 0.4:
            found.append(EndpointPorts(protocol, ((79, 79),), None))
        for name in random.choice(DISJOINT):
            found.append(EndpointPorts(protocol, random.choice(RANGES[1:3]), name))
    return tuple(sorted(found, key=lambda entry: (entry.protocol, entry.set is not None)))


def _criteria(random: Random) -> tuple[Criterion, ...]:
    ported = random.random() < 0.5
    drawn = [_criterion(random, ported=ported) for _ in range(random.randrange(4))]
    return (MatchProtocol(random.choice((6, 17))), *drawn) if ported else tuple(drawn)


def _judge(random: Random, direction: Direction, *, staged: bool) -> Judge:
    judge = _decision(random, direction, 0, ACTIONS)
    if not staged or random.random() < 0.5:
        return judge
    silent = tuple(action for action in ACTIONS if action is not Action.LOG)
    return replace(judge, staged=_decision(random, direction, judge.index_count, silent))


def _decision(random: Random, direction: Direction, count: int, actions: tuple[Action, ...]) -> Judge:
    tiers = []
    for tier in range(random.randrange(4)):
        policies = []
        for policy in range(random.randrange(3)):
            rules = []
            for _ in range(random.randrange(5)):
                rules.append(Rule(count, random.choice(actions), _criteria(random)))
                count += 1
            policies.append(Policy(f"P/{policy}", tuple(rules)))
        default = random.choice((Action.DENY, Action.PASS, Action.PASS))
        tiers.append(Tier(f"t{tier}", default, count, tuple(policies)))
        count += 1
    return Judge(direction, tuple(tiers), End(random.choice((Action.ALLOW, Action.DENY)), count))


def random_program(random: Random, *, staged: bool = False) -> Program:
    """A program as resolve might give it: dense indices, sets by first use; half of the judges staged."""
    sets = tuple(AddressSet(f"${number}", content) for number, content in enumerate(SETS))
    judges = (_judge(random, direction, staged=staged) for direction in Direction)
    return number_sets(Program(sets, *judges))


def random_packet(random: Random) -> Packet:
    """A packet near the edges of SETS and RANGES; protocols of either family in both."""
    version, protocol = random.choice((4, 6)), random.choice((1, 6, 17, 58, 47))
    near, far = random.choice((7, 8, 9, 10, 11, 12)), random.choice((7, 8, 9, 10, 11, 12))
    if (version, protocol) in ((4, 1), (6, 58)):
        kind, code = random.choice((8, 128)), random.choice((0, 1))
        return Packet(PacketClass.QUERY, version, protocol, near, far, icmp_type=kind, icmp_code=code)
    if protocol in (6, 17):
        sport, dport = random.choice((79, 80, 81)), random.choice((0, 79, 80, 81, 91))
        return Packet(PacketClass.UDP, version, protocol, near, far, sport, dport)
    return Packet(PacketClass.GENERIC, version, protocol, near, far)
