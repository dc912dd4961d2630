"""The probe: what it says of this machine is so, and without privilege it says so instead of failing."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest
from polc.runtime.bpf import Bpf
from polc.runtime.probe import (
    _measured_hz,
    configured_hz,
    features,
    has_tcx,
    jiffies_hz,
    missing_capabilities,
    nearest_hz,
)

_CONFIG = b"# CONFIG_HZ_100 is not set\nCONFIG_HZ_250=y\nCONFIG_HZ=250\n"
_ASK = """
import dataclasses, json
from polc.runtime.bpf import Bpf
from polc.runtime.probe import features
print(json.dumps(dataclasses.asdict(features(Bpf()))))
"""


def test_hz_is_read_from_a_configuration_plain_or_packed() -> None:
    assert configured_hz(_CONFIG) == 250
    assert configured_hz(gzip.compress(_CONFIG)) == 250
    assert configured_hz(b"CONFIG_HZ_100=y\n") == 0


@pytest.mark.parametrize(
    ("ticks", "seconds", "hz"), [(25, 0.25, 100), (63, 0.2502, 250), (75, 0.251, 300), (249, 0.25, 1000)]
)
def test_a_measurement_means_the_nearest_rate_a_kernel_has(ticks: int, seconds: float, hz: int) -> None:
    assert nearest_hz(ticks, seconds) == hz


@pytest.mark.kernel
def test_root_on_this_machine_kind_has_all_we_need(bpf: Bpf) -> None:
    found = features(bpf)
    assert found.root
    assert found.missing == missing_capabilities() == ()
    assert found.bpf
    assert found.btf
    assert found.jit
    assert found.hz == jiffies_hz(bpf) > 0
    assert found.tcx is has_tcx(bpf) is not None


@pytest.mark.kernel
def test_the_measured_tick_is_the_configured_one(bpf: Bpf) -> None:
    assert _measured_hz(bpf) == jiffies_hz(bpf)


@pytest.mark.kernel
def test_a_probe_leaves_no_program_behind(bpf: Bpf) -> None:
    features(bpf)
    names = {"PROG_LOAD", "BTF_LOAD", "PROG_TEST_RUN"}
    assert set(bpf.writes) <= names


@pytest.mark.kernel
def test_without_privilege_every_answer_is_a_plain_no() -> None:
    bare = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
    done = subprocess.run([*bare, sys.executable, "-c", _ASK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["missing"]) == {"CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_PERFMON", "CAP_BPF"}
    assert (found["bpf"], found["btf"], found["tcx"]) == (False, False, None)
