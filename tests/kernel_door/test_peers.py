"""libbpf, as bpftool carries it, loads the same objects and makes the same program of them as we do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from polc.compiler.pipeline import compile_labels, load_sources
from polc.compiler.source import Source
from polc.pair.layout import Config, Direction
from polc.pair.object import read_pair
from polc.runtime.bpf import Bpf
from polc.runtime.loader import load_pair

pytestmark = pytest.mark.kernel

POLICY = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == 'web'
  types: [Ingress, Egress]
  ingress:
  - {action: Allow, protocol: TCP, destination: {ports: [80, "8000:8100"]}, source: {nets: [10.0.0.0/8]}}
  egress:
  - {action: Allow, protocol: UDP, destination: {ports: [53]}}
"""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[Direction, Path]:
    """The two files of one pair."""
    source = Source.of("web.yaml", POLICY)
    pair = compile_labels(load_sources([source]), {"app": "web"}, "shop")
    root = tmp_path_factory.mktemp("pair")
    found = {}
    for direction, data in ((Direction.INGRESS, pair.ingress), (Direction.EGRESS, pair.egress)):
        found[direction] = root / f"web.{direction.word}.o"
        found[direction].write_bytes(data)
    return found


def _sh(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


def _bpftool(objects: dict[Direction, Path], direction: Direction, mounted: Path) -> dict[str, object]:
    pin = str(mounted / direction.word)
    _sh("bpftool", "prog", "load", str(objects[direction]), pin, "type", "classifier")
    shown: dict[str, object] = json.loads(_sh("bpftool", "-j", "prog", "show", "pinned", pin))
    return shown


@pytest.mark.parametrize("direction", Direction)
def test_bpftool_makes_the_program_that_we_make(
    bpf: Bpf, objects: dict[Direction, Path], mounted: Path, direction: Direction
) -> None:
    theirs = _bpftool(objects, direction, mounted)
    ingress, egress = (objects[side].read_bytes() for side in Direction)
    pair = read_pair(ingress, egress)
    with load_pair(bpf, pair, Config()) as loaded:
        ours = bpf.prog_info(loaded.side(direction).program)
    assert theirs["tag"] == ours.tag.hex()
    assert theirs["bytes_xlated"] == ours.xlated_bytes
    assert theirs["btf_id"], "libbpf goes on without BTF that the kernel refuses"
    assert theirs["metadata"] == {
        "polc_id": pair.identity.hex(),
        "polc_direction": direction.word,
        "polc_layout": "1",
    }


@pytest.mark.parametrize("direction", Direction)
def test_bpftool_prints_the_policys_lines_between_the_instructions(
    objects: dict[Direction, Path], mounted: Path, direction: Direction
) -> None:
    _bpftool(objects, direction, mounted)
    printed = _sh("bpftool", "prog", "dump", "xlated", "pinned", str(mounted / direction.word), "linum")
    number, line = next((at, text) for at, text in enumerate(POLICY.splitlines(), 1) if "- {action" in text)
    if direction is Direction.EGRESS:
        number, line = len(POLICY.splitlines()), POLICY.splitlines()[-1]
    assert f"; {line.strip()} [file:" in printed
    assert f"web.yaml line_num:{number} " in printed
