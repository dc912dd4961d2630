"""Which policies apply, in which order, and what is left to the end (dossier §6.1, §6.2)."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from polc.compiler.resolve import World, resolve_labels
from polc.compiler.source import Diagnostics
from polc.pair.layout import Direction
from polc.tests.resolve.inventory import document, ir, resolved, world_of

POD = document("Pod", "web", "10.0.0.1", labels="{app: web}", namespace="shop")
INGRESS = "types: [Ingress], ingress: [{action: Allow}]"


def applied(world: World, name: str = "web", namespace: str = "shop") -> list[str]:
    """The names of the policies in the ingress judge, in order."""
    tiers = resolved(world, name, namespace).program.ingress.tiers
    return [policy.name for tier in tiers for policy in tier.policies]


def test_order_counts_first_none_is_last_and_ties_go_by_name_namespace_and_kind() -> None:
    """§6.1 with QUIRK 12: `a-b` and `a.b` precede `a`, since `/` sorts after `-` and `.`; `a0` follows."""
    policies = [
        document("NetworkPolicy", "first", f"{{order: -1.5, {INGRESS}}}", namespace="shop"),
        document("GlobalNetworkPolicy", "zero", f"{{order: 0, {INGRESS}}}"),
        document("NetworkPolicy", "a-b", f"{{order: 7, {INGRESS}}}", namespace="shop"),
        document("NetworkPolicy", "a.b", f"{{order: 7, {INGRESS}}}", namespace="shop"),
        document("GlobalNetworkPolicy", "a", f"{{order: 7, {INGRESS}}}"),
        document("NetworkPolicy", "a", f"{{order: 7, {INGRESS}}}", namespace="shop"),
        document("NetworkPolicy", "a0", f"{{order: 7, {INGRESS}}}", namespace="shop"),
        document("NetworkPolicy", "b", f"{{order: 7.5, {INGRESS}}}", namespace="shop"),
        document("NetworkPolicy", "aa", f"{{{INGRESS}}}", namespace="shop"),
        document("GlobalNetworkPolicy", "z", f"{{{INGRESS}}}"),
    ]
    expected = [
        "NetworkPolicy/shop/first",
        "GlobalNetworkPolicy/zero",
        "NetworkPolicy/shop/a-b",
        "NetworkPolicy/shop/a.b",
        "GlobalNetworkPolicy/a",
        "NetworkPolicy/shop/a",
        "NetworkPolicy/shop/a0",
        "NetworkPolicy/shop/b",
        "NetworkPolicy/shop/aa",
        "GlobalNetworkPolicy/z",
    ]
    shuffled = random.Random("order")
    for _ in range(5):
        shuffled.shuffle(policies)
        assert applied(world_of(POD, *policies)) == expected


@pytest.mark.parametrize(
    ("kind", "namespace", "spec", "applies"),
    [
        ("NetworkPolicy", "shop", "", True),
        ("NetworkPolicy", "bank", "", False),
        ("NetworkPolicy", "bank", "selector: all(),", False),
        ("NetworkPolicy", "shop", "selector: app == 'web',", True),
        ("NetworkPolicy", "shop", "selector: app == 'db',", False),
        ("NetworkPolicy", "shop", "selector: projectcalico.org/namespace == 'shop',", True),
        ("NetworkPolicy", "shop", "selector: pcns.team == 'red',", True),
        ("GlobalNetworkPolicy", "", "", True),
        ("GlobalNetworkPolicy", "", "selector: app == 'web',", True),
        ("GlobalNetworkPolicy", "", "namespaceSelector: team == 'red',", True),
        ("GlobalNetworkPolicy", "", "namespaceSelector: team == 'blue',", False),
        ("GlobalNetworkPolicy", "", "namespaceSelector: all(),", True),
        ("GlobalNetworkPolicy", "", "namespaceSelector: '!all()',", False),
        ("GlobalNetworkPolicy", "", "namespaceSelector: has(team), selector: app == 'db',", False),
        ("GlobalNetworkPolicy", "", "selector: app == 'all()',", False),
    ],
)
def test_a_policy_applies_to_whom_it_selects(kind: str, namespace: str, spec: str, applies: bool) -> None:
    world = world_of(
        POD,
        document("Namespace", "shop", labels="{team: red}"),
        document(kind, "p", f"{{{spec} {INGRESS}}}", namespace=namespace),
    )
    assert bool(applied(world)) is applies


def test_a_direction_not_in_types_is_not_touched() -> None:
    policy = "{types: [Egress], ingress: [{action: Deny}], egress: [{action: Deny}]}"
    program = resolved(world_of(POD, document("NetworkPolicy", "p", policy, namespace="shop")), "web").program
    assert program.ingress.tiers == ()
    assert len(program.egress.tiers) == 1


def test_a_policy_without_rules_closes_its_direction() -> None:
    """§6.2: the tier applies, so its default Deny does."""
    world = world_of(POD, document("NetworkPolicy", "p", "{types: [Ingress]}", namespace="shop"))
    assert ir(world, "web") == (
        "polc-ir 1\ningress\n  tier default: deny #0\n    policy NetworkPolicy/shop/p\n  end: allow #1\n"
        "egress\n  end: allow #0\n"
    )


def test_a_pod_that_no_policy_selects_is_allowed_everything() -> None:
    assert ir(world_of(POD), "web") == "polc-ir 1\ningress\n  end: allow #0\negress\n  end: allow #0\n"


@pytest.mark.parametrize(
    ("profiles", "end"),
    [("", "deny"), ("profiles: [kns.shop],", "allow"), ("profiles: [kns.shop, ksa.shop.bob],", "allow")],
)
def test_a_workload_endpoint_ends_as_its_profiles_say(profiles: str, end: str) -> None:
    spec = f"{{{profiles} node: n, interfaceName: cali1, ipNetworks: [10.0.0.5/32]}}"
    world = world_of(document("WorkloadEndpoint", "vm", spec, namespace="shop"))
    assert ir(world, "vm") == f"polc-ir 1\ningress\n  end: {end} #0\negress\n  end: {end} #0\n"


def test_the_order_of_documents_and_files_changes_nothing_but_places() -> None:
    documents = [
        POD,
        document("Namespace", "shop", labels="{team: red}"),
        document(
            "NetworkSet", "s", "{nets: [10.8.0.0/24, 10.7.0.0/24]}", labels="{app: s}", namespace="shop"
        ),
        document(
            "NetworkPolicy",
            "p",
            "{ingress: [{action: Allow, source: {selector: has(app)}}]}",
            namespace="shop",
        ),
        document(
            "GlobalNetworkPolicy", "q", "{egress: [{action: Deny, destination: {selector: app == 's'}}]}"
        ),
    ]
    results = set()
    for order in permutations(documents):
        found = resolved(world_of(*order), "web")
        keys = tuple(item.key for direction in Direction for item in found.provenance[direction])
        results.add((found.program, keys))
    assert len(results) == 1


def labelled(
    world: World, labels: dict[str, str], namespace: str | None = None
) -> tuple[str, int, list[str]]:
    """The name, how many policies apply to ingress, and the codes found."""
    found = Diagnostics()
    result = resolve_labels(world, labels, namespace, found)
    codes = [item.code for item in found]
    if result is None:
        return "", 0, codes
    return result.name, sum(len(tier.policies) for tier in result.program.ingress.tiers), codes


def test_labels_stand_for_any_pod_of_them_in_a_namespace() -> None:
    world = world_of(
        document("Namespace", "shop", labels="{team: red}"),
        document("NetworkPolicy", "p", f"{{order: 2, selector: app == 'web', {INGRESS}}}", namespace="shop"),
        document("GlobalNetworkPolicy", "g", f"{{order: 1, namespaceSelector: team == 'red', {INGRESS}}}"),
    )
    assert labelled(world, {"app": "web"}, "shop") == ("g", 2, [])
    assert labelled(world, {"app": "db"}, "shop") == ("g", 1, [])
    assert labelled(world, {"app": "web"}) == ("g", 2, []), "the only namespace that policies name"
    assert labelled(world, {"app": "web"}, "bank") == ("", 0, ["POLC-E0707"])
    found = resolve_labels(world, {"app": "web"}, "shop", Diagnostics())
    assert found is not None
    assert (found.endpoint, found.addresses) == ("", ())
    assert found.program.ingress.end.action == "allow"


def test_labels_need_a_namespace_when_policies_are_in_several() -> None:
    world = world_of(
        document("NetworkPolicy", "p", f"{{{INGRESS}}}", namespace="shop"),
        document("NetworkPolicy", "p", f"{{{INGRESS}}}", namespace="bank"),
    )
    assert labelled(world, {}) == ("", 0, ["POLC-E0706"])
    assert labelled(world, {}, "bank") == ("p", 1, [])
    assert labelled(world_of(document("GlobalNetworkPolicy", "g", f"{{{INGRESS}}}")), {}) == ("g", 1, [])
