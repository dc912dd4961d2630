"""What the agent keeps is enough and each part of it is needed; what was given up does not come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from polc.runtime import netns, privilege
from polc.runtime.attach import attach
from polc.runtime.bpffs import Bpffs
from polc.runtime.detach import detach
from polc.runtime.errors import CannotError
from polc.runtime.hooks import Mechanism
from polc.runtime.kernel import Kernel
from polc.runtime.netlink import Netlink
from polc.runtime.privilege import NEEDED, Capability
from polc.runtime.request import AttachRequest
from polc.runtime.verify import verify
from polc.tests.agent_health.powers import with_only
from polc.tests.kernel.scene import Veth, allowing, denying

REFUSED = "Operation not permitted"
BUT_SYS_ADMIN = Capability.BPF, Capability.PERFMON, Capability.NET_ADMIN


@dataclass(frozen=True)
class Node:
    """What a child process is to do on one veth; each work opens its own doors."""

    veth: Veth
    root: Path
    mechanism: Mechanism

    def works(self, *names: str) -> dict[str, Callable[[], object]]:
        device, first, second = self.veth.device, allowing(), denying()
        request = AttachRequest(device, self.root, mechanism=self.mechanism)
        every: dict[str, Callable[[Kernel], object]] = {
            "attach": lambda kernel: attach(kernel, first, request),
            "update": lambda kernel: attach(kernel, second, request),
            "verify": lambda kernel: verify(kernel, device, ()),
            "detach": lambda kernel: detach(kernel, device, self.root),
        }
        return {name: partial(self._with_doors, every[name]) for name in names}

    def _with_doors(self, work: Callable[[Kernel], object]) -> object:
        with Netlink() as net:
            return work(Kernel(net))


@pytest.mark.kernel
@pytest.mark.parametrize("mechanism", list(Mechanism), ids=str)
def test_the_kept_capabilities_are_enough_for_a_whole_life(
    veth: Veth, bpffs: Bpffs, mechanism: Mechanism
) -> None:
    node = Node(veth, bpffs.root, mechanism)
    works = node.works("attach", "update", "verify", "detach")
    enter: dict[str, Callable[[], object]] = {"enter": lambda: netns.run(veth.workload, netns.cookie)}
    powers, done = with_only(NEEDED, works | enter, veth.namespace)
    kept = sum(1 << one for one in NEEDED)
    assert powers == {
        "inheritable": 0,
        "permitted": kept,
        "effective": kept,
        "bounding": kept,
        "ambient": 0,
        "no_new_privs": True,
    }
    assert done == dict.fromkeys(("attach", "update", "verify", "detach", "enter"), "")


@pytest.mark.kernel
def test_without_net_admin_no_clsact_qdisc_is_made(veth: Veth, bpffs: Bpffs) -> None:
    works = Node(veth, bpffs.root, Mechanism.CLSACT).works("attach")
    _, done = with_only((Capability.SYS_ADMIN,), works, veth.namespace)
    assert done == {"attach": f"cannot make the clsact qdisc of {veth.device}: {REFUSED}"}


@pytest.mark.kernel
def test_without_sys_admin_nothing_is_read_by_id_and_no_namespace_entered(veth: Veth, bpffs: Bpffs) -> None:
    """CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN together do not replace it."""
    node = Node(veth, bpffs.root, Mechanism.TCX)
    with_only(NEEDED, node.works("attach"), veth.namespace)
    enter: dict[str, Callable[[], object]] = {"enter": lambda: netns.run(veth.workload, netns.cookie)}
    _, done = with_only(BUT_SYS_ADMIN, node.works("verify") | enter, veth.namespace)
    assert done["verify"].startswith(
        f"cannot read what is attached to {veth.device}: {REFUSED} (bpf PROG_GET"
    )
    assert done["enter"].endswith(REFUSED)
    assert with_only(NEEDED, node.works("detach"), veth.namespace)[1] == {"detach": ""}


@pytest.mark.kernel
def test_a_namespace_of_a_stronger_process_is_opened_before_giving_up(veth: Veth) -> None:
    stronger = str(os.getpid())
    with netns.kept(stronger) as path:
        works: dict[str, Callable[[], object]] = {
            "kept": lambda: netns.run(path, netns.cookie),
            "late": lambda: netns.run(stronger, netns.cookie),
        }
        _, done = with_only(NEEDED, works, veth.namespace)
    assert done["kept"] == ""
    assert done["late"].endswith("Permission denied")
    with netns.kept(None) as nothing:
        assert nothing is None
    for no_namespace in (__file__, f"/proc/{stronger}/ns/mnt"):
        with pytest.raises(CannotError, match="is no network namespace"), netns.kept(no_namespace):
            pass


@pytest.mark.kernel
def test_neither_the_powerless_nor_children_of_the_agent_get_anything_back() -> None:
    """The way back would be execve(2) as user 0: tried here by running a program that says what it holds."""
    script = """
