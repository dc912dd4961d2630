"""The worlds of the whole language have teeth too: tiers, profiles, services, Kubernetes, hosts misread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from polc.tests.differential.teeth import Sample, differs, samples
from polc.tests.oracle import (
    host_reading,
    inventory_reading,
    kubernetes_reading,
    pod_reading,
    policy_reading,
    rule_reading,
    service_reading,
    verdict_reading,
)
from polc.tests.oracle.inventory_reading import Entity, Object
from polc.tests.oracle.policy_reading import Policy, Tier
from polc.tests.oracle.profile_reading import Profiles
from polc.tests.oracle.rule_reading import Holder, Packet, Side
from polc.tests.oracle.selector_reading import read_selector
from polc.tests.oracle.verdict_reading import Course, Decision, Oracle, Reading

Patch = pytest.MonkeyPatch


def _changed_tiers(patch: Patch, change: Callable[[list[Tier]], list[Tier]]) -> None:
    right = policy_reading.read_tiers
    patch.setattr(verdict_reading, "read_tiers", lambda things: change(right(things)))


def _tiers_by_name(patch: Patch) -> None:
    _changed_tiers(patch, lambda tiers: sorted(tiers, key=lambda tier: tier.name))


def _tier_without_order_is_last(patch: Patch) -> None:
    """QUIRK 2 forgotten."""
    _changed_tiers(patch, lambda tiers: sorted(tiers, key=lambda tier: (tier.order == 1e6, tier.order)))


def _every_tier_denies(patch: Patch) -> None:
    _changed_tiers(patch, lambda tiers: [replace(tier, default="Deny") for tier in tiers])


def _every_tier_passes(patch: Patch) -> None:
    _changed_tiers(patch, lambda tiers: [replace(tier, default="Pass") for tier in tiers])


def _pass_ends_the_walk(patch: Patch) -> None:
    right = Course.walk

    def walk(self: Course, packet: Packet) -> Decision:
        said = right(self, packet)
        return Decision(False, "end") if said.passes else said

    patch.setattr(Course, "walk", walk)


def _staged_policies_are_in_force(patch: Patch) -> None:
    right = Reading.judge
    patch.setattr(Reading, "judge", lambda self, packet: right(self.staged if self.staged else self, packet))


def _staged_tiers_deny(patch: Patch) -> None:
    """§6.2.2 forgotten: a tier of staged policies alone takes its default action."""
    right = Oracle._course

    def course(self: Oracle, applying: list[Policy], direction: str, staged_too: bool) -> Course:
        read = right(self, applying, direction, staged_too)
        defaults = {tier.name: tier.default == "Deny" for tier in self.tiers}
        return Course(tuple(replace(tier, denies=defaults[tier.name]) for tier in read.tiers))

    patch.setattr(Oracle, "_course", course)


def _deleting_policies_count(patch: Patch) -> None:
    """§2.3 forgotten: a staged Delete taken for a policy without rules, in force."""
    right = policy_reading.read_policies

    def read(things: Any) -> list[Policy]:
        given = [dict(one) for one in things]
        for one in given:
            if (one.get("spec") or {}).get("stagedAction") == "Delete":
                one["kind"] = one["kind"].removeprefix("Staged")
                one["spec"] = {"types": ["Ingress", "Egress"]}
        return right(given)

    patch.setattr(verdict_reading, "read_policies", read)


def _missing_profiles_are_skipped(patch: Patch) -> None:
    right = Profiles.rules
    patch.setattr(Profiles, "rules", lambda self, name: {} if name == "lost" else right(self, name))


def _profiles_have_no_rules(patch: Patch) -> None:
    patch.setattr(Profiles, "is_explicit", lambda self, name: False)  # noqa: ARG005


def _last_profile_names_the_label(patch: Patch) -> None:
    right = Profiles.inherited
    patch.setattr(Profiles, "inherited", lambda self, names: right(self, list(reversed(names))))


def _pods_inherit_nothing_of_accounts(patch: Patch) -> None:
    right = Profiles._labels
    patch.setattr(
        Profiles, "_labels", lambda self, name: {} if name.startswith("ksa.") else right(self, name)
    )


def _account_names_or_selector(patch: Patch) -> None:
    """§4.1 step 2 forgotten: one of names and selector is enough."""

    def accounts(raw: Any) -> Any:
        alone = (right({field: (raw or {}).get(field)}) for field in ("names", "selector"))
        parts = [part for part in alone if part is not None]
        return (lambda labels: any(part(labels) for part in parts)) if parts else None

    right = rule_reading._of_accounts
    patch.setattr(rule_reading, "_of_accounts", accounts)


def _all_accounts_are_everybody(patch: Patch) -> None:
    """QUIRK 4 forgotten: all() in the serviceAccountSelector of a global policy left as true."""

    def read(text: str, **how: bool) -> Any:
        return read_selector(text, **{**how, "of_policy": False})

    patch.setattr(policy_reading, "read_selector", read)


def _changed_sides(patch: Patch, change: Callable[[Side], Side]) -> None:
    right = rule_reading._side
    patch.setattr(rule_reading, "_side", lambda *given, **how: change(right(*given, **how)))


def _services_of_any_port(patch: Patch) -> None:
    def change(side: Side) -> Side:
        if side.members is None:
            return side
        return replace(side, members=frozenset(Holder(one.net, None, None) for one in side.members))

    _changed_sides(patch, change)


def _services_need_a_namespace(patch: Patch) -> None:
    """QUIRK 7 kept."""
    right = rule_reading._members

    def members(raw: Any, _: str, inventory: Any, exact: bool) -> Any:
        return right(raw, "", inventory, exact)

    patch.setattr(rule_reading, "_members", members)


def _portless_backends_are_udp(patch: Patch) -> None:
    """§4.4 forgotten: a slice's port without protocol is TCP."""
    right = service_reading._ports

    def ports(given: Any) -> Any:
        return right([{"protocol": "UDP", **port} for port in given])

    patch.setattr(service_reading, "_ports", ports)


