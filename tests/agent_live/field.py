"""A namespace with some veths, a folder of policies for them, and a real agent process that minds them.

The interfaces are `ep0`, `ep1`, … for the pods `shop/ep0`, …; each pod has a policy file of its own, so that
writing one file touches one endpoint.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from polc.agent.states import AgentReport, InterfaceHealth
from polc.runtime import netns
from polc.runtime.bpf import AttachFlag, Object
from polc.runtime.hooks import TcHook
from polc.runtime.kernel import Kernel
from polc.runtime.netlink import Netlink
from polc.runtime.status import InterfaceStatus, interface_status
from polc.tests.agent_live.processes import workers
from polc.tests.cli.command import Result, command, polc
from polc.tests.kernel.scene import returning, sh

_T = TypeVar("_T")
PAUSE = 0.05  # seconds between two looks at something that is awaited
PATIENCE = 60.0  # seconds that the machine may take for what the agent does in a moment

_POD = """\
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}
spec: {{nodeName: here}}
status: {{phase: Running, podIPs: [{{ip: 10.99.0.{last}}}]}}
"""
_POLICY = """\
{comment}apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: app == "{name}"
  ingress:
  - {{action: Allow, protocol: UDP, destination: {{ports: [{port}]}}}}
  egress:
  - {{action: Allow}}
"""


@dataclass
class Field:
    """root: a private bpf filesystem. folder: what the agent reads."""

    namespace: str
    root: Path
    folder: Path
    size: int
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    # --- the folder -----------------------------------------------------------------------------------

    def write(self, name: str, text: str) -> None:
        """Puts a file into the folder in one step, as an editor or a ConfigMap does."""
        part = self.folder / f".{name}.part"
        part.write_text(text)
        part.rename(self.folder / name)

    def inventory(self, *names: str) -> None:
        pods = "".join(_POD.format(name=name, last=10 + number) for number, name in enumerate(names))
        self.write("inventory.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n" + pods)

    def policy(self, name: str, port: int, comment: str = "") -> None:
        self.write(f"policy-{name}.yaml", _POLICY.format(name=name, port=port, comment=comment))

    def fill(self, port: int = 1000) -> None:
        """An inventory of all interfaces, and a policy for each."""
        for name in self.names:
            self.policy(name, port)
        self.inventory(*self.names)

    @property
    def names(self) -> list[str]:
        return [f"ep{number}" for number in range(self.size)]

    # --- the devices ------------------------------------------------------------------------------------

    def ip(self, *words: str) -> None:
        sh("ip", "-n", self.namespace, *words)

    def tc(self, *words: str) -> None:
        sh("tc", "-n", self.namespace, *words)

    def add(self, name: str) -> None:
        self.ip("link", "add", name, "up", "type", "veth", "peer", "name", f"{name}p")

    def run(self, work: Callable[[Kernel], _T]) -> _T:
        """In the namespace, with doors of the test's own."""

        def inside() -> _T:
            with Netlink() as net:
                return work(Kernel(net))

        return netns.run(self.namespace, inside)

    def status(self, name: str) -> InterfaceStatus:
        """What the kernel shows, read by the test."""
        return self.run(lambda kernel: interface_status(kernel, kernel.net.link(name)))

    def has_generation(self, name: str, number: int) -> bool:
        return self.status(name).generation == number

    def generations(self) -> dict[str, int]:
        return {name: self.status(name).generation for name in self.names}

    def gates(self, name: str) -> list[int]:
        """The programs that run as gates, hook by hook."""
        hooks = self.status(name).hooks
        return [one.program for hook in hooks for one in hook.programs if one.role in ("gate", "surplus")]

    def stranger(self, name: str, hook: TcHook = TcHook.INGRESS) -> None:
        """Somebody attaches a tcx program before everything else; it goes with the device."""

        def attach(kernel: Kernel) -> None:
            with returning(kernel.bpf, "cali_first", -1) as program:
                index = kernel.net.link(name).index
                kernel.bpf.prog_attach(program, index, hook.attach_type, AttachFlag.BEFORE)

        self.run(attach)

    def detach_link(self, name: str) -> None:
        """Somebody detaches one of the agent's tcx links; the kernel tells nobody."""

        def detach(kernel: Kernel) -> None:
            index = kernel.net.link(name).index
            (link,) = kernel.bpf.prog_query(index, TcHook.EGRESS.attach_type).link_ids
            opened = kernel.bpf.fd_by_id(Object.LINK, link)
            assert opened is not None
            with opened:
                kernel.bpf.link_detach(opened)

        self.run(detach)

    # --- the agent --------------------------------------------------------------------------------------

    @property
    def options(self) -> tuple[str, ...]:
        place = ("--netns", self.namespace, "--bpffs", str(self.root), "--http", "127.0.0.1:0")
        return (str(self.folder), *place, "--interface-pattern", "{name}", "--log-format", "json")

    def start(self, *options: str) -> Agent:
        """An agent process, which is ended with the test at the latest."""
        log = self.folder.parent / f"agent-{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("w") as stream:
            process = subprocess.Popen(
                command("agent", *self.options, *options), stdin=subprocess.DEVNULL, stderr=stream, text=True
            )
        self.running.append(process)
        return Agent(process, log)

    def minded(self, *options: str) -> Agent:
        """An agent for a full folder, with every interface as wanted."""
        self.fill()
        agent = self.start(*options)
        agent.until_right(*self.names)
        return agent

    def once(self, *options: str) -> tuple[Result, AgentReport | None]:
        """A single pass; its outcome and report."""
        done = polc("agent", *self.options, "--once", "--format", "json", *options)
        return done, AgentReport.model_validate_json(done.out) if done.out else None

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@dataclass
class Agent:
    process: subprocess.Popen[str]
    log: Path

    def lines(self) -> list[Mapping[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def said(self, event: str) -> list[Mapping[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]

    def get(self, path: str) -> str:
        (listening,) = self.until(lambda: self.said("listening"))
        with urllib.request.urlopen(f"http://{listening['address']}{path}", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def report(self) -> AgentReport:
        return AgentReport.model_validate_json(self.get("/status"))

    def of(self, name: str) -> InterfaceHealth:
        return next(one for one in self.report().interfaces if one.interface == name)

    def until(self, found: Callable[[], _T]) -> _T:
        """The first answer that is true; fails the test when none comes, or the agent ends before."""
        end = time.monotonic() + PATIENCE
        while not (answer := found()):
            assert self.process.poll() is None, f"the agent ended:\n{self.log.read_text()}"
            assert time.monotonic() < end, f"never came true; the agent's log:\n{self.log.read_text()}"
            time.sleep(PAUSE)
        return answer

    def until_right(self, *names: str) -> None:
        """Until the agent says that all of these are as wanted, with nothing left to compile."""

        def right() -> bool:
            report = self.report()
            good = {one.interface for one in report.interfaces if one.endpoint and one.good}
            return report.worker.state == "idle" and report.inputs.state == "in-use" and good >= set(names)

        self.until(right)

    def settled(self, revision_after: int, *names: str) -> None:
        """As `until_right`, for an input newer than that revision."""
        self.until(lambda: self.report().inputs.in_use > revision_after)
        self.until_right(*names)

    @property
    def revision(self) -> int:
        return self.report().inputs.in_use

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def worker(self) -> int:
        """The process id of its compiler."""
        (found,) = workers(self.process.pid)
        return found
