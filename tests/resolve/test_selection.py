"""Whom a rule's selectors mean: scoping, labels and addresses as dossier §2.5 to §2.8, §4.1 and §4.6 say.

Each expected set is worked out by hand from those sections.
"""

from __future__ import annotations

import pytest
from polc.compiler.resolve import World
from polc.tests.resolve.inventory import document, members, world_of

WEB, DB, OTHER = "10.0.0.1/32", "10.0.0.2/32", "10.0.1.1/32"
DB6 = "fd00::2/128"
SET, GLOBAL, HOST = "10.8.0.0/24", "10.9.0.0/24", "192.0.2.1/32"


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(
        document("Namespace", "shop", labels="{team: red}"),
        document("Namespace", "bank", labels="{team: blue}"),
        document("Pod", "web", "10.0.0.1", labels="{app: web, pcns.team: green}", namespace="shop"),
        document("Pod", "db", "10.0.0.2 fd00::2", labels="{app: db}", namespace="shop"),
        document("Pod", "till", "10.0.1.1", labels="{app: web, team: red}", namespace="bank"),
        document("NetworkSet", "partners", f"{{nets: [{SET}]}}", labels="{app: ext}", namespace="shop"),
        document("GlobalNetworkSet", "world", f"{{nets: [{GLOBAL}]}}", labels="{app: ext, team: red}"),
        document(
            "HostEndpoint",
            "node",
            "{node: n, interfaceName: eth0, expectedIPs: [192.0.2.1]}",
            labels="{app: web}",
        ),
    )


def test_a_network_policy_s_selector_means_its_own_namespace(world: World) -> None:
    assert members(world, "{selector: app == 'web'}") == [WEB]
    assert members(world, "{selector: all()}") == ["10.0.0.1/32", "10.0.0.2/32", SET, DB6]
    assert members(world, "{selector: app == 'ext'}") == [SET]


def test_a_global_policy_s_selector_means_workloads_hosts_and_both_kinds_of_sets(world: World) -> None:
    assert members(world, "{selector: app == 'web'}", kind="GlobalNetworkPolicy") == [WEB, OTHER, HOST]
    assert members(world, "{selector: app == 'ext'}", kind="GlobalNetworkPolicy") == [SET, GLOBAL]


def test_a_namespace_selector_reaches_the_namespaces_of_that_label(world: World) -> None:
    assert members(world, "{namespaceSelector: team == 'blue'}") == [OTHER]
    assert members(world, "{namespaceSelector: team == 'blue', selector: app == 'web'}") == [OTHER]
    assert members(world, "{namespaceSelector: team == 'blue', selector: app == 'db'}") == []
    assert members(world, "{namespaceSelector: projectcalico.org/name == 'bank'}") == [OTHER]
    several = """{namespaceSelector: has(team), selector: "app in {'web', 'ext'}"}"""
    assert members(world, several) == [WEB, OTHER, SET]


def test_all_namespaces_hold_no_host_and_no_global_set(world: World) -> None:
    expected = ["10.0.0.1/32", "10.0.0.2/32", OTHER, SET, DB6]
    assert members(world, "{namespaceSelector: all()}") == expected
    assert members(world, "{namespaceSelector: all()}", kind="GlobalNetworkPolicy") == expected


def test_global_means_what_is_in_no_namespace(world: World) -> None:
    assert members(world, "{namespaceSelector: global()}") == [GLOBAL, HOST]
    assert members(world, "{namespaceSelector: global(), selector: app == 'ext'}") == [GLOBAL]


def test_all_in_the_user_s_own_selector_keeps_its_meaning(world: World) -> None:
    """QUIRK 4: Calico's textual rewrite would confine this to namespaces."""
    everything = members(world, "{selector: all()}", kind="GlobalNetworkPolicy")
    assert everything is not None
    assert HOST in everything
    assert GLOBAL in everything
    assert members(world, "{selector: app == 'all()'}", kind="GlobalNetworkPolicy") == []


def test_a_namespace_selector_is_rewritten_at_every_depth(world: World) -> None:
    assert members(world, "{namespaceSelector: all() && team == 'blue'}") == [OTHER]
    assert members(world, "{namespaceSelector: '!all()'}") == [GLOBAL, HOST]
    assert members(world, "{namespaceSelector: '!(team == \"red\" || !has(team))'}") == [OTHER]
    everywhere_else = members(world, """{namespaceSelector: "team not in {'red'}"}""")
    assert everywhere_else == [OTHER, GLOBAL, HOST], "an absent label is in no set (§5.3)"


def test_not_selector_in_a_network_policy_is_merged_into_the_namespace(world: World) -> None:
    assert members(world, "{notSelector: app == 'web'}") == [DB, SET, DB6]
    assert members(world, "{selector: has(app), notSelector: app == 'web'}") == [DB, SET, DB6]


def test_not_selector_alone_in_a_global_policy_refuses_only_whom_it_selects(world: World) -> None:
    refused = members(world, "{notSelector: app == 'web'}", kind="GlobalNetworkPolicy")
    assert refused == [WEB, OTHER, HOST, "not"]
    merged = members(world, "{selector: has(app), notSelector: app != 'web'}", kind="GlobalNetworkPolicy")
    assert merged == [WEB, OTHER, HOST]