def _named_ports_of_any_protocol(patch: Patch) -> None:
    def change(side: Side) -> Side:
        if side.named is None:
            return side
        return replace(side, named=frozenset(Holder(one.net, None, one.port) for one in side.named))

    _changed_sides(patch, change)


def _no_named_ports_of_sctp(patch: Patch) -> None:
    """QUIRK 6 kept."""

    def change(side: Side) -> Side:
        if side.named is None:
            return side
        return replace(side, named=frozenset(one for one in side.named if one.protocol != 132))

    _changed_sides(patch, change)


def _only_containers_have_ports(patch: Patch) -> None:
    right = pod_reading.container_ports
    patch.setattr(inventory_reading, "container_ports", lambda spec: right({**spec, "initContainers": []}))


def _kubernetes_types_are_ingress(patch: Patch) -> None:
    """§7 as Calico does it without the API server: no policyTypes, no egress."""
    right = kubernetes_reading.network_policy

    def convert(policy: Object, kind: str, staged: bool = False) -> Any:
        read = right(policy, kind, staged)
        if not policy["spec"].get("policyTypes"):
            read["spec"]["types"] = ["Ingress"]
        return read

    patch.setattr(policy_reading, "network_policy", convert)


def _kubernetes_peers_are_anything(patch: Patch) -> None:
    """§7 forgotten: without the orchestrator term sets and workload endpoints of others are peers too."""
    patch.setattr(kubernetes_reading, "_PODS", "all()")


def _cluster_policies_have_one_tier(patch: Patch) -> None:
    patch.setattr(kubernetes_reading, "_TIERS", {"Admin": "kube-admin", "Baseline": "kube-admin"})


def _numbers_beside_all_ports(patch: Patch) -> None:
    """§7 forgotten: a port without number absorbs the others of its protocol."""

    def absorbed(groups: dict[str, list[Any]]) -> Any:
        return [
            (word, [port for port in ports if port is not None]) for word, ports in sorted(groups.items())
        ]

    patch.setattr(kubernetes_reading, "_absorbed", absorbed)


def _no_failsafes(patch: Patch) -> None:
    patch.setattr(verdict_reading, "is_failsafe", lambda direction, packet: False)  # noqa: ARG005


def _failsafes_both_ways(patch: Patch) -> None:
    both = host_reading.FAILSAFES["ingress"] | host_reading.FAILSAFES["egress"]
    patch.setattr(host_reading, "FAILSAFES", {"ingress": both, "egress": both})


def _nothing_is_forwarded(patch: Patch) -> None:
    patch.setattr(verdict_reading, "is_own", lambda host, direction, packet: True)  # noqa: ARG005


def _forwarded_meets_every_policy(patch: Patch) -> None:
    right = Policy.__init__

    def read(self: Policy, raw: Object) -> None:
        right(self, raw)
        self.forward = True

    patch.setattr(Policy, "__init__", read)


def _hosts_end_in_allow(patch: Patch) -> None:
    right = Oracle._reading

    def reading(self: Oracle, entity: Entity, *given: Any, **how: Any) -> Reading:
        read = right(self, entity, *given, **how)
        return replace(read, end_allows=True) if read.local is not None else read

    patch.setattr(Oracle, "_reading", reading)


WRONG: list[Callable[[Patch], None]] = [
    _tiers_by_name,
    _tier_without_order_is_last,
    _every_tier_denies,
    _every_tier_passes,
    _pass_ends_the_walk,
    _staged_policies_are_in_force,
    _staged_tiers_deny,
    _deleting_policies_count,
    _missing_profiles_are_skipped,
    _profiles_have_no_rules,
    _last_profile_names_the_label,
    _pods_inherit_nothing_of_accounts,
    _account_names_or_selector,
    _all_accounts_are_everybody,
    _services_of_any_port,
    _services_need_a_namespace,
    _portless_backends_are_udp,
    _named_ports_of_any_protocol,
    _no_named_ports_of_sctp,
    _only_containers_have_ports,
    _kubernetes_types_are_ingress,
    _kubernetes_peers_are_anything,
    _cluster_policies_have_one_tier,
    _numbers_beside_all_ports,
    _no_failsafes,
    _failsafes_both_ways,
    _nothing_is_forwarded,
    _forwarded_meets_every_policy,
    _hosts_end_in_allow,
]


@pytest.fixture(scope="module")
def cases() -> list[Sample]:
    return samples("whole")


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__.strip("_"))
def test_a_wrong_reading_would_be_found(
    wrong: Callable[[Patch], None], cases: list[Sample], monkeypatch: Patch
) -> None:
    wrong(monkeypatch)
    assert any(map(differs, cases))


def test_the_right_reading_differs_nowhere(cases: list[Sample]) -> None:
    assert not any(map(differs, cases[:20]))
