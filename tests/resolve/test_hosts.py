"""Compiling for a HostEndpoint: what is refused with its reason, failsafe ports, and their provenance."""

from __future__ import annotations

import pytest
from polc.compiler.ir.nodes import MatchAddress, MatchPort, MatchProtocol, Program
from polc.compiler.ir.rewrite import rules_of
from polc.compiler.resolve import EndpointRef, Resolved, World, endpoints, resolve_endpoint, review
from polc.compiler.source import Diagnostics
from polc.pair.failsafes import DEFAULTS, FailsafeError, Failsafes, read_failsafes
from polc.pair.layout import Direction
from polc.tests.resolve.inventory import document, world_of

HOST = document("HostEndpoint", "h", "{node: n, interfaceName: eth0, expectedIPs: [192.0.2.1]}")


def hosted(
    world: World, name: str = "h", failsafes: Failsafes = DEFAULTS
) -> tuple[Resolved | None, Diagnostics]:
    found = Diagnostics()
    return resolve_endpoint(world, EndpointRef("", name), found, failsafes), found


def taken(world: World, failsafes: Failsafes = DEFAULTS) -> Resolved:
    resolved, found = hosted(world, failsafes=failsafes)
    assert resolved is not None, list(found)
    return resolved


def failsafe_ports(program: Program, direction: Direction) -> list[tuple[int, int]]:
    """(protocol, port) of the rules of the failsafe tier, in order."""
    judge = program.judge(direction)
    ports = []
    for rule in (rule for tier in judge.tiers if tier.name == "@failsafe" for rule in tier.policies[0].rules):
        protocol = next(item.number for item in rule.criteria if isinstance(item, MatchProtocol))
        ranges = next(item.ranges for item in rule.criteria if isinstance(item, MatchPort))
        ports.append((protocol, ranges[0][0]))
    return ports


def test_a_host_endpoint_says_who_it_is_and_is_listed() -> None:
    world = world_of(HOST)
    assert endpoints(world) == (EndpointRef("", "h", "HostEndpoint"),)
    assert endpoints(world)[0].file_name == "h"
    resolved = taken(world)
    assert (resolved.name, resolved.endpoint, resolved.addresses) == ("h", "h", ("192.0.2.1",))


def test_the_default_failsafe_ports_are_calicos() -> None:
    """Dossier §6.5."""
    program = taken(world_of(HOST)).program
    control = [(6, port) for port in (179, 2379, 2380, 5473, 6443, 6666, 6667)]
    assert failsafe_ports(program, Direction.INGRESS) == [(6, 22), (17, 68), *control]
    assert failsafe_ports(program, Direction.EGRESS) == [(17, 53), (17, 67), *control]


def test_the_provenance_of_a_failsafe_names_the_option_or_says_default() -> None:
    world = world_of(HOST)
    given = read_failsafes("udp:10.0.0.0/8:68,22,tcp:[fd00::/8]:179", None)
    resolved = taken(world, given)
    ingress = [item for item in resolved.provenance[Direction.INGRESS] if item.what == "failsafe"]
    assert [item.policy for item in ingress] == [
        "--failsafe-inbound udp:10.0.0.0/8:68",
        "--failsafe-inbound tcp:22",
        "--failsafe-inbound tcp:[fd00::/8]:179",
    ]
    assert len({item.key for item in ingress}) == 3
    egress = [item for item in resolved.provenance[Direction.EGRESS] if item.what == "failsafe"]
    assert egress[0].policy == "default failsafe udp:53"
    assert all(item.span is not None for item in (*ingress, *egress))


def test_a_failsafe_with_a_network_is_open_for_it_alone() -> None:
    """Inbound it is the source's, outbound the destination's (§6.5)."""
    given = read_failsafes("udp:10.0.0.0/8:68", "tcp:10.0.0.0/8:443")
    program = taken(world_of(HOST), given).program
    for direction in Direction:
        rule = next(iter(rules_of(program.judge(direction))))
        sides = [item.side.value for item in rule.criteria if isinstance(item, MatchAddress)]
        assert sides == (["dst", "src"] if direction is Direction.INGRESS else ["src", "dst"])


def test_no_failsafe_port_at_all_can_be_asked_for() -> None:
    program = taken(world_of(HOST), read_failsafes("none", "none")).program
    assert failsafe_ports(program, Direction.INGRESS) == failsafe_ports(program, Direction.EGRESS) == []


