"""The course of a host endpoint: failsafe ports, what is judged before, what is forwarded, and the rest.

Dossier §6.4. A tc program sees packets before any DNAT on their way in, so preDNAT policies mean there what
they say. Whether a packet is for (or from) the host itself is told by the host's own addresses, which are
those of all host endpoints of its node, and by addresses that no router forwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from typing import Final

from ...pair.failsafes import Failsafe, Failsafes
from ...pair.layout import Direction
from ..ir.nodes import Action, Criterion, MatchAddress, MatchPort, MatchProtocol, Prefix, Side
from ..ir.sets import merge
from ..resources import HostEndpoint, Policy
from ..source import Diagnostics
from . import codes
from .courses import Block, Course, FixedRule, NameSet, Stretch, profile_stretches, stretch
from .policies import policy_name
from .profiles import Behind
from .tiers import Tiers, by_tier
from .world import World, network_prefix

FAILSAFE_TIER: Final = "@failsafe"
FORWARDED_TIER: Final = "@forwarded"

_EVERY_INTERFACE: Final = "*"

# Never forwarded: loopback, link-local (RFC 3927, RFC 4291), and to nobody or to many (RFC 1122, RFC 4291).
_NEAR: Final = ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10")
_UNFORWARDED: Final = {
    Direction.INGRESS: (*_NEAR, "224.0.0.0/4", "255.255.255.255/32", "ff00::/8"),
    Direction.EGRESS: (*_NEAR, "0.0.0.0/32", "::/128"),
}
_OWN_SIDE: Final = {Direction.INGRESS: Side.DESTINATION, Direction.EGRESS: Side.SOURCE}


def host_addresses(world: World, host: HostEndpoint) -> tuple[Prefix, ...]:
    """The addresses of the host's node, as its host endpoints have them."""
    return world.node_addresses[host.node]


def check_host(
    world: World, host: HostEndpoint, policies: Iterable[Policy], diagnostics: Diagnostics
) -> bool:
    """Whether the host's policy can be honoured; what stands against it is reported."""
    good = True
    if not host_addresses(world, host):
        good = False
        diagnostics.error(
            codes.HOST_ADDRESSES,
            f"HostEndpoint {host.metadata.name} has no expectedIPs: what is for the host itself and what it "
            "forwards cannot be told apart",
            host.at,
            hint="give its node's addresses as `expectedIPs`",
        )
    for policy in policies:
        if policy.do_not_track:
            good = False
            diagnostics.error(
                codes.UNTRACKED,
                f"{policy_name(policy)} applies to HostEndpoint {host.metadata.name} and has doNotTrack: "
                "polc tracks every flow it allows, and would let answers pass that this policy asks about",
                policy.at,
                hint="select other endpoints, or do without doNotTrack",
            )
    if host.interface_name == _EVERY_INTERFACE:
        diagnostics.warning(
            codes.EVERY_INTERFACE,
            f"HostEndpoint {host.metadata.name} is for every interface: its policy is in force on those that "
            "its pair is attached to, and never on those of workloads",
            host.at,
        )
    return good


def host_course(
    world: World,
    host: HostEndpoint,
    policies: Sequence[Policy],
    direction: Direction,
    behind: Behind,
    failsafes: Failsafes,
) -> Course:
    """policies: those that apply, in order, without any that is not tracked."""
    mine = [item for item in policies if direction in item.types]
    forward = [item for item in mine if item.apply_on_forward and not item.pre_dnat]
    normal = [item for item in mine if not item.pre_dnat]
    turns = _Turns(world, host, direction)
    ports = failsafes.inbound if direction is Direction.INGRESS else failsafes.outbound
    stretches = (
        *turns.failsafes(ports),
        *_before(mine, world.tiers, direction),
        *turns.forwarded(forward),
        *(stretch(tier, members, direction) for tier, members in by_tier(normal, world.tiers)),
        *profile_stretches(behind, direction),
    )
    return Course(stretches, behind.end, "end" if normal else "no-policy", host.at)


def _before(policies: Sequence[Policy], tiers: Tiers, direction: Direction) -> Iterable[Stretch]:
    """The preDNAT policies: what they do not decide goes on, whatever their tier says (§6.4)."""
    early = [item for item in policies if item.pre_dnat and direction is Direction.INGRESS]
    for tier, members in by_tier(early, tiers):
        made = stretch(tier, members, direction)
        yield Stretch(f"{tier.name}@pre-dnat", Action.PASS, made.blocks, made.at, made.owner)


class _Turns:
    """What is decided by whether a packet is the host's own."""

    def __init__(self, world: World, host: HostEndpoint, direction: Direction) -> None:
        self._tiers = world.tiers
        self._host = host
        self._direction = direction
        near = (network_prefix(ip_network(text)) for text in _UNFORWARDED[direction])
        self._own = merge((*host_addresses(world, host), *near))

    def _is_own(self, name_set: NameSet, *, negated: bool = False) -> MatchAddress:
        return MatchAddress(_OWN_SIDE[self._direction], name_set(self._own), negated)

    def failsafes(self, ports: Sequence[Failsafe]) -> tuple[Stretch, ...]:
        if not ports:
            return ()
        rules = tuple(map(self._failsafe, ports))
        return (self._stretch(FAILSAFE_TIER, rules),)

    def _failsafe(self, item: Failsafe) -> FixedRule:
        far = _OWN_SIDE[self._direction.other]

        def criteria(name_set: NameSet) -> tuple[Criterion, ...]:
            own = self._is_own(name_set)
            asked = () if item.net is None else (MatchAddress(far, name_set((network_prefix(item.net),))),)
            port = MatchPort(Side.DESTINATION, ((item.port, item.port),))
            return (MatchProtocol(item.protocol), own, *asked, port)

        return FixedRule("failsafe", Action.ALLOW, item.owner, self._host.at, criteria)

    def forwarded(self, policies: Sequence[Policy]) -> Iterable[Stretch]:
        """What is forwarded meets the applyOnForward policies alone, and passes when none decides."""
        own = FixedRule(
            "not-forwarded",
            Action.PASS,
            "the host's own packets",
            self._host.at,
            lambda name_set: (self._is_own(name_set),),
        )
        for tier, members in by_tier(policies, self._tiers):
            made = stretch(tier, members, self._direction)
            blocks = (Block(FORWARDED_TIER, "", (own,)), *made.blocks)
            yield Stretch(f"{tier.name}@forward", made.default, blocks, made.at, made.owner)
        passing = FixedRule(
            "forwarded",
            Action.ALLOW,
            "forwarded packets",
            self._host.at,
            lambda name_set: (self._is_own(name_set, negated=True),),
        )
        yield self._stretch(FORWARDED_TIER, (passing,))

    def _stretch(self, name: str, rules: tuple[FixedRule, ...]) -> Stretch:
        owner = f"HostEndpoint/{self._host.metadata.name}"
        return Stretch(name, Action.PASS, (Block(name, "", rules),), self._host.at, owner)
