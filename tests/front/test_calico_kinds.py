"""Tiers, profiles, staged policies, flags of host policies: what is taken, and what is refused where."""

from __future__ import annotations

import pytest
from polc.compiler.ir.nodes import Action
from polc.compiler.resources import HostEndpoint, Policy, Profile, Tier, WorkloadEndpoint
from polc.tests.front.reading import marked, places, policy, read

V3 = "apiVersion: projectcalico.org/v3\n"


def document(kind: str, name: str, spec: str) -> str:
    return f"{V3}kind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def test_a_tier_has_an_order_and_a_default_action() -> None:
    (tier,), found = read(document("Tier", "a", "{order: -1.5, defaultAction: Pass}"))
    assert isinstance(tier, Tier)
    assert (tier.order, tier.default, found) == (-1.5, Action.PASS, [])


def test_quirk_2_a_tier_without_order_is_taken_as_1000000_with_a_warning() -> None:
    (tier,), found = read(document("Tier", "a", "{defaultAction: Deny}"))
    assert isinstance(tier, Tier)
    assert (tier.order, tier.default) == (1000000, Action.DENY)
    assert [item.code for item in found] == ["POLC-W1001"]


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("default", "{order: 1000000, defaultAction: Deny}"),
        ("default", "{}"),
        ("kube-admin", "{order: 1000, defaultAction: Pass}"),
        ("kube-baseline", "{order: 10000000, defaultAction: Pass}"),
    ],
)
def test_a_built_in_tier_may_say_what_it_is(name: str, spec: str) -> None:
    (tier,), found = read(document("Tier", name, spec))
    assert isinstance(tier, Tier)
    assert found == []


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        ("default", "{defaultAction: ‸Pass}", "the 'default' tier must have default action 'Deny'"),
        ("default", "{order: ‸10}", "default tier order must be 1000000"),
        (
            "kube-admin",
            "{order: 1000, defaultAction: ‸Deny}",
            "the 'kube-admin' tier must have default action 'Pass'",
        ),
        ("kube-admin", "{order: ‸1, defaultAction: Pass}", "kube-admin tier order must be 1000"),
        ("kube-baseline", "{order: ‸1, defaultAction: Pass}", "kube-baseline tier order must be 10000000"),
        ("‸kube-baseline", "{defaultAction: Pass}", "kube-baseline tier order must be 10000000"),
    ],
)
def test_a_built_in_tier_cannot_be_another(name: str, spec: str, message: str) -> None:
    text, line, column = marked(document("Tier", name, spec))
    _, found = read(text)
    assert places(found) == [("POLC-E1001", line, column)]
    assert found[0].message == message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (document("Tier", "a", "{order: 1, defaultAction: ‸deny}"), "POLC-E0208"),
        (document("Tier", "a", "{order: 1, defaultAction: ‸Allow}"), "POLC-E0208"),
        (document("Tier", "‸a.b", "{order: 1}"), "POLC-E0301"),
        (document("Tier", "a", "{order: ‸first}"), "POLC-E0207"),
        (document("Tier", "a", "{‸ordr: 1, order: 2}"), "POLC-E0206"),
    ],
)
def test_a_wrong_tier_is_refused(text: str, code: str) -> None:
    source, line, column = marked(text)
    assert (code, line, column) in places(read(source)[1])


def test_a_profile_has_rules_and_labels() -> None:
    spec = "{ingress: [{action: Allow}, {action: Log}], egress: [{action: Deny}], labelsToApply: {a: b}}"
    (profile,), found = read(document("Profile", "p", spec))
    assert isinstance(profile, Profile)
    assert found == []
    assert [rule.action for rule in profile.ingress] == [Action.ALLOW, Action.LOG]
    assert len(profile.egress) == 1
    assert profile.labels_to_apply == {"a": "b"}


def test_quirk_13_a_profile_may_log_and_cannot_pass() -> None:
    text, line, column = marked(document("Profile", "p", "{egress: [{action: Log}, {action: ‸Pass}]}"))
    assert places(read(text)[1]) == [("POLC-E1002", line, column)]


def test_a_service_in_a_profile_names_its_namespace() -> None:
    text, line, column = marked(
        document("Profile", "p", "{egress: [{action: Allow, destination: {services: {name: ‸s}}}]}")
    )
    assert places(read(text)[1]) == [("POLC-E0509", line, column)]


def test_endpoints_may_name_any_profiles() -> None:
    texts = (
        document("HostEndpoint", "h", "{node: n, interfaceName: eth0, profiles: [a, kns.b]}"),
        document("WorkloadEndpoint", "w", "{interfaceName: cali1, profiles: [a, kns.b]}"),
    )
    for text in texts:
        (item,), found = read(text)
        assert isinstance(item, HostEndpoint | WorkloadEndpoint)
        assert (item.profiles, found) == (("a", "kns.b"), [])