@pytest.mark.parametrize(
    "text",
    ["tcp", "tcp:", "tcp:0", "tcp:70000", "icmp:1", "TCP:22", "tcp:10.0.0.0/33:22", "tcp:22;23", "tcp:a:22"],
)
def test_a_failsafe_option_that_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(FailsafeError, match="--failsafe-outbound"):
        read_failsafes(None, text)


def test_a_host_without_addresses_is_refused_and_left_out_with_a_warning() -> None:
    bare = document("HostEndpoint", "h", "{node: n, interfaceName: eth0}")
    world = world_of(bare)
    resolved, found = hosted(world)
    assert resolved is None
    assert [item.code for item in found] == ["POLC-E0721"]
    assert endpoints(world) == ()
    warned = Diagnostics()
    review(world, (), warned)
    assert not list(warned)
    review(world_of(bare, document("GlobalNetworkPolicy", "g", "{types: [Ingress]}")), (), warned)
    assert [item.code for item in warned] == ["POLC-W0722"]


def test_the_hosts_addresses_are_those_of_its_node() -> None:
    other = document("HostEndpoint", "o", "{node: n, interfaceName: eth1, expectedIPs: [198.51.100.7]}")
    far = document("HostEndpoint", "f", "{node: m, interfaceName: eth1, expectedIPs: [203.0.113.7]}")
    bare = document("HostEndpoint", "h", "{node: n, interfaceName: eth0}")
    program = taken(world_of(bare, other, far)).program
    members = {prefix.address for item in program.sets for prefix in item.prefixes if prefix.length == 32}
    assert int.from_bytes(bytes((198, 51, 100, 7)), "big") in members
    assert int.from_bytes(bytes((203, 0, 113, 7)), "big") not in members


def test_an_untracked_policy_of_the_host_is_refused_with_the_reason() -> None:
    spec = "{applyOnForward: true, doNotTrack: true, selector: all(), types: [Ingress]}"
    resolved, found = hosted(world_of(HOST, document("GlobalNetworkPolicy", "u", spec)))
    assert resolved is None
    (item,) = found
    assert item.code == "POLC-E0720"
    assert "would let answers pass" in item.message
    elsewhere = spec.replace("all()", "has(nobody)")
    assert hosted(world_of(HOST, document("GlobalNetworkPolicy", "u", elsewhere)))[0] is not None


def test_a_host_endpoint_for_every_interface_is_compiled_with_a_warning() -> None:
    spec = "{node: n, interfaceName: '*', expectedIPs: [192.0.2.1]}"
    resolved, found = hosted(world_of(document("HostEndpoint", "h", spec)))
    assert resolved is not None
    assert [item.code for item in found] == ["POLC-W0721"]


def test_a_network_policy_never_selects_a_host() -> None:
    policy = document("NetworkPolicy", "p", "{selector: all(), ingress: [{action: Allow}]}", namespace="a")
    program = taken(world_of(HOST, policy)).program
    assert [tier.name for tier in program.ingress.tiers] == ["@failsafe", "@forwarded"]


def test_a_host_inherits_the_labels_of_its_profiles() -> None:
    profile = document("Profile", "p", "{labelsToApply: {role: node}}")
    host = document(
        "HostEndpoint", "h", "{node: n, interfaceName: eth0, expectedIPs: [192.0.2.1], profiles: [p]}"
    )
    policy = document("GlobalNetworkPolicy", "g", "{selector: role == 'node', types: [Ingress]}")
    program = taken(world_of(host, profile, policy)).program
    assert [tier.name for tier in program.ingress.tiers] == ["@failsafe", "@forwarded", "default"]


def test_the_rules_of_a_hosts_profiles_come_last() -> None:
    host = document("HostEndpoint", "h", "{node: n, expectedIPs: [192.0.2.1], profiles: [p]}")
    profile = document("Profile", "p", "{ingress: [{action: Allow}], egress: []}")
    program = taken(world_of(host, profile)).program
    assert [tier.name for tier in program.ingress.tiers] == ["@failsafe", "@forwarded", "@profiles"]
    assert [tier.name for tier in program.egress.tiers] == ["@failsafe", "@forwarded"]


def test_without_staged_policies_nothing_is_judged_beside() -> None:
    spec = "{selector: all(), types: [Ingress, Egress]}"
    program = taken(world_of(HOST, document("GlobalNetworkPolicy", "g", spec))).program
    assert program.ingress.staged is None
    assert program.egress.staged is None
    program = taken(world_of(HOST, document("StagedGlobalNetworkPolicy", "g", spec))).program
    assert program.ingress.staged is not None
    assert program.ingress.staged.tiers[0].name == "@failsafe"
