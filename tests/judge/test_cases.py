"""Test cases mean what they say: who, to whom, what, and what has to come of it, with state between steps."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from polc.compiler.source import Diagnostics, Source
from polc.judge.case_reading import read_cases
from polc.judge.case_running import CaseResult, Decision, matches, prepare
from polc.judge.compiled import Policies
from polc.judge.engines import EngineName
from polc.judge.junit import junit_xml
from polc.judge.testing import CasesReport, run_cases
from polc.tests.judge.worlds import read, shop

RULES = """[{action: Allow, protocol: TCP, destination: {ports: [80]}},
  {action: Allow, protocol: UDP, source: {selector: app == "client", namespaceSelector: all()}},
  {action: Allow, protocol: ICMP}]"""
MODEL = (EngineName.MODEL,)


def report(policies: Policies, text: str, engines: tuple[EngineName, ...] = MODEL) -> CasesReport:
    """The report on a list of cases in YAML."""
    diagnostics = Diagnostics()
    cases = read_cases([Source.of("cases.yaml", f"cases:\n{text}\n")], diagnostics)
    prepared = prepare(policies, cases, diagnostics)
    assert not list(diagnostics)
    return run_cases(policies, prepared, engines)


def one(text: str, rules: str = RULES, engines: tuple[EngineName, ...] = MODEL) -> CaseResult:
    [case] = report(shop(rules), text, engines).cases
    return case


def findings(text: str) -> list[tuple[str, str]]:
    """Position and code of each finding in a list of cases."""
    diagnostics = Diagnostics()
    cases = read_cases([Source.of("cases.yaml", text)], diagnostics)
    prepare(shop(RULES), cases, diagnostics)
    return [(str(item.span), item.code) for item in diagnostics]


@pytest.mark.parametrize("ends", ["from: front/client, to: shop/web", "from: 10.77.1.2, to: shop/web"])
@pytest.mark.parametrize(
    ("packet", "verdict", "rule"),
    [
        ("protocol: TCP, port: 80", "allow", "NetworkPolicy/shop/p/ingress/0"),
        ("protocol: TCP, port: 80", "allow", "shop/p/ingress/0"),
        ("protocol: TCP, port: 81", "deny", "tier-default"),
        ("protocol: UDP, port: 5, sourcePort: 6", "allow", "policy.yaml:3"),
        ("protocol: UDP, port: 5", "allow", "policy.yaml:3:12"),
        ("protocol: ICMP", "allow", "shop/p/ingress/2"),
        ("protocol: ICMP, icmp: {type: 13, code: 0}", "allow", "shop/p/ingress/2"),
        ("protocol: ICMP, icmp: {type: 0}", "deny", "no-flow"),
        ("protocol: 47", "deny", "tier-default"),
    ],
)
def test_a_case_passes_when_verdict_and_rule_are_as_expected(
    ends: str, packet: str, verdict: str, rule: str
) -> None:
    other = "deny" if verdict == "allow" else "allow"
    head = f"- {{name: c, {ends}, {packet}"
    assert one(f"{head}, expect: {verdict}, rule: {rule}}}").passed
    assert not one(f"{head}, expect: {other}}}").passed
    assert not one(f"{head}, expect: {verdict}, rule: shop/p/ingress/7}}").passed


def test_the_sender_s_egress_is_asked_before_the_receiver_s_ingress() -> None:
    case = one("- {name: c, from: front/client, to: shop/web, protocol: TCP, port: 81, expect: deny}")
    assert [(item.endpoint, item.direction, item.verdict) for item in case.steps[0].decisions] == [
        ("front/client", "egress", "allow"),
        ("shop/web", "ingress", "deny"),
    ]


def test_what_one_end_denies_never_reaches_the_other() -> None:
    policies = shop("[]", "egress")
    text = "- {name: c, from: shop/web, to: front/client, protocol: TCP, port: 1, expect: deny}"
    [case] = report(policies, text).cases
    assert [item.endpoint for item in case.steps[0].decisions] == ["shop/web"]


@pytest.mark.parametrize(
    "engine", [*MODEL, EngineName.NATIVE, pytest.param(EngineName.KERNEL, marks=pytest.mark.kernel)]
)
def test_state_is_kept_from_step_to_step(engine: EngineName) -> None:
    case = one(
        """- name: c
  from: front/client
  to: shop/web
  protocol: TCP
  port: 80
  steps:
  - {send: ack, expect: deny, rule: no-flow}
  - {reply: syn-ack, expect: deny, rule: no-flow}
  - {send: syn, expect: allow, rule: shop/p/ingress/0}
  - {reply: syn-ack, expect: allow, rule: shop/p/ingress/0}
  - {send: data, expect: allow}
  - {wait: 3600s}
  - {reply: data, expect: allow}
  - {send: fin, expect: allow}
  - {reply: fin, expect: allow}
  - {wait: 40s}
  - {send: ack, expect: allow}
  - {wait: 41s}
  - {send: ack, expect: deny}
  - {reply: rst, expect: deny}""",
        engines=(engine,),
    )
    assert [step.failed for step in case.steps] == [""] * 11


def test_errors_are_related_to_what_the_other_side_sent() -> None:
    case = one(
        """- name: c
  from: front/client
  to: shop/web
  protocol: UDP
  port: 5
  steps:
  - {reply: unreachable, expect: deny, rule: unrelated}
  - {send: packet, expect: allow}
  - {reply: unreachable, expect: allow}
  - {reply: packet, expect: allow}
  - {send: unreachable, expect: allow}
  - {wait: 500ms}
  - {wait: 1m}
  - {send: unreachable, expect: deny}"""
    )
    assert [step.failed for step in case.steps] == [""] * 6


def test_no_case_sees_the_flows_of_another() -> None:
    steps = "protocol: TCP, port: 80, steps: [{send: syn, expect: allow}, {send: data, expect: allow}]"
    later = "protocol: TCP, port: 80, steps: [{send: data, expect: deny, rule: no-flow}]"
    ends = "from: 10.0.0.1, to: shop/web"
    text = f"- {{name: a, {ends}, {steps}}}\n- {{name: b, {ends}, {later}}}"
    for engine in (EngineName.MODEL, EngineName.NATIVE):
        assert report(shop(RULES), text, (engine,)).failed == 0


def test_an_end_may_be_any_pod_of_some_labels() -> None:
    end = "{labels: {app: web}, namespace: shop, address: 10.77.2.99}"
    case = one(f"- {{name: c, from: front/client, to: {end}, protocol: UDP, port: 5, expect: allow}}")
    assert case.passed
    assert case.steps[0].decisions[1].endpoint == "app=web in shop"
    assert "10.77.2.99:5" in case.steps[0].packet


def test_the_address_family_is_the_one_that_both_ends_have() -> None:
    text = "from: '2001:db8::1', to: shop/web, protocol: TCP, port: 80, expect: allow"
    assert "[fd77:2::2]:80" in one(f"- {{name: c, {text}}}").steps[0].packet
    six = "from: shop/web, to: shop/web, protocol: TCP, port: 80, ipVersion: 6, expect: allow"
    assert "[fd77:2::2]:80" in one(f"- {{name: c, {six}}}").steps[0].packet


def test_coverage_counts_each_rule_once_and_names_the_others() -> None:
    policies = shop("[{action: Log}, {action: Pass, protocol: TCP}, {action: Deny}, {action: Allow}]")
    text = "- {name: c, from: 10.0.0.1, to: shop/web, protocol: TCP, port: 1, expect: allow, rule: end}"
    coverage = report(policies, text).coverage
    assert (coverage.rules, coverage.tested, coverage.percent) == (4, 2, 50.0)
    assert [rule.rule for rule in coverage.untested] == [
        "NetworkPolicy/shop/p/ingress/2",
        "NetworkPolicy/shop/p/ingress/3",
    ]


def test_an_answer_covers_the_rule_that_allowed_its_flow_and_no_other() -> None:
    policies = read(
        """
{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {nodeName: n}, status: {podIPs: [{ip: 10.0.0.1}]}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p},
 spec: {types: [Ingress, Egress], ingress: [{action: Allow}], egress: [{action: Allow}]}}
