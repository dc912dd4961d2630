"""Endpoints are found, refused with a reason, and traced to lines; large inventories take no time."""

from __future__ import annotations

from polc.compiler.parse import parse
from polc.compiler.resolve import EndpointRef, Resolved, World, endpoints, inventory, resolve_endpoint, review
from polc.compiler.resources import NetworkSet, Resource
from polc.compiler.source import Diagnostic, Diagnostics, Source
from polc.pair.layout import Direction
from polc.tests.calls import calls
from polc.tests.resolve.inventory import document, resolved, world_of

POD = document("Pod", "web", "10.0.0.1 fd00::1", labels="{app: web}", namespace="shop")


def only(found: Diagnostics) -> Diagnostic:
    (item,) = found
    return item


def refused(world: World, ref: EndpointRef) -> Diagnostic:
    found = Diagnostics()
    assert resolve_endpoint(world, ref, found) is None
    return only(found)


def test_every_pod_with_an_interface_and_every_workload_endpoint_is_listed() -> None:
    spec = "{node: n, interfaceName: cali1, ipNetworks: [10.0.0.5/32]}"
    world = world_of(
        document("Pod", "z", "10.0.0.3", namespace="bank"),
        POD,
        document("WorkloadEndpoint", "vm", spec, namespace="shop"),
        document("Pod", "node-agent", "10.0.0.9", namespace="shop").replace("node-1", "n, hostNetwork: true"),
        document("HostEndpoint", "h", "{node: n, interfaceName: eth0}"),
    )
    assert endpoints(world) == (
        EndpointRef("bank", "z", "Pod"),
        EndpointRef("shop", "vm", "WorkloadEndpoint"),
        EndpointRef("shop", "web", "Pod"),
    )


def test_a_resolved_endpoint_says_who_it_is() -> None:
    found = resolved(world_of(POD), "web")
    assert (found.name, found.endpoint) == ("shop.web", "shop/web")
    assert found.addresses == ("10.0.0.1", "fd00::1")


def test_an_unknown_endpoint_is_refused_with_the_nearest_name() -> None:
    item = refused(world_of(POD), EndpointRef("shop", "wbe"))
    assert (item.code, item.hint) == ("POLC-E0701", "did you mean shop/web?")
    assert refused(world_of(POD), EndpointRef("shop", "web", "WorkloadEndpoint")).code == "POLC-E0701"


def test_a_pod_of_the_host_s_network_is_refused_with_the_reason() -> None:
    pod = document("Pod", "agent", "10.0.0.9", namespace="shop").replace("node-1", "n, hostNetwork: true")
    assert refused(world_of(pod), EndpointRef("shop", "agent")).code == "POLC-E0709"


def test_a_pod_and_a_workload_endpoint_of_one_name_must_be_told_apart() -> None:
    spec = "{node: n, interfaceName: cali1, ipNetworks: [10.0.0.5/32]}"
    world = world_of(POD, document("WorkloadEndpoint", "web", spec, namespace="shop"))
    assert refused(world, EndpointRef("shop", "web")).code == "POLC-E0708"
    assert resolve_endpoint(world, EndpointRef("shop", "web", "Pod"), Diagnostics()) is not None


def _parsed(path: str, text: str) -> tuple[Resource, ...]:
    found = Diagnostics()
    resources = parse([Source.of(path, text)], found)
    assert not found.failed, list(found)
    return resources


def test_one_object_given_twice_must_say_the_same_twice() -> None:
    policy = document(
        "NetworkPolicy", "p", "{selector: app == 'a', ingress: [{action: Deny}]}", namespace="shop"
    )
    again = policy.replace("app == 'a'", ' app=="a"')
    other = policy.replace("Deny", "Allow")
    found = Diagnostics()
    world = inventory((*_parsed("a.yaml", policy), *_parsed("b.yaml", again)), found)
    assert not list(found)
    assert len(world.policies) == 1
    inventory((*_parsed("b.yaml", other), *_parsed("a.yaml", policy)), found)
    item = only(found)
    assert item.code == "POLC-E0702"
    assert item.span is not None
    assert item.span.file == "b.yaml"
    assert "a.yaml:" in item.message


def texts(found: Resolved, direction: Direction) -> list[tuple[str, str, str, int, int]]:
    return [
        (item.what, item.action, item.policy, item.number, item.span.line if item.span else 0)
        for item in found.provenance[direction]
    ]


POLICIES = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec:
  order: 1
  types: [Ingress]
  ingress:
    - action: Allow
      metadata:
        annotations: {why: because}
      protocol: TCP
    - action: Deny
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata:
  name: g