@pytest.mark.parametrize("kind", ["StagedNetworkPolicy", "StagedGlobalNetworkPolicy"])
@pytest.mark.parametrize("action", ["", "stagedAction: Set", "stagedAction: Learn", "stagedAction: Ignore"])
def test_a_staged_policy_is_one_that_is_not_in_force(kind: str, action: str) -> None:
    (item,), found = read(policy(f"tier: t\nselector: all()\n{action}", kind))
    assert isinstance(item, Policy)
    assert (item.kind, item.tier, item.staged, found) == (kind, "t", True, [])


@pytest.mark.parametrize("kind", ["StagedNetworkPolicy", "StagedGlobalNetworkPolicy"])
def test_a_staged_deletion_is_no_policy_and_says_nothing_else(kind: str) -> None:
    items, found = read(policy("tier: t\nselector: ''\nstagedAction: Delete", kind))
    assert items == ()
    assert [item.code for item in found] == ["POLC-W1002"]
    text, line, column = marked(policy("order: ‸3\nstagedAction: Delete", kind))
    assert ("POLC-E1003", line, column) in places(read(text)[1])


def test_a_staged_action_is_one_of_four_words_and_of_staged_policies_only() -> None:
    text, line, column = marked(policy("stagedAction: ‸delete", "StagedNetworkPolicy"))
    assert places(read(text)[1]) == [("POLC-E0208", line, column)]
    text, line, column = marked(policy("‸stagedAction: Set"))
    assert places(read(text)[1]) == [("POLC-E0206", line, column)]


def test_a_global_policys_flags_are_read() -> None:
    (item,), found = read(policy("applyOnForward: true\npreDNAT: true", "GlobalNetworkPolicy"))
    assert isinstance(item, Policy)
    assert (item.apply_on_forward, item.pre_dnat, item.do_not_track, found) == (True, True, False, [])
    (item,), found = read(policy("doNotTrack: false\npreDNAT: ''\napplyOnForward:", "GlobalNetworkPolicy"))
    assert isinstance(item, Policy)
    assert (item.apply_on_forward, item.pre_dnat, item.do_not_track, found) == (False, False, False, [])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("preDNAT: ‸true", "applyOnForward must be true when preDNAT is true"),
        ("doNotTrack: ‸true", "applyOnForward must be true when doNotTrack is true"),
        (
            "preDNAT: true\ndoNotTrack: ‸true\napplyOnForward: true",
            "preDNAT and doNotTrack cannot both be true",
        ),
        (
            "preDNAT: true\napplyOnForward: true\negress: ‸[{action: Allow}]",
            "a preDNAT policy cannot have egress rules",
        ),
        (
            "preDNAT: true\napplyOnForward: true\ntypes: ‸[Egress]",
            "a preDNAT policy cannot have the type `Egress`",
        ),
    ],
)
def test_flags_that_contradict_each_other_are_refused(spec: str, message: str) -> None:
    text, line, column = marked(policy(spec, "GlobalNetworkPolicy"))
    _, found = read(text)
    assert places(found) == [("POLC-E1004", line, column)]
    assert found[0].message == message


@pytest.mark.parametrize("field", ["doNotTrack", "preDNAT", "applyOnForward"])
def test_a_flag_is_true_or_false_and_not_of_a_network_policy(field: str) -> None:
    text, line, column = marked(policy(f"{field}: ‸yes", "GlobalNetworkPolicy"))
    assert places(read(text)[1]) == [("POLC-E0207", line, column)]
    text, line, column = marked(policy(f"‸{field}: true"))
    assert places(read(text)[1]) == [("POLC-E0206", line, column)]


def test_quirk_4_all_that_calico_would_rewrite_is_told() -> None:
    for other in ("namespaceSelector: has(a)", "serviceAccountSelector: has(a)"):
        text, line, column = marked(policy(f"selector: ‸all()\n{other}", "GlobalNetworkPolicy"))
        assert places(read(text)[1]) == [("POLC-W0004", line, column)]
    assert read(policy("selector: all()\nserviceAccountSelector: has(a)"))[1] == []


@pytest.mark.parametrize("field", ["selector", "namespaceSelector", "serviceAccountSelector"])
def test_global_is_for_rules_alone(field: str) -> None:
    text, line, column = marked(policy(f"{field}: ‸global()", "GlobalNetworkPolicy"))
    assert places(read(text)[1]) == [("POLC-E0602", line, column)]