import subprocess, sys
from polc.runtime import privilege
from polc.runtime.privilege import Capability
{}
show = "import json; from dataclasses import asdict; from polc.runtime.privilege import held; print(held())"
print(privilege.held())
sys.stdout.flush()
subprocess.run([sys.executable, "-c", show], check=True)
"""
    for call in ("privilege.keep_only(privilege.NEEDED)", "privilege.become_powerless()"):
        done = subprocess.run(
            [sys.executable, "-c", script.format(call)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        parent, child = done.stdout.splitlines()
        assert "permitted=0, effective=0" in child
        assert "no_new_privs=True" in child
        assert ("effective=0" in parent) == ("powerless" in call)


def test_a_process_without_privilege_can_become_powerless_and_is_told_what_it_lacks() -> None:
    """Also where no capability is held to begin with: in the tests without root, and after the first call."""
    script = """
from polc.runtime import privilege
privilege.become_powerless()
privilege.become_powerless()
held = privilege.held()
assert (held.effective, held.permitted, held.inheritable, held.ambient) == (0, 0, 0, 0) and held.no_new_privs
try:
    privilege.keep_only(privilege.NEEDED)
except privilege.CannotError as error:
    print(error.message, error.exit_code)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("this process lacks CAP_NET_ADMIN, CAP_SYS_ADMIN 3\n", "")


def test_the_powerless_change_no_file_reach_nobody_and_signal_nobody(tmp_path: Path) -> None:
    """By Landlock, as far as the kernel has it: user 0 could do all of it without any capability."""
    script = """
import json, os, socket, subprocess, tempfile
from polc.runtime import landlock, privilege
privilege.become_powerless()
def tried(work):
    try:
        work()
    except OSError:
        return False
    return True
done = {
    "temporary file": tried(lambda: tempfile.TemporaryFile().write(b"x")),
    "null": tried(lambda: open(os.devnull, "w").close()),
    "child": tried(lambda: subprocess.run(["true"], check=True)),
    "read": tried(lambda: open("mine").close()),
    "write": tried(lambda: open("mine", "w").close()),
    "append": tried(lambda: open("mine", "a").close()),
    "make": tried(lambda: open("new", "w").close()),
    "folder": tried(lambda: os.mkdir("folder")),
    "remove": tried(lambda: os.unlink("mine")),
    "truncate": tried(lambda: os.truncate("mine", 0)),
    "listen": tried(lambda: socket.create_server(("127.0.0.1", 0))),
    "signal": tried(lambda: os.kill(os.getppid(), 0)),
}
print(json.dumps([landlock.version(), [name for name, worked in done.items() if worked]]))
"""
    (tmp_path / "mine").write_text("kept")
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    version, worked = json.loads(done.stdout)
    since = {
        "write": 1,
        "append": 1,
        "make": 1,
        "folder": 1,
        "remove": 1,
        "truncate": 3,
        "listen": 4,
        "signal": 6,
    }
    allowed = ["temporary file", "null", "child", "read"]
    assert worked == [*allowed, *(name for name, abi in since.items() if version < abi)]
    assert version == 0 or (tmp_path / "mine").read_text() == "kept"


def test_a_process_with_a_second_thread_is_refused_and_keeps_what_it_has() -> None:
    ready, over = threading.Event(), threading.Event()

    def wait() -> None:
        ready.set()
        over.wait()

    second = threading.Thread(target=wait)
    second.start()
    before = privilege.held()
    try:
        ready.wait()
        with pytest.raises(RuntimeError, match="before the first thread starts"):
            privilege.become_powerless()
    finally:
        over.set()
        second.join()
    assert privilege.held() == before


def test_no_fault_is_raised_for_another_process_that_is_gone() -> None:
    with pytest.raises(OSError, match="No such file"):
        privilege.held("4194305")
