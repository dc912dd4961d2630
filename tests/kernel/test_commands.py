"""The commands in processes of their own: they know nothing but what the kernel holds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from polc.pair.layout import Direction
from polc.runtime.bpf.kinds import WRITES
from polc.tests.kernel.scene import ALLOW, DENY, Scene, sh
from polc.tests.pair.pairs import sealed
from polc.tests.pair.specimen import Specimen

pytestmark = pytest.mark.kernel

POLC = (sys.executable, "-c", "from polc.cli.main import main; main()")


def written(folder: Path, name: str, specimen: Specimen) -> Path:
    """The pair as files; its path as `attach` takes it."""
    for direction, data in zip(Direction, sealed(specimen), strict=True):
        (folder / f"{name}.{direction.word}.o").write_bytes(data)
    return folder / name


def polc(
    scene: Scene, command: str, *more: str, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    place = ("--iface", scene.device, "--netns", scene.veth.namespace)
    pins = ("--bpffs", str(scene.root)) if command in ("attach", "detach") else ()
    how = ("--hook", str(scene.mechanism)) if command == "attach" else ()
    return subprocess.run(
        [*prefix, *POLC, command, *place, *pins, *how, *more], capture_output=True, text=True, check=False
    )


def facts(scene: Scene) -> Any:
    done = polc(scene, "status", "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["interfaces"]


def test_another_process_says_the_same_also_when_every_pin_path_is_hidden(
    scene: Scene, tmp_path: Path
) -> None:
    attached = polc(scene, "attach", str(written(tmp_path, "web", DENY)))
    assert attached.returncode == 0, attached.stderr
    here = json.loads(scene.status().model_dump_json())
    assert facts(scene) == [here]
    sh("mount", "-t", "bpf", "bpf", str(scene.root))
    assert not (scene.root / "polc").exists()
    assert facts(scene) == [here]
    assert polc(scene, "verify").returncode == 0
    assert scene.crossing() == (False, False)
    detached = polc(scene, "detach")
    assert detached.returncode == 0, detached.stderr
    assert facts(scene)[0]["state"] == "absent"
    assert polc(scene, "verify").returncode == 4
    assert scene.crossing() == (True, True)


def test_a_swap_with_hidden_pins_pins_anew_and_says_that_pins_are_hidden(
    scene: Scene, tmp_path: Path
) -> None:
    polc(scene, "attach", str(written(tmp_path, "web", ALLOW)))
    sh("mount", "-t", "bpf", "bpf", str(scene.root))
    swapped = polc(scene, "attach", str(written(tmp_path, "web2", DENY)))
    assert swapped.returncode == 0, swapped.stderr
    assert "pins are hidden" in swapped.stdout
    sh("umount", str(scene.root))
    assert scene.verify().generation == 2
    assert scene.crossing() == (False, False)


def test_attaching_again_makes_only_reading_system_calls(scene: Scene, tmp_path: Path) -> None:
    pair = str(written(tmp_path, "web", ALLOW))
    assert polc(scene, "attach", pair).returncode == 0
    trace = tmp_path / "trace"
    strace = ("strace", "-f", "-o", str(trace), "-e", "trace=bpf,sendto,sendmsg")
    again = polc(scene, "attach", pair, prefix=strace)
    assert again.returncode == 0, again.stderr
    text = trace.read_text()
    commands = set(re.findall(r"bpf\(BPF_(\w+)", text))
    messages = set(re.findall(r"nlmsg_type=(\w+)", text))
    assert "PROG_QUERY" in commands
    assert commands & {command.name for command in WRITES} == set()
    assert messages
    assert {message for message in messages if not reads(message)} == set()


def reads(message: str) -> bool:
    """A route-netlink type by name, or in hex where strace does not know the socket of another namespace.

    Each kind of object has four types: new, delete, get, set (include/uapi/linux/rtnetlink.h).
    """
    return message.startswith("RTM_GET") or (message.startswith("0x") and int(message, 16) % 4 == 2)


def refused(done: subprocess.CompletedProcess[str], hint: str, code: int = 3) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


def test_without_privilege_attach_is_refused_and_nothing_changes(scene: Scene, tmp_path: Path) -> None:
    pair = str(written(tmp_path, "web", DENY))
    polc(scene, "attach", str(written(tmp_path, "old", ALLOW)))
    before, status = scene.snapshot(), scene.status()
    nothing = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
    refused(polc(scene, "attach", pair, prefix=nothing), "root")
    inside = ("nsenter", f"--net=/run/netns/{scene.veth.namespace}", *nothing)
    arguments = ("attach", "--iface", scene.device, "--bpffs", str(scene.root), pair)
    done = subprocess.run([*inside, *POLC, *arguments], capture_output=True, text=True, check=False)
    refused(done, "root")
    assert scene.left_over(before) == ()
    assert scene.status() == status


def test_inside_ip_netns_exec_attach_is_refused(tcx: Scene, tmp_path: Path) -> None:
    pair, before = str(written(tmp_path, "web", DENY)), tcx.snapshot()
    name = tcx.veth.namespace
    for command in (("attach", pair), ("detach",)):
        arguments = (command[0], "--iface", tcx.device, "--bpffs", str(tcx.root), *command[1:])
        done = subprocess.run(
            ["ip", "netns", "exec", name, *POLC, *arguments], capture_output=True, text=True, check=False
        )
        refused(done, f"--netns {name}")
    assert tcx.left_over(before) == ()


def test_without_a_bpffs_attach_is_refused_with_the_mount_command(tcx: Scene, tmp_path: Path) -> None:
    pair, before = str(written(tmp_path, "web", DENY)), tcx.snapshot()
    bare = tmp_path / "bare"
    bare.mkdir()
    refused(polc(tcx, "attach", pair, "--bpffs", str(bare)), f"mount -t bpf bpf {bare}")
    assert tcx.left_over(before) == ()


def test_mount_bpffs_mounts_it_where_pid_1_sees_it_and_nowhere_else(tcx: Scene, tmp_path: Path) -> None:
    pair = str(written(tmp_path, "web", ALLOW))
    bare = tmp_path / "bare"
    bare.mkdir()
    more = (pair, "--bpffs", str(bare), "--mount-bpffs")
    refused(polc(tcx, "attach", *more, prefix=("unshare", "--mount")), "mount -t bpf")
    try:
        assert polc(tcx, "attach", *more).returncode == 0
        assert (bare / "polc").is_dir()
        assert polc(tcx, "detach", "--bpffs", str(bare)).returncode == 0
        assert not (bare / "polc").exists()
    finally:
        sh("umount", str(bare))


def test_an_unknown_interface_or_namespace_is_refused(tcx: Scene, tmp_path: Path) -> None:
    pair = str(written(tmp_path, "web", ALLOW))
    refused(polc(tcx, "attach", pair, "--iface", "polc-test-none"), "ip link")
    refused(polc(tcx, "attach", pair, "--netns", "polc-test-none"), "ip netns list")


def test_files_that_are_no_pair_are_refused_and_nothing_changes(tcx: Scene, tmp_path: Path) -> None:
    before = tcx.snapshot()
    pair = written(tmp_path, "web", ALLOW)
    egress = tmp_path / "web.egress.o"
    egress.write_bytes(sealed(DENY)[1])
    refused(polc(tcx, "attach", str(pair)), "one compilation", code=1)
    assert tcx.left_over(before) == ()
