"""The oracle is independent, and reads the dossier's own examples as the dossier says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from polc.tests.oracle.inventory_reading import Inventory, read_net
from polc.tests.oracle.rule_reading import Packet
from polc.tests.oracle.selector_reading import UnreadableSelector, read_selector
from polc.tests.oracle.verdict_reading import Oracle

_ROOM = Path(__file__).parent


def test_oracle_imports_nothing_that_it_judges() -> None:
    readings = sorted(_ROOM.glob("*_reading.py"))
    assert len(readings) == 10
    for path in readings:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 1 or (node.module or "").split(".")[0] != "polc", path.name
            elif isinstance(node, ast.Import):
                assert all(alias.name.split(".")[0] != "polc" for alias in node.names), path.name


# Expression, labels, verdict: dossier §5.1–§5.3.
_SELECTORS = [
    ("", {}, True),
    ("all()", {}, True),
    ("global( )", {}, True),
    ('a == "b"', {"a": "b"}, True),
    ("a=='b'", {"a": "B"}, False),
    ('a != "b"', {}, True),
    ('a contains ""', {"a": "x"}, True),
    ('a contains ""', {}, False),
    ('a contains"x"', {"a": "yxz"}, True),
    ('a startswith "yx"', {"a": "yxz"}, True),
    ('a ends \t with "yx"', {"a": "yxz"}, False),
    ('a in{"b"}', {"a": "b"}, True),
    ("a in {}", {"a": "b"}, False),
    ("a not in {}", {"a": "b"}, True),
    ("a notin {\"b\", 'c',}", {"a": "c"}, False),
    ('a not in {"b"}', {}, True),
    ("has(a)", {"a": ""}, True),
    ("!has( a )", {"a": ""}, False),
    ("!!has(a)", {"a": ""}, True),
    ('!a == "b"', {"a": "b"}, False),
    ('has(a) && has(b) || c == "d"', {"c": "d"}, True),
    ('has(a) && (has(b) || c == "d")', {"c": "d"}, False),
    ('has == "x"', {"has": "x"}, True),
    ('contains contains "contains"', {"contains": "contains"}, True),
    ("a == 'say \"hi\"'", {"a": 'say "hi"'}, True),
    ('a/b.c-d_e == "1"', {"a/b.c-d_e": "1"}, True),
]


@pytest.mark.parametrize(("text", "labels", "verdict"), _SELECTORS)
def test_oracle_evaluates_selectors_by_the_dossier(text: str, labels: dict[str, str], verdict: bool) -> None:
    assert read_selector(text)(labels) is verdict


@pytest.mark.parametrize(
    "text",
    [
        "()",
        "a",
        'a = "b"',
        "a inx",
        'a inx {"b"}',
        'a == "b',
        "has (a)",
        "has(a",
        "a == b",
        "a == 'b' c",
        "\n",
    ],
)
def test_oracle_refuses_what_is_no_selector(text: str) -> None:
    with pytest.raises(UnreadableSelector):
        read_selector(text)


def test_namespace_selectors_speak_of_namespaces() -> None:
    inside = {"projectcalico.org/namespace": "a", "pcns.env": "prod", "env": "no"}
    assert read_selector("env == 'prod'", of_namespaces=True)(inside)
    assert read_selector("all()", of_namespaces=True)(inside)
    assert not read_selector("all()", of_namespaces=True)({})
    assert read_selector(" global() ", of_namespaces=True)({})


def test_addresses_are_masked_and_mapped_forms_become_ipv4() -> None:
    assert read_net("10.0.0.9/30") == (4, 0x0A000008, 0x0A00000B)
    assert read_net("::ffff:10.0.0.1") == (4, 0x0A000001, 0x0A000001)
    assert read_net("::/0") == (6, 0, 2**128 - 1)


_OBJECTS = """
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {env: prod}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: a, labels: {app: web, pcns.env: forged}},
 spec: {nodeName: n, serviceAccountName: robot}, status: {podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: hosty, namespace: a}, spec: {nodeName: n, hostNetwork: true},
 status: {podIP: 10.9.9.9}}
---
{apiVersion: v1, kind: Pod, metadata: {name: done, namespace: a}, spec: {nodeName: n},
 status: {podIP: 10.9.9.8, phase: Succeeded}}
"""


def test_pods_carry_the_labels_and_addresses_of_the_dossier() -> None:
    inventory = Inventory(yaml.safe_load_all(_OBJECTS))
    web = inventory.workloads["a", "web"]
    assert web.labels == {
        "app": "web",
        "pcns.env": "prod",
        "pcns.kubernetes.io/metadata.name": "a",
        "pcns.projectcalico.org/name": "a",
        "pcsa.projectcalico.org/name": "robot",
        "projectcalico.org/namespace": "a",
        "projectcalico.org/orchestrator": "k8s",
        "projectcalico.org/serviceaccount": "robot",
    }
    assert web.nets == (read_net("10.0.0.1"), read_net("fd00::1"))
    assert ("a", "hosty") not in inventory.workloads
    assert inventory.workloads["a", "done"].nets == ()


def test_no_policy_allows_a_pod() -> None:
    decision = Oracle(yaml.safe_load_all(_OBJECTS)).endpoint("a", "web")["egress"].judge(Packet(4, 6, 1, 2))
    assert (decision.allowed, decision.decider) == (True, "no-policy")
