"""Every rule field means what the dossier says: hand-written verdicts, asked of oracle, model and kernel."""

from __future__ import annotations

import pytest
from polc.compiler.model import Model, parse_packet
from polc.compiler.source import CompileError
from polc.judge.kernel import KernelEngine
from polc.pair.layout import Config
from polc.pair.object import read_pair
from polc.runtime.bpf import Bpf
from polc.tests.differential.subjects import (
    DIRECTIONS,
    Asked,
    compiled,
    decider,
    findings,
    read_texts,
    resolve,
)
from polc.tests.generators.frames import frame_of
from polc.tests.golden.verdict_cases import Case, Expected, read_cases
from polc.tests.oracle.verdict_reading import Oracle

CASES = read_cases()

# What the golden cases must cover (issue 2 item 9): one file each, at least.
FIELDS = {
    *("action", "order", "tie_break", "types", "selector", "selector_language"),
    *("namespace_selector_of_policy", "namespace_selector_of_rule", "rule_selector", "not_selector"),
    *("nets", "not_nets", "family_filter", "ports", "not_ports", "protocol", "not_protocol"),
    *("ip_version", "icmp", "not_icmp", "sets", "host_endpoints", "pass", "log", "no_policy", "empty_rules"),
    *("workload_endpoint", "pods", "labels", "crd_spelling"),
    *("named_ports", "services", "service_accounts", "kubernetes_policy", "cluster_policy"),
    *("tiers", "staged", "profiles", "hosts", "service_account_selector", "controllers"),
}


def _title(case: Case) -> str:
    return f"{case.file}-{case.promise}"


every_case = pytest.mark.parametrize("case", CASES, ids=_title)


def test_every_field_has_golden_cases() -> None:
    assert {case.file for case in CASES} == FIELDS
    assert all(case.packets and case.dossier for case in CASES)


@every_case
def test_oracle_gives_the_verdict_written_by_hand(case: Case) -> None:
    oracle = Oracle(case.objects)
    if case.labels is None:
        readings = oracle.endpoint(case.namespace, case.name)
    else:
        readings = oracle.labelled(case.labels, case.namespace)
    for wanted in case.packets:
        said = readings[wanted.direction].judge(wanted.packet)
        assert (said.allowed, said.decider) == (wanted.allowed, wanted.decider), wanted.line
        assert tuple(map(str, said.passes)) == wanted.via, wanted.line
        assert tuple(map(str, said.logged)) == wanted.logs, wanted.line


def _asked(case: Case) -> Asked:
    return Asked(case.namespace, case.name, case.labels)


def _without_kind(name: str) -> str:
    """`Kind/namespace/name/direction/number` as the golden files write it."""
    return name.partition("/")[2] if "/" in name else name


@every_case
def test_model_gives_the_verdict_written_by_hand(case: Case) -> None:
    try:
        resolved = resolve(read_texts({"case.yaml": case.text}), _asked(case))
    except CompileError as error:
        pytest.fail(findings(error))
    model = Model(resolved.program)
    for wanted in case.packets:
        direction = DIRECTIONS[wanted.direction]
        said = model.judge(direction, parse_packet(frame_of(wanted.packet)))
        name = _without_kind(decider(resolved, direction, said.rule))
        assert (said.verdict == "allow", name) == (wanted.allowed, wanted.decider), wanted.line
        logs = [_without_kind(decider(resolved, direction, index)) for index in said.logs]
        assert tuple(logs) == wanted.logs, wanted.line


@pytest.fixture(scope="module")
def bpf() -> Bpf:
    return Bpf()


def _check_frame(engine: KernelEngine, model: Model, wanted: Expected) -> tuple[bool, int | None]:
    """Kernel and model say the same of the packet as a lone frame; what they say: allowed, deciding rule."""
    direction, frame = DIRECTIONS[wanted.direction], frame_of(wanted.packet)
    engine.forget()
    run, outcome = engine.run(direction, frame), model.step(direction, frame, 0.0)
    assert (run.allowed, run.reason, run.logs) == (
        outcome.verdict == "allow",
        outcome.reason,
        outcome.logs,
    ), wanted.line
    rule = run.rule
    if run.allowed and outcome.key is not None and outcome.entry is not None:
        entry = engine.flow(outcome.key)
        assert entry is not None, wanted.line
        rule = entry.rule
    if not run.allowed or outcome.entry is not None:
        assert rule == outcome.rule, wanted.line
    return run.allowed, outcome.rule if outcome.judged else None


@pytest.mark.kernel
@every_case
def test_kernel_gives_the_verdict_written_by_hand(case: Case, bpf: Bpf) -> None:
    pair = compiled(read_texts({"case.yaml": case.text}), _asked(case))
    objects = read_pair(pair.ingress, pair.egress)
    with KernelEngine(bpf, objects) as engine:
        for wanted in case.packets:
            model = Model(pair.resolved.program, Config(generation=1))
            allowed, rule = _check_frame(engine, model, wanted)
            if rule is not None:  # a lone ICMP reply or error never reaches policy
                name = _without_kind(decider(pair.resolved, DIRECTIONS[wanted.direction], rule))
                assert (allowed, name) == (wanted.allowed, wanted.decider), wanted.line
