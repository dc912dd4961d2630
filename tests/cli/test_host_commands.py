"""Compiling for a HostEndpoint as a user does: by its name, with failsafe ports, for the host's interface."""

from __future__ import annotations

from pathlib import Path

import pytest
from polc.pair.layout import Direction
from polc.pair.object import ObjectPair, read_pair
from polc.tests.cli.command import polc

HOSTS = """\
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: node-1-eth0, labels: {role: node}}
spec: {node: node-1, interfaceName: eth0, expectedIPs: [192.0.2.1]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: node-2-eth0, labels: {role: node}}
spec: {node: node-2, interfaceName: eth0}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: hosts}
spec: {selector: role == 'node', types: [Ingress]}
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.yaml"
    path.write_text(HOSTS)
    return path


def _pair(folder: Path) -> ObjectPair:
    ingress, egress = ((folder / f"node-1-eth0.{side}.o").read_bytes() for side in ("ingress", "egress"))
    return read_pair(ingress, egress)


def _failsafes(pair: ObjectPair, direction: Direction) -> list[str]:
    return [item.policy for item in pair.side(direction).provenance.rules if item.what == "failsafe"]


def test_every_host_with_addresses_is_compiled_for_and_another_is_told(hosts: Path, tmp_path: Path) -> None:
    done = polc("compile", hosts, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert "POLC-W0722" in done.err
    assert {path.name.split(".")[0] for path in (tmp_path / "out").iterdir()} == {"node-1-eth0"}
    pair = _pair(tmp_path / "out")
    assert pair.endpoint == "node-1-eth0"
    assert _failsafes(pair, Direction.INGRESS)[0] == "default failsafe tcp:22"


def test_failsafe_ports_are_options_and_named_by_the_objects(hosts: Path, tmp_path: Path) -> None:
    failsafes = ("--failsafe-inbound", "tcp:2222", "--failsafe-outbound", "none")
    done = polc("compile", hosts, "-o", tmp_path / "out", "--endpoint", "node-1-eth0", *failsafes)
    assert done.code == 0, done.err
    pair = _pair(tmp_path / "out")
    assert _failsafes(pair, Direction.INGRESS) == ["--failsafe-inbound tcp:2222"]
    assert _failsafes(pair, Direction.EGRESS) == []


def test_a_host_that_cannot_be_honoured_is_exit_1_with_the_reason(hosts: Path, tmp_path: Path) -> None:
    done = polc("compile", hosts, "-o", tmp_path / "out", "--endpoint", "node-2-eth0")
    assert done.code == 1
    assert "POLC-E0721" in done.err
    assert not (tmp_path / "out").exists()


def test_a_hosts_pair_on_a_workloads_interface_is_a_usage_error(hosts: Path, tmp_path: Path) -> None:
    assert polc("compile", hosts, "-o", tmp_path / "out", "--endpoint", "node-1-eth0").code == 0
    done = polc("attach", tmp_path / "out" / "node-1-eth0", "--iface", "polc-test-none")
    assert done.code == 2
    assert "--mode host" in done.err


def test_failsafe_ports_that_cannot_be_read_are_a_usage_error(hosts: Path, tmp_path: Path) -> None:
    done = polc("compile", hosts, "-o", tmp_path / "out", "--failsafe-inbound", "tcp:ssh")
    assert done.code == 2
    assert "--failsafe-inbound" in done.err
