"""The random worlds have teeth: each plausible wrong reading of the dossier changes some verdict in them.

Oracle and model agree on these worlds (test_oracle_model); here the oracle is made wrong on purpose, in one
point at a time, to show that such an error in either could not have gone unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from polc.tests.differential.teeth import Sample, differs, samples
from polc.tests.oracle import inventory_reading, pod_reading, policy_reading, rule_reading
from polc.tests.oracle.inventory_reading import Inventory, Object
from polc.tests.oracle.policy_reading import Policy, place
from polc.tests.oracle.profile_reading import Profiles
from polc.tests.oracle.rule_reading import Packet, Rule, Side
from polc.tests.oracle.selector_reading import read_selector
from polc.tests.oracle.verdict_reading import Reading

Patch = pytest.MonkeyPatch


def _families_do_not_matter(patch: Patch) -> None:
    """QUIRK 5 forgotten."""
    patch.setattr(Side, "family_fits", lambda self, family: True)  # noqa: ARG005


def _types_default_to_both(patch: Patch) -> None:
    def types(spec: Object) -> set[str]:
        given = spec.get("types")
        return {word.lower() for word in given} if given else {"ingress", "egress"}

    patch.setattr(policy_reading, "_types", types)


def _ties_by_fields(patch: Patch) -> None:
    """QUIRK 12 forgotten: name, then namespace, then kind, instead of one text."""

    def by_fields(policy: Policy) -> Any:
        order = policy.spec.get("order")
        return (inf if order is None else order, policy.name, policy.namespace, policy.kind)

    patch.setattr(policy_reading, "place", by_fields)


def _orders_as_text(patch: Patch) -> None:
    patch.setattr(policy_reading, "place", lambda policy: (str(place(policy)[0]), place(policy)[1]))


def _missing_order_is_first(patch: Patch) -> None:
    patch.setattr(policy_reading, "inf", -inf)


def _not_selector_is_never_merged(patch: Patch) -> None:
    """§4.1 step 5 forgotten: selector and notSelector as two sets of addresses."""

    def both(positive: Any, _: Any, one: Any) -> bool:
        return bool(positive(one.labels))

    right = rule_reading._side

    def side(raw: Object, namespace: str, inventory: Inventory, exact: bool) -> Side:
        read = right(raw, namespace, inventory, exact)
        refused = raw.get("notSelector")
        if not refused or read.holders is None:
            return read
        wrong = read_selector(refused)
        strangers = frozenset(net for one in inventory.entities if wrong(one.labels) for net in one.nets)
        return replace(read, strangers_to=strangers)

    patch.setattr(rule_reading, "_both", both)
    patch.setattr(rule_reading, "_side", side)


def _lone_not_selector_is_of_strangers(patch: Patch) -> None:
    """§4.1 step 4 forgotten for a NetworkPolicy whose side has only a notSelector."""
    right = rule_reading.scope

    def scope(raw: Object, namespace: str) -> Any:
        lone = not raw.get("selector") and not raw.get("namespaceSelector")
        return right(raw, "" if lone else namespace)

    patch.setattr(rule_reading, "scope", scope)


def _selectors_reach_all_namespaces(patch: Patch) -> None:
    right = rule_reading.scope
    patch.setattr(rule_reading, "scope", lambda raw, namespace: right(raw, ""))  # noqa: ARG005


def _all_is_true_of_the_unnamespaced(patch: Patch) -> None:
    """QUIRK 4 forgotten: `all()` and `global()` of a namespaceSelector left as true."""

    def read(text: str, *, of_namespaces: bool = False) -> Any:
        if of_namespaces and text.strip() in ("all()", "global()"):
            return lambda _: True
        return read_selector(text, of_namespaces=of_namespaces)

    patch.setattr(rule_reading, "read_selector", read)


def _icmp_by_number_of_either_family(patch: Patch) -> None:
    patch.setattr(Packet, "is_icmp", property(lambda self: self.protocol in (1, 58)))


def _not_icmp_only_for_icmp(patch: Patch) -> None:
    """QUIRK 8 the other way round: a packet that is not ICMP never meets notICMP."""
    right = Rule.matches
    patch.setattr(
        Rule,
        "matches",
        lambda self, packet: right(self, packet) and (self.not_icmp is None or packet.is_icmp),
    )


def _no_ports_of_sctp(patch: Patch) -> None:
    """QUIRK 10 kept."""
    patch.setattr(rule_reading, "_WITH_PORTS", (6, 17))


def _log_decides(patch: Patch) -> None:
    right = Reading.judge

    def judge(self: Reading, packet: Packet) -> Any:
        said = right(self, packet)
        return said._replace(allowed=True) if said.logged else said

    patch.setattr(Reading, "judge", judge)


def _pass_denies(patch: Patch) -> None:
    right = Reading.judge

    def judge(self: Reading, packet: Packet) -> Any:
        said = right(self, packet)
        return said._replace(allowed=False) if said.passes else said

    patch.setattr(Reading, "judge", judge)


def _finished_pods_keep_addresses(patch: Patch) -> None:
    patch.setattr(pod_reading, "_FINISHED", set())


def _host_networked_pods_are_peers(patch: Patch) -> None:
    patch.setattr(inventory_reading, "true", lambda value: False)  # noqa: ARG005


def _no_labels_from_namespaces(patch: Patch) -> None:
    patch.setattr(Profiles, "inherited", lambda self, names: {})  # noqa: ARG005


WRONG: list[Callable[[Patch], None]] = [
    _families_do_not_matter,
    _types_default_to_both,
    _ties_by_fields,
    _orders_as_text,
    _missing_order_is_first,
    _not_selector_is_never_merged,
    _lone_not_selector_is_of_strangers,
    _selectors_reach_all_namespaces,
    _all_is_true_of_the_unnamespaced,
    _icmp_by_number_of_either_family,
    _not_icmp_only_for_icmp,
    _no_ports_of_sctp,
    _log_decides,
    _pass_denies,
    _finished_pods_keep_addresses,
    _host_networked_pods_are_peers,
    _no_labels_from_namespaces,
]


@pytest.fixture(scope="module")
def cases() -> list[Sample]:
    return samples("narrow")


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__.strip("_"))
def test_a_wrong_reading_would_be_found(
    wrong: Callable[[Patch], None], cases: list[Sample], monkeypatch: Patch
) -> None:
    wrong(monkeypatch)
    assert any(map(differs, cases))


def test_the_right_reading_differs_nowhere(cases: list[Sample]) -> None:
    assert not any(map(differs, cases[:20]))
