"""attach, status, verify, detach, monitor and doctor as a user runs them, on the real kernel."""

from __future__ import annotations

import json
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from polc.cli.events import EventRecord
from polc.pair.object import read_pair
from polc.runtime import netns
from polc.runtime.attach import AttachReport
from polc.runtime.status import StatusReport
from polc.tests.cli.command import EXAMPLES, POWERLESS, Place, command, polc
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

pytestmark = pytest.mark.kernel

FAULTS = ["two compilations", "swapped", "one file missing", "one object", "other endpoint"]
CHECKS = {"privilege", "bpf", "btf", "bpffs", "hooks", "jit"}


def identity(pair: Path) -> str:
    ingress, egress = (Path(f"{pair}.{side}.o").read_bytes() for side in ("ingress", "egress"))
    return read_pair(ingress, egress).identity.hex()


def in_force(place: Place) -> str | None:
    """What another process reads from the kernel, without knowing where the pins are."""
    done = polc("status", *place.options, "--format", "json")
    assert done.code == 0, done.err
    [found] = StatusReport.model_validate_json(done.out).interfaces
    return found.identity


@pytest.mark.parametrize("hook", ["tcx", "clsact"])
@pytest.mark.parametrize("mode", ["workload", "host"])
def test_a_pair_comes_into_force_stays_quietly_swaps_and_goes(
    place: Place, pairs: Path, hook: str, mode: str
) -> None:
    given = (*place.with_bpffs, "--hook", hook, "--mode", mode, "--format", "json")
    first = polc("attach", pairs / "shop.web", *given)
    assert first.code == 0, first.err
    assert AttachReport.model_validate_json(first.out).changed
    assert in_force(place) == identity(pairs / "shop.web")
    again = AttachReport.model_validate_json(polc("attach", pairs / "shop.web", *given).out)
    assert (again.changed, again.plan) == (False, ())
    assert polc("attach", pairs / "next" / "shop.web", *given).code == 0
    assert in_force(place) == identity(pairs / "next" / "shop.web")
    assert polc("verify", *place.options).code == 0
    assert polc("verify", pairs / "shop.web", *place.options).code == 4
    assert polc("detach", *place.with_bpffs).code == 0
    assert in_force(place) is None
    assert polc("verify", *place.options).code == 4
    assert not (place.bpffs / "polc").exists()


def test_policies_are_compiled_on_the_way(place: Place, pairs: Path) -> None:
    shop = EXAMPLES / "shop"
    files = (shop / "inventory.yaml", shop / "policy.yaml")
    assert polc("attach", *files, *place.with_bpffs).code == 2, "two endpoints, none chosen"
    done = polc("attach", *files, *place.with_bpffs, "--endpoint", "shop/web")
    assert done.code == 0, done.err
    assert in_force(place) == identity(pairs / "shop.web")


def test_a_dry_run_says_what_it_would_do_and_does_nothing(place: Place, pairs: Path) -> None:
    done = polc("attach", pairs / "shop.web", *place.with_bpffs, "--dry-run")
    assert done.code == 0, done.err
    assert "would be done:" in done.out
    assert in_force(place) is None
    assert not (place.bpffs / "polc").exists()


@pytest.mark.parametrize(
    "fault", ["two compilations", "swapped", "one file missing", "one object", "other endpoint"]
)
def test_what_is_no_pair_is_refused_with_exit_1(
    place: Place, pairs: Path, tmp_path: Path, fault: str
) -> None:
    ours, others = pairs / "shop.web", pairs / "next" / "shop.web"
    ingress, egress = tmp_path / "x.ingress.o", tmp_path / "x.egress.o"
    shutil.copy(f"{ours}.egress.o" if fault == "swapped" else f"{ours}.ingress.o", ingress)
    if fault == "swapped":
        shutil.copy(f"{ours}.ingress.o", egress)
    elif fault != "one file missing":
        shutil.copy(f"{others if fault == 'two compilations' else ours}.egress.o", egress)
    target = ingress if fault == "one object" else tmp_path / "x"
    named = ("--endpoint", "shop/other") if fault == "other endpoint" else ()
    done = polc("attach", target, *place.with_bpffs, *named)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert in_force(place) is None


def test_without_privilege_it_is_exit_3_with_a_hint(place: Place, pairs: Path) -> None:
    done = polc("attach", pairs / "shop.web", *place.with_bpffs, under=POWERLESS)
    assert done.code == 3
    assert "hint: " in done.err
    assert polc("doctor", "--bpffs", place.bpffs, under=POWERLESS).code == 3


def test_without_a_bpf_filesystem_it_is_exit_3_with_the_mount_command(
    place: Place, pairs: Path, tmp_path: Path
) -> None:
    done = polc("attach", pairs / "shop.web", *place.options, "--bpffs", tmp_path)
    assert done.code == 3
    assert f"mount -t bpf bpf {tmp_path}" in done.err


@pytest.mark.parametrize("name", ["attach", "status", "verify", "detach", "monitor", "counters"])
def test_an_interface_that_is_not_there_is_exit_3(place: Place, pairs: Path, name: str) -> None:
    target = (pairs / "shop.web",) if name == "attach" else ()
    done = polc(name, *target, "--iface", "nowhere", "--netns", place.netns)
    assert done.code == 3
    assert "nowhere" in done.err


def test_doctor_finds_this_machine_able(place: Place) -> None:
    done = polc("doctor", "--bpffs", place.bpffs, "--format", "json")
    assert done.code == 0, done.out
    found = json.loads(done.out)
    assert found["can_attach"]
    assert found["can_compile"]
    assert {check["name"] for check in found["checks"]} >= {
        "privilege",
        "bpf",
        "btf",
        "bpffs",
        "hooks",
        "jit",
    }


def test_monitor_names_the_line_that_denied_a_packet(place: Place, pairs: Path) -> None:
    assert polc("attach", pairs / "shop.web", *place.with_bpffs, "--mode", "workload").code == 0
    watching = command("monitor", *place.options, "--format", "json")
    with subprocess.Popen(watching, stdout=subprocess.PIPE, text=True) as monitor:
        try:
            found = first_event(monitor, place)
        finally:
            monitor.send_signal(signal.SIGINT)
        assert monitor.wait(20) == 0
    assert (found.verdict, found.direction, found.destination) == ("deny", "egress", "10.77.1.2")
    assert found.line == "- action: Deny"
    assert found.at.endswith("policy.yaml:49:15")


def first_event(monitor: subprocess.Popen[str], place: Place) -> EventRecord:
    """The first event about our packet, sent again until the monitor is up and tells of it."""
    assert monitor.stdout
    until = time.monotonic() + 30
    while time.monotonic() < until:
        netns.run(place.netns, send_denied)
        while select.select([monitor.stdout], [], [], 0.5)[0]:
            found = EventRecord.model_validate_json(monitor.stdout.readline())
            if (found.protocol, found.destination_port) == ("TCP", 5432):
                return found
    raise AssertionError("the monitor told of no such packet")


def send_denied() -> None:
    """One TCP SYN out of the workload's end, as a frame: it needs no neighbour."""
    segment = IP(src="10.77.2.2", dst="10.77.1.2") / TCP(sport=40000, dport=5432, flags="S")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as end:
        end.bind(("polc-test-w", 0))
        end.send(bytes(Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02") / segment))