"""
    )
    steps = "[{send: packet, expect: allow}, {reply: packet, expect: allow}]"
    text = f"- {{name: c, from: 10.9.9.9, to: default/a, protocol: UDP, port: 1, steps: {steps}}}"
    coverage = report(policies, text).coverage
    assert [rule.rule for rule in coverage.untested] == ["NetworkPolicy/default/p/egress/0"]


def test_without_rules_nothing_is_untested() -> None:
    policies = shop("[]")
    text = "- {name: c, from: 10.0.0.1, to: shop/web, protocol: TCP, port: 1, expect: deny}"
    assert report(policies, text).coverage.percent == 100.0


def test_rules_are_named_in_several_ways() -> None:
    decision = Decision(
        endpoint="shop/web",
        direction="ingress",
        verdict="allow",
        rule="NetworkPolicy/shop/p/ingress/0",
        at="dir/policy.yaml:3:12",
    )
    for rule in (
        "NetworkPolicy/shop/p/ingress/0",
        "shop/p/ingress/0",
        "dir/policy.yaml:3",
        "dir/policy.yaml:3:12",
    ):
        assert matches(rule, decision)
    for rule in ("", "shop/p/ingress/00", "p/ingress/0", "policy.yaml:3", "dir/policy.yaml"):
        assert not matches(rule, decision)
    default = decision.model_copy(update={"rule": "tier-default"})
    assert matches("tier-default", default)
    assert not matches("", default)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cases: []", [("None", "POLC-E0905")]),
        ("case: []", [("cases.yaml:1:1", "POLC-E0206")]),
        ("- {}", [("cases.yaml:1:1", "POLC-E0207")]),
        ("cases: {}", [("cases.yaml:1:8", "POLC-E0207")]),
        ("cases: [no]", [("cases.yaml:1:9", "POLC-E0207")]),
        ("cases: [{name: a\n", [("cases.yaml:1:9", "POLC-E0101")]),
    ],
)
def test_what_is_no_list_of_cases_is_said_at_its_place(text: str, wanted: list[tuple[str, str]]) -> None:
    found = findings(text)
    assert [code for _, code in found] == [code for _, code in wanted]
    if wanted[0][1] != "POLC-E0101":
        assert found == wanted


def test_junit_names_each_case_and_why_it_failed() -> None:
    text = """
- {name: "quotes \\" & <angles>\\u0001", from: 10.0.0.1, to: shop/web, protocol: TCP, port: 80, expect: allow}
- {name: wrong, from: 10.0.0.1, to: shop/web, protocol: TCP, port: 80, expect: deny}"""
    root = ElementTree.fromstring(junit_xml(report(shop(RULES), text)))
    assert root.attrib == {"tests": "2", "failures": "1", "errors": "0", "skipped": "0"}
    first, second = root.iter("testcase")
    assert first.attrib["name"] == 'quotes " & <angles>�'
    assert first.find("failure") is None
    failure = second.find("failure")
    assert (second.attrib["file"], second.attrib["line"]) == ("cases.yaml", "4")
    assert failure is not None
    assert "expected deny, but ingress of shop/web allows" in failure.attrib["message"]


def test_a_difference_between_engines_fails_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "polc.judge.engines.Panel.difference", lambda *_: "model says allow; native says deny"
    )
    case = one("- {name: c, from: 10.0.0.1, to: shop/web, protocol: TCP, port: 80, expect: allow}")
    assert not case.passed
    assert case.steps[0].failed == "ingress of shop/web: model says allow; native says deny"