spec:
  ingress:
    - protocol: UDP
      action: Log
"""


def test_every_index_leads_to_a_line() -> None:
    found = resolved(world_of(POLICIES, POD), "web")
    assert texts(found, Direction.INGRESS) == [
        ("rule", "allow", "NetworkPolicy/shop/p", 0, 8),
        ("rule", "deny", "NetworkPolicy/shop/p", 1, 12),
        ("rule", "log", "GlobalNetworkPolicy/g", 0, 21),
        ("tier-default", "deny", "GlobalNetworkPolicy/g", -1, 17),
        ("end", "allow", "", -1, 3),
    ]
    assert texts(found, Direction.EGRESS) == [("no-policy", "allow", "", -1, 3)]
    assert dict(found.provenance[Direction.INGRESS][0].annotations) == {"why": "because"}
    assert {item.span.file for item in found.provenance[Direction.EGRESS] if item.span} == {"1.yaml"}


def _keys(text: str) -> list[str]:
    found = resolved(world_of(text, POD), "web")
    return [item.key for item in found.provenance[Direction.INGRESS]]


def test_keys_name_a_rule_by_its_meaning_and_its_owner() -> None:
    keys = _keys(POLICIES)
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys)
    moved = _keys("# a comment\n" + POLICIES.replace("order: 1", "order: 1.0"))
    assert moved == keys
    assert _keys(POLICIES.replace("why: because", "why: not")) == keys
    changed = _keys(POLICIES.replace("protocol: TCP", "protocol: SCTP"))
    assert [old == new for old, new in zip(keys, changed, strict=True)] == [False, True, True, True, True]
    renamed = _keys(POLICIES.replace("name: p,", "name: q,"))
    assert [old == new for old, new in zip(keys, renamed, strict=True)] == [False, False, True, True, True]


def test_a_rule_keeps_its_key_when_the_inventory_changes_and_equal_rules_have_two() -> None:
    policy = document(
        "NetworkPolicy",
        "p",
        "{ingress: [&r {action: Allow, source: {selector: has(x)}}, *r]}",
        namespace="shop",
    )
    member = document("Pod", "x", "10.0.0.7", labels="{x: y}", namespace="shop")
    before, after = _keys(policy), _keys(f"{policy}---\n{member}")
    assert before == after
    assert before[0] != before[1]


def _warnings(*documents: str) -> list[tuple[str, int]]:
    found = Diagnostics()
    resources = parse([Source.of("w.yaml", "---\n".join(documents))], found)
    world = inventory(resources, found)
    assert not found.failed
    review(world, resources, found)
    return [(item.code, item.span.line if item.span else 0) for item in found]


def test_what_is_hardly_meant_is_warned_about() -> None:
    policy = document(
        "NetworkPolicy",
        "p",
        "{selector: app == 'web', ingress: [{action: Allow, source: {selector: app == 'x'}}]}",
    ).replace("name: p", "name: p, namespace: shop")
    assert _warnings(policy) == [], "policies in files of their own have nothing to select"
    assert _warnings(POD, policy) == [("POLC-W0701", 10)]
    assert _warnings(POD, policy.replace("'web'", "'y'"))[0][0] == "POLC-W0702"
    assert _warnings(POD.replace("app: web", "app: web, pcns.a: b")) == [("POLC-W0703", 3)]
    assert _warnings(POD, policy.replace("'x'", "'web'")) == []


def test_a_set_of_twenty_thousand_members_resolves_in_a_few_calls_each() -> None:
    policy = document(
        "NetworkPolicy", "p", "{ingress: [{action: Allow, source: {selector: has(s)}}]}", namespace="shop"
    )
    small = document("NetworkSet", "s", "{nets: [10.8.0.0/32]}", labels="{s: s}", namespace="shop")
    resources = _parsed("a.yaml", f"{POD}---\n{policy}---\n{small}")
    (chosen,) = [item for item in resources if isinstance(item, NetworkSet)]
    net = chosen.nets[0]
    address = net.network.network_address
    nets = tuple(
        net.model_copy(update={"network": type(net.network)((int(address) + 2 * number, 32))})
        for number in range(20_000)
    )
    large = chosen.model_copy(update={"nets": nets})
    others = [item for item in resources if item is not chosen]
    given = [*others, large]
    found, count = calls(lambda: resolve_endpoint(given, EndpointRef("shop", "web"), Diagnostics()))
    assert count / len(nets) < 20
    assert found is not None
    assert len(found.program.sets[0].prefixes) == 20_000
