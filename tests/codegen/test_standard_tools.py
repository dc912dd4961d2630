"""Standard tools load what the compiler writes, and show the policy in it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from polc.compiler.backend import CompiledPair
from polc.compiler.pipeline import compile_endpoint, load_sources
from polc.compiler.source import Source
from polc.pair.layout import Direction, program_symbol

pytestmark = pytest.mark.kernel

POLICY = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
status: {podIP: 10.1.0.5}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == 'web'
  types: [Ingress, Egress]
  ingress:
  - action: Allow
    protocol: TCP
    source: {nets: [10.0.0.0/8]}
    destination: {ports: [80, 443]}
  - action: Deny  # no UDP at all
    protocol: UDP
  egress:
  - action: Log
  - action: Allow
    protocol: ICMP
  - action: Deny
    protocol: SCTP
"""
RULE_LINES = {
    Direction.INGRESS: {13: "- action: Allow", 17: "- action: Deny  # no UDP at all"},
    Direction.EGRESS: {21: "- action: Allow", 23: "- action: Deny"},
}
_NUMBERS = itertools.count()
# tc makes folders in the first bpffs that it finds mounted, another test's too: here it finds this one first.
# `ip netns exec` gives a mount namespace of its own.
_WITH_BPFFS = ("sh", "-c", 'mount -t bpf bpf /sys/fs/bpf && exec "$@"', "sh")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def pair() -> CompiledPair:
    return compile_endpoint(load_sources([Source.of("policy.yaml", POLICY)]), "shop", "web")


@pytest.fixture
def objects(pair: CompiledPair, tmp_path: Path) -> dict[Direction, Path]:
    files = {}
    for direction, data in ((Direction.INGRESS, pair.ingress), (Direction.EGRESS, pair.egress)):
        files[direction] = tmp_path / f"{pair.name}.{direction.word}.o"
        files[direction].write_bytes(data)
    return files


@pytest.fixture
def bpffs(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "bpffs"
    root.mkdir()
    run("mount", "-t", "bpf", "bpf", str(root))
    yield root
    run("umount", str(root))


@pytest.fixture
def device() -> Iterator[tuple[str, str]]:
    """A namespace and a veth in it, as (namespace, interface)."""
    name = f"polc-test-c{os.getpid()}-{next(_NUMBERS)}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "add", "polc-test-h", "type", "veth", "peer", "name", "polc-test-w")
        yield name, "polc-test-h"
    finally:
        run("ip", "netns", "del", name)


@pytest.mark.parametrize("direction", Direction)
def test_bpftool_loads_an_object_with_its_btf_and_prints_its_identity(
    pair: CompiledPair, objects: dict[Direction, Path], bpffs: Path, direction: Direction
) -> None:
    pin = bpffs / direction.word
    run("bpftool", "prog", "load", str(objects[direction]), str(pin))
    shown = json.loads(run("bpftool", "-j", "prog", "show", "pinned", str(pin)))
    assert shown["btf_id"] > 0
    assert shown["gpl_compatible"] is True
    assert shown["name"] == program_symbol(direction)
    assert shown["metadata"] == {
        "polc_id": pair.identity.hex(),
        "polc_direction": direction.word,
        "polc_layout": "1",
    }


@pytest.mark.parametrize("direction", Direction)
def test_bpftool_shows_the_yaml_line_of_every_deciding_rule(
    objects: dict[Direction, Path], bpffs: Path, direction: Direction
) -> None:
    pin = bpffs / direction.word
    run("bpftool", "prog", "load", str(objects[direction]), str(pin))
    dump = run("bpftool", "prog", "dump", "xlated", "pinned", str(pin), "linum")
    for line, text in RULE_LINES[direction].items():
        assert f"; {text} [file:policy.yaml line_num:{line} " in dump


@pytest.mark.parametrize("direction", Direction)
def test_tc_loads_and_attaches_an_object(
    objects: dict[Direction, Path], device: tuple[str, str], direction: Direction
) -> None:
    namespace, interface = device
    tc = ("ip", "netns", "exec", namespace, *_WITH_BPFFS, "tc")
    run(*tc, "qdisc", "add", "dev", interface, "clsact")
    obj = str(objects[direction])
    run(*tc, "filter", "add", "dev", interface, "ingress", "bpf", "direct-action", "obj", obj, "sec", "tc")
    shown = run(*tc, "filter", "show", "dev", interface, "ingress")
    assert "direct-action" in shown
    assert " jited" in shown
