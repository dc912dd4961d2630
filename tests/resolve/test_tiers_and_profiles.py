"""Unknown tiers, missing profiles, staged policies: what resolving says of them, and what it builds."""

from __future__ import annotations

import pytest
from polc.compiler.parse import parse
from polc.compiler.resolve import inventory, review
from polc.compiler.source import Diagnostic, Diagnostics, Source
from polc.pair.layout import Direction
from polc.tests.resolve.inventory import document, ir, read, resolved, world_of

POD = document("Pod", "web", "10.0.0.1", labels="{app: web}", namespace="shop")


def only(found: Diagnostics) -> Diagnostic:
    (item,) = found
    return item


def test_quirk_11_a_policy_in_an_unknown_tier_is_an_error_at_the_tiers_name() -> None:
    _, found = read(
        document("NetworkPolicy", "p", "{tier: securty}"), document("Tier", "security", "{order: 1}")
    )
    item = only(found)
    assert (item.code, item.hint) == ("POLC-E0705", "did you mean security?")
    assert item.expected == "one of security, kube-admin, default, kube-baseline"
    assert item.span is not None
    assert (item.span.line, item.span.column) == (4, 14)


def _warnings(text: str) -> list[tuple[str, int]]:
    found = Diagnostics()
    resources = parse([Source.of("x.yaml", text)], found)
    review(inventory(resources, found), resources, found)
    return [(item.code, item.span.column if item.span else 0) for item in found]


def test_a_missing_profile_is_told_at_the_list_and_reached_ones_only() -> None:
    spec = "{interfaceName: c, ipNetworks: [10.0.0.5/32], profiles: %s}"
    assert _warnings(document("WorkloadEndpoint", "vm", spec % "[kns.shop, gone]", namespace="shop")) == []
    assert _warnings(document("WorkloadEndpoint", "vm", spec % "[kns.bank]", namespace="shop")) == [
        ("POLC-W0720", 63)
    ]
    assert _warnings(document("WorkloadEndpoint", "vm", spec % "[ksa.shop.x]", namespace="shop")) == []
    host = "{node: n, interfaceName: eth0, expectedIPs: [192.0.2.1], profiles: [gone]}"
    assert [code for code, _ in _warnings(document("HostEndpoint", "h", host))] == ["POLC-W0720"]


def test_a_profile_of_the_files_stands_before_the_one_that_a_namespace_makes() -> None:
    given = document(
        "Profile", "kns.shop", "{ingress: [{action: Deny, protocol: UDP}], labelsToApply: {a: b}}"
    )
    text = ir(world_of(POD, document("Namespace", "shop"), given), "web")
    assert "policy Profile/kns.shop" in text
    assert text.count("end: deny") == 2


def test_what_is_staged_has_indices_of_its_own_behind_those_in_force() -> None:
    staged = document(
        "StagedNetworkPolicy", "s", "{ingress: [{action: Log}, {action: Deny}]}", namespace="shop"
    )
    enforced = document("NetworkPolicy", "p", "{ingress: [{action: Allow}]}", namespace="shop")
    found = resolved(world_of(POD, staged, enforced), "web")
    assert found.program.egress.staged is None
    judge = found.program.ingress
    assert judge.staged is not None
    assert judge.end.index == 2
    assert [rule.index for tier in judge.staged.tiers for one in tier.policies for rule in one.rules] == [
        3,
        4,
    ]
    rules = found.provenance[Direction.INGRESS]
    assert [(item.policy, item.number) for item in rules if item.what == "rule"] == [
        ("NetworkPolicy/shop/p", 0),
        ("NetworkPolicy/shop/p", 0),
        ("StagedNetworkPolicy/shop/s", 1),
    ]
    assert len({item.key for item in rules}) == len(rules)
    assert [item.action for item in rules] == [
        *("allow", "deny", "allow"),
        *("would-allow", "would-deny", "would-deny", "would-allow"),
    ]


def test_a_staged_policy_that_changes_nothing_costs_nothing() -> None:
    for text in (
        document("StagedNetworkPolicy", "s", "{selector: has(nobody)}", namespace="shop"),
        document("StagedNetworkPolicy", "s", "{stagedAction: Delete}", namespace="shop"),
        document("StagedGlobalNetworkPolicy", "s", "{preDNAT: true, applyOnForward: true, types: [Ingress]}"),
    ):
        program = resolved(world_of(POD, text), "web").program
        assert program.ingress.staged is None


@pytest.mark.parametrize("only_hosts", ["preDNAT", "doNotTrack"])
def test_what_only_hosts_can_do_is_left_out_of_a_workloads_policy(only_hosts: str) -> None:
    """Dossier §6.4: neither its rules nor its tier's default."""
    spec = f"{{{only_hosts}: true, applyOnForward: true, types: [Ingress], ingress: [{{action: Deny}}]}}"
    program = resolved(world_of(POD, document("GlobalNetworkPolicy", "g", spec)), "web").program
    assert program.ingress.tiers == ()
