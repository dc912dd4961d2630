"""The agent's Prometheus metrics: the report told in numbers, and what only a histogram can tell.

Everything but the histogram is made from the last report at the moment of scraping, so that `/metrics` and
`/status` never contradict each other and a series ends with its interface. Series by interface are few (ten
each); what grows with classes and interfaces together is counted for the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..runtime.drift import Drift
from .board import Board
from .states import STATES, AgentReport, Enforcing, InterfaceHealth, Pending

_BY_INTERFACE: Final = ("interface", "endpoint")
_COMPILE_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
INPUT_STATES: Final = ("none", "reading", "in-use", "refused")


class Metrics:
    """A registry of its own over the board's report."""

    def __init__(self, board: Board) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_OfReport(board))
        ProcessCollector(registry=self.registry)
        self._compile = Histogram(
            "polc_compile_seconds",
            "Seconds the compiler took for one pair that was not known yet.",
            buckets=_COMPILE_BUCKETS,
            registry=self.registry,
        )

    def compiled(self, seconds: float) -> None:
        """The compiler made a pair."""
        self._compile.observe(seconds)

    def text(self) -> bytes:
        """The exposition format."""
        return bytes(generate_latest(self.registry))


class _OfReport(Collector):
    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterable[Metric]:
        report = self._board.read()
        yield from _node(report)
        yield from _totals(report)
        yield from _interfaces(report.interfaces)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=value)


def _node(report: AgentReport) -> Iterator[Metric]:
    yield _gauge("polc_heartbeat_age_seconds", "Seconds since the loop last came round.", report.heartbeat)
    yield _gauge("polc_uptime_seconds", "Seconds since the agent started.", report.uptime)
    running = float(report.phase == "running")
    yield _gauge("polc_running", "1 once every interface was looked at after the start.", running)
    inputs = GaugeMetricFamily(
        "polc_input_state", "State of the newest revision of the files.", labels=("state",)
    )
    for state in INPUT_STATES:
        inputs.add_metric((state,), float(report.inputs.state == state))
    yield inputs
    yield _gauge("polc_input_revision", "Number of the revision in use.", report.inputs.in_use)
    yield _gauge(
        "polc_input_endpoints", "Endpoints that the revision in use wants here.", report.inputs.endpoints
    )
    yield _gauge("polc_awaited_interfaces", "Wanted interfaces that are not there.", len(report.awaited))
    yield _counter("polc_worker_restarts", "Restarts of the compiler's process.", report.worker.restarts)
    down = float(report.worker.state == "waiting")
    yield _gauge("polc_worker_down", "1 while the compiler's process waits for its restart.", down)
    yield _gauge("polc_worker_pending", "Endpoints that wait for the compiler.", report.worker.pending)
    held = float(report.breaker.open)
    yield _gauge("polc_breaker_open", "1 while tc writes are held back.", held)
    yield _counter("polc_breaker_trips", "Times that tc writes were held back.", report.breaker.trips)


def _totals(report: AgentReport) -> Iterator[Metric]:
    totals = report.totals
    yield _counter("polc_reconciles", "Interfaces compared with what is wanted there.", totals.reconciles)
    yield _counter("polc_kernel_writes", "Changes of kernel state of any kind.", totals.writes)
    yield _counter("polc_tc_writes", "Changes of tc hooks, each under the RTNL lock.", totals.tc_writes)
    yield _counter("polc_swaps", "Pairs put in force.", totals.swaps)
    yield _counter("polc_failures", "Attempts that failed.", totals.failures)
    yield _counter("polc_retries", "Attempts that followed a failed one.", totals.retries)
    drift = CounterMetricFamily("polc_drift", "Looks that found an interface so.", labels=("class",))
    for one in Drift:
        drift.add_metric((str(one),), totals.drift.get(str(one), 0))
    yield drift


def _interfaces(interfaces: tuple[InterfaceHealth, ...]) -> Iterator[Metric]:
    def family(name: str, text: str, *more: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, text, labels=(*_BY_INTERFACE, *more))

    state = family("polc_interface_state", "1 for the state an interface is in.", "state")
    age = family("polc_interface_state_age_seconds", "Seconds since it is in this state.")
    generation = family("polc_interface_generation", "Generation in force; 0 when no pair is.")
    bypass = family("polc_interface_bypass", "Foreign programs that may decide first and are not allowed to.")
    doubt = family("polc_interface_doubt", "1 where something is wrong that changes nothing in force.")
    attempts = family("polc_interface_failed_attempts", "Failed attempts in a row.")
    flows = family("polc_interface_flow_entries", "Entries of the flow table, at the last count.")
    live = family("polc_interface_flow_entries_live", "Of these, not timed out.")
    most = family("polc_interface_flow_entries_max", "What the flow table holds.")
    for one in interfaces:
        labels = one.interface, one.endpoint or ""
        for name in STATES:
            state.add_metric((*labels, name), float(one.state.state == name))
        age.add_metric(labels, one.seconds)
        in_force = one.state if isinstance(one.state, Enforcing | Pending) else None
        generation.add_metric(labels, in_force.generation if in_force else 0)
        bypass.add_metric(labels, len(in_force.bypass) if in_force else 0)
        doubt.add_metric(labels, float(isinstance(one.state, Enforcing) and bool(one.state.note)))
        attempts.add_metric(labels, one.attempts)
        if one.flows is not None:
            flows.add_metric(labels, one.flows.entries)
            live.add_metric(labels, one.flows.live)
            most.add_metric(labels, one.flows.capacity)
    yield from (state, age, generation, bypass, doubt, attempts, flows, live, most)
