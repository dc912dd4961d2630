"""The metrics are valid exposition text and tell what the report tells; alert rules name them rightly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from polc.agent.board import Board
from polc.agent.metrics import Metrics
from polc.agent.states import STATES, BreakerHealth, InputsHealth, Totals, WorkerHealth
from polc.runtime.drift import Drift
from polc.runtime.flows import Fill
from polc.tests.agent_health.reports import BROKEN, GOOD, LATE, Clock, interface, report
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations.md"
ALERTS = ROOT / "examples" / "agent" / "polc.rules"
FULL = Fill(entries=60000, live=50000, capacity=65536, exact=False)
_NAME = re.compile(r"\b(?:polc|process)_[a-z_]+\b")


@pytest.fixture
def metrics() -> Metrics:
    bypassed = GOOD.model_copy(update={"bypass": ("other",)})
    full = report(
        interface(GOOD, "cali1", flows=FULL),
        interface(LATE, "cali2", seconds=300.0, attempts=3),
        interface(BROKEN, 'c"\\\n3', endpoint=None),
        interface(bypassed, "cali4"),
        interface(GOOD.model_copy(update={"note": "mended 7 times"}), "cali5"),
        inputs=InputsHealth(state="refused", number=5, in_use=4, endpoints=3),
        worker=WorkerHealth(state="waiting", restarts=2, pending=1),
        breaker=BreakerHealth(open=True, trips=1),
        totals=Totals(
            reconciles=9, writes=8, tc_writes=4, swaps=2, failures=3, retries=1, drift={"pin-lost": 5}
        ),
    )
    made = Metrics(Board(Clock(), full))
    made.compiled(0.3)
    return made


def samples(metrics: Metrics) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        assert family.documentation, family.name
        assert family.type in ("gauge", "counter", "histogram"), family.name
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def test_the_numbers_are_those_of_the_report(metrics: Metrics) -> None:
    found = samples(metrics)

    def value(name: str, **labels: str) -> float:
        (only,) = [one.value for one in found[name] if labels.items() <= one.labels.items()]
        return float(only)

    assert value("polc_interface_state", interface="cali1", state="enforcing") == 1
    assert value("polc_interface_state", interface="cali2", state="pending") == 1
    assert value("polc_interface_state", interface="cali2", state="enforcing") == 0
    assert value("polc_interface_state", interface='c"\\\n3', state="not-enforcing", endpoint="") == 1
    assert value("polc_interface_state_age_seconds", interface="cali2") == 300
    assert value("polc_interface_generation", interface="cali1") == 3
    assert value("polc_interface_bypass", interface="cali4") == 1
    doubts = {one.labels["interface"] for one in found["polc_interface_doubt"] if one.value}
    assert doubts == {"cali5"}
    assert value("polc_interface_failed_attempts", interface="cali2") == 3
    assert value("polc_interface_flow_entries", interface="cali1") == 60000
    assert value("polc_interface_flow_entries_live", interface="cali1") == 50000
    assert value("polc_interface_flow_entries_max", interface="cali1") == 65536
    assert value("polc_tc_writes_total") == 4
    assert value("polc_swaps_total") == 2
    assert value("polc_retries_total") == 1
    assert value("polc_drift_total", **{"class": "pin-lost"}) == 5
    assert {one.labels["class"] for one in found["polc_drift_total"]} == set(Drift)
    assert value("polc_worker_restarts_total") == 2
    assert value("polc_breaker_open") == 1
    assert value("polc_input_state", state="refused") == 1
    assert value("polc_compile_seconds_bucket", le="0.5") == 1
    assert value("polc_compile_seconds_bucket", le="0.2") == 0


def test_an_interface_that_is_gone_leaves_no_series() -> None:
    board = Board(Clock(), report(interface(GOOD, "cali1"), interface(GOOD, "cali2")))
    metrics = Metrics(board)
    board.pin(report(interface(GOOD, "cali2")))
    names = {one.labels.get("interface") for many in samples(metrics).values() for one in many}
    assert names == {None, "cali2"}


def _rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def test_every_alert_names_metrics_that_are_there_with_labels_that_they_have(metrics: Metrics) -> None:
    found = samples(metrics)
    rules = _rules()
    assert len(rules) == len({rule["alert"] for rule in rules}) > 0
    for rule in rules:
        named = _NAME.findall(rule["expr"])
        assert named, rule["alert"]
        assert set(named) <= set(found), rule["alert"]
        for name, matcher in re.findall(r"(polc_[a-z_]+)\{([^}]*)\}", rule["expr"]):
            for label, value in re.findall(r'([a-z_]+)=~?"([^"]*)"', matcher):
                values = {one.labels[label] for one in found[name]}
                assert set(value.split("|")) <= values, rule["alert"]
        text = " ".join(rule["annotations"].values())
        used = set(re.findall(r"\$labels\.(\w+)", text)) - {"instance"}
        assert all(used <= set(one.labels) for one in found[named[0]]), rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]


def test_every_alert_names_a_heading_of_the_operations_page() -> None:
    headings = {one.lower() for one in re.findall(r"^#+ (.+)$", PAGE.read_text(), re.MULTILINE)}
    for rule in _rules():
        page, _, heading = rule["annotations"]["action"].partition(", ")
        assert (page, heading in headings) == ("docs/operations.md", True), rule["alert"]


def test_the_operations_page_explains_every_state_and_every_class_of_drift() -> None:
    text = PAGE.read_text()
    assert {f"### {name.replace('-', ' ')}" for name in STATES} <= set(text.splitlines())
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == [str(one) for one in Drift]


def test_the_operations_page_lists_every_metric(metrics: Metrics) -> None:
    page = PAGE.read_text()
    listed = set(re.findall(r"^\| `(polc_[a-z_]+)", page, re.MULTILINE))
    every = {family.name for family in text_string_to_metric_families(metrics.text().decode())}
    families = {name for name in every if not name.endswith("_created")}  # of the histogram, by the library
    counters = {name for name in families if f"{name}_total" in samples(metrics)}
    own = {f"{name}_total" if name in counters else name for name in families if name.startswith("polc_")}
    assert listed == own