def test_one_entity_must_satisfy_selector_and_not_selector_together() -> None:
    """§4: an address of two entities, one of them selected and not excluded, is in the set."""
    world = world_of(
        document("Pod", "web", "10.0.0.1", namespace="shop"),
        document("NetworkSet", "a", "{nets: [10.8.0.1/32]}", labels="{in: 'yes'}", namespace="shop"),
        document("NetworkSet", "b", "{nets: [10.8.0.1/32]}", labels="{out: 'yes'}", namespace="shop"),
    )
    both = "{selector: has(in), notSelector: has(out)}"
    assert members(world, both) == ["10.8.0.1/32"]
    assert members(world, both, kind="GlobalNetworkPolicy") == ["10.8.0.1/32"]
    assert members(world, "{notSelector: has(out)}", kind="GlobalNetworkPolicy") == ["10.8.0.1/32", "not"]


def test_nets_alone_are_not_confined_to_the_namespace(world: World) -> None:
    assert members(world, "{nets: [10.0.1.0/24]}") == ["10.0.1.0/24"]
    assert members(world, "{}") is None


def test_a_workload_cannot_pretend_to_another_namespace_or_service_account(world: World) -> None:
    """§2.7: the pod web carries the label pcns.team=green."""
    assert members(world, "{namespaceSelector: team == 'green'}") == []
    assert members(world, "{namespaceSelector: team == 'red', selector: app == 'web'}") == [WEB]


def test_calico_s_own_labels_are_there(world: World) -> None:
    kind = "GlobalNetworkPolicy"
    assert members(world, "{selector: projectcalico.org/namespace == 'bank'}", kind=kind) == [OTHER]
    pods = members(world, "{selector: projectcalico.org/orchestrator == 'k8s'}", kind=kind)
    assert pods == [WEB, DB, OTHER, DB6]
    assert members(world, "{selector: projectcalico.org/serviceaccount == 'default'}", kind=kind) == pods
    sets = members(world, "{selector: has(projectcalico.org/namespace) && app == 'ext'}", kind=kind)
    assert sets == [SET]


def test_an_own_label_wins_over_an_inherited_one() -> None:
    """§4.6; only sets may carry a `pcns.` label of their own (§2.7)."""
    world = world_of(
        document("Namespace", "shop", labels="{team: red}"),
        document("Pod", "web", "10.0.0.1", namespace="shop"),
        document("NetworkSet", "s", "{nets: [10.8.0.1/32]}", labels="{pcns.team: blue}", namespace="shop"),
    )
    assert members(world, "{namespaceSelector: team == 'blue'}") == ["10.8.0.1/32"]
    assert members(world, "{namespaceSelector: team == 'red'}") == [WEB]


def test_a_workload_endpoint_has_the_labels_of_the_profiles_it_names() -> None:
    head = "node: n, interfaceName: cali1, orchestrator"
    first = f"{{{head}: k8s, ipNetworks: [10.7.0.1/32], profiles: [kns.shop, ksa.shop.bob]}}"
    second = f"{{{head}: cni, ipNetworks: [10.7.0.2/32], profiles: [kns.shop]}}"
    third = f"{{{head}: k8s, ipNetworks: [10.7.0.3/32]}}"
    world = world_of(
        document("Namespace", "shop", labels="{team: red}"),
        document("Pod", "web", "10.0.0.1", namespace="shop"),
        document("WorkloadEndpoint", "a", first, namespace="shop"),
        document("WorkloadEndpoint", "b", second, namespace="shop"),
        document("WorkloadEndpoint", "c", third, namespace="shop"),
    )
    assert members(world, "{namespaceSelector: team == 'red'}") == [WEB, "10.7.0.1/32", "10.7.0.2/32"]
    assert members(world, "{namespaceSelector: all()}") == [WEB, "10.7.0.1/32", "10.7.0.2/31"]
    assert members(world, "{selector: projectcalico.org/orchestrator == 'cni'}") == ["10.7.0.2/32"]
    assert members(world, "{selector: pcsa.projectcalico.org/name == 'bob'}") == ["10.7.0.1/32"]


def test_pods_of_the_host_s_network_and_finished_pods_have_no_addresses() -> None:
    world = world_of(
        document("Pod", "web", "10.0.0.1", namespace="shop"),
        document("Pod", "host", "10.0.0.2", namespace="shop").replace("node-1", "node-1, hostNetwork: true"),
        document("Pod", "done", "10.0.0.3", namespace="shop").replace(
            "status: {", "status: {phase: Succeeded, "
        ),
    )
    assert members(world, "{selector: all()}") == [WEB]


def test_a_host_endpoint_without_expected_ips_contributes_none() -> None:
    world = world_of(
        document("Pod", "web", "10.0.0.1", namespace="shop"),
        document("HostEndpoint", "h", "{node: n, interfaceName: eth0}", labels="{app: h}"),
    )
    assert members(world, "{selector: app == 'h'}", kind="GlobalNetworkPolicy") == []


def test_host_bits_of_a_set_are_masked_and_overlaps_merge() -> None:
    nets = "{nets: [10.8.0.7/24, 10.8.1.0/24, 10.8.0.128/25, 10.9.0.1]}"
    world = world_of(
        document("Pod", "web", "10.0.0.1", namespace="shop"),
        document("NetworkSet", "s", nets, labels="{app: s}", namespace="shop"),
    )
    assert members(world, "{selector: app == 's'}") == ["10.8.0.0/23", "10.9.0.1/32"]
