"""500 interfaces minded by one agent: what attaching, restarting, updating, idling and a storm cost.

`make load` (as root) runs it: a throw-away namespace with 500 veths, a folder with a pod and a policy for
each and one policy for all, and a real `polc agent` by clsact. One interface is broken for good: its
`ingress` qdisc leaves no room for a clsact, so that attaching fails each time. What is in force is read from
the commit words in the kernel, never from the agent.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from polc.agent.states import AgentReport
from polc.runtime import netns
from polc.runtime.bpf import Bpf
from polc.runtime.bpffs import Bpffs
from polc.runtime.netlink import Netlink
from polc.runtime.pins import WORD
from polc.runtime.word import Word
from polc.tests.agent_live.field import Agent, Field
from polc.tests.agent_live.processes import children
from polc.tests.kernel.scene import sh

SIZE: Final = 500
UPDATES: Final = 1_000
RATE: Final = 10  # updates a second
SINGLE: Final = 30  # updates of one endpoint that are timed
WIDE: Final = 7  # updates of all endpoints that are timed
IDLE: Final = 60.0  # seconds
STORM: Final = 600  # qdiscs deleted
STORM_RATE: Final = 30  # a second
PATIENCE: Final = 300.0  # seconds
_TICK: Final = os.sysconf("SC_CLK_TCK")

_NAMESPACE: Final = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
_POD: Final = """\
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}
spec: {{nodeName: here}}
status: {{phase: Running, podIPs: [{{ip: 10.99.{high}.{low}}}]}}
"""
_FOR_ALL: Final = """\
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {{name: for-all}}
spec:
  selector: all()
  order: 10
  types: [Ingress]
  ingress:
  - {{action: Deny, protocol: TCP, destination: {{ports: [{port}]}}}}
"""


@dataclass(frozen=True)
class Cost:
    """Of the agent and its children. cpu: seconds; peak: bytes, summed over the processes."""

    cpu: float
    peak: int


class Ground:
    """The field, and its commit words as they are in the kernel: mapped once, since a swap keeps them."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.broken = field.names[-1]
        self._bpf = Bpf()
        self._words: dict[str, Word] = {}
        self._pins: dict[str, Path] = {}

    def words(self) -> dict[str, int]:
        """The generation in force by interface; 0 where no word is."""
        return {name: self.word(name) for name in self.field.names}

    def word(self, name: str) -> int:
        if name not in self._words:
            map_ = self._bpf.obj_get(str(self._pin(name)))
            if map_ is None:
                return 0
            with map_:
                self._words[name] = Word(self._bpf, map_)
        return self._words[name].read()

    def _pin(self, name: str) -> Path:
        if not self._pins:
            self._pins = netns.run(self.field.namespace, self._every_pin)
        return self._pins[name]

    def _every_pin(self) -> dict[str, Path]:
        cookie, place = netns.cookie(), Bpffs(self.field.root)
        with Netlink() as net:
            return {link.name: place.directory(cookie, link.index) / WORD for link in net.links()}

    def close(self) -> None:
        for word in self._words.values():
            word.close()


def until(found: Callable[[], bool], pause: float = 0.002) -> float:
    """Seconds until it is true. Raises TimeoutError."""
    began = time.perf_counter()
    while not found():
        if time.perf_counter() - began > PATIENCE:
            raise TimeoutError("it never came true")
        time.sleep(pause)
    return time.perf_counter() - began


def cost(agent: Agent) -> Cost:
    """What the agent's processes used so far."""
    cpu, peak = 0.0, 0
    for pid in _tree(agent.process.pid):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            continue
        cpu += (int(fields[11]) + int(fields[12])) / _TICK
        peak += next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    return Cost(cpu, peak)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in children(pid):
        yield from _tree(child)


def say(what: str, figures: str) -> None:
    print(f"  {what:<44} {figures}", flush=True)


def spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return (
        f"min {ordered[0] * 1000:.0f} ms, median {statistics.median(ordered) * 1000:.0f} ms,"
        f" max {ordered[-1] * 1000:.0f} ms of {len(ordered)}"
    )


# --- the parts ----------------------------------------------------------------------------------------


def first_attach(ground: Ground) -> Agent:
    began = time.perf_counter()
    agent = ground.field.start("--hook", "clsact")
    until(lambda: sum(map(bool, ground.words().values())) == ground.field.size - 1, 0.2)
    took = time.perf_counter() - began
    report = settled(agent)
    say("first full attach", f"{took:.1f} s, {report.totals.tc_writes} tc writes, {used(agent)}")
    return agent


def settled(agent: Agent) -> AgentReport:
    """The report once nothing is left to compile."""
    until(lambda: agent.report().worker.state == "idle" and agent.report().phase == "running", 0.2)
    time.sleep(1.0)
    return agent.report()


def used(agent: Agent, before: Cost | None = None) -> str:
    now = cost(agent)
    return f"{now.cpu - (before.cpu if before else 0):.1f} s of CPU, {now.peak >> 20} MiB at the peak"


def restart(ground: Ground, agent: Agent) -> Agent:
    before = ground.words()
    agent.stop()
    began = time.perf_counter()
    agent = ground.field.start("--hook", "clsact")
    report = settled(agent)
    took = time.perf_counter() - began - 1.0
    tries = next(one.attempts for one in report.interfaces if one.interface == ground.broken)
    assert ground.words() == before
    say(
        "restart with nothing changed",
        f"{took:.1f} s, {report.totals.writes} kernel writes in all (the broken one: {tries} tries),"
        f" {used(agent)}",
    )
    return agent


def idle(agent: Agent) -> None:
    before = cost(agent)
    time.sleep(IDLE)
    share = (cost(agent).cpu - before.cpu) / IDLE
    say("idle", f"{share:.2%} of a core over {IDLE:.0f} s")


def one_endpoint(ground: Ground) -> None:
    took = []
    for number in range(SINGLE):
        name = ground.field.names[number % (ground.field.size - 1)]
        before = ground.word(name)
        ground.field.policy(name, 2000 + number)
        took.append(until(lambda name=name, before=before: ground.word(name) != before))  # type: ignore[misc]
        time.sleep(0.3)
    say("update that touches one endpoint", spread(took))


def every_endpoint(ground: Ground) -> None:
    took = []
    for number in range(WIDE):
        before = ground.words()
        began = time.perf_counter()
        ground.field.write("for-all.yaml", _FOR_ALL.format(port=3000 + number))
        until(lambda before=before: _all_moved(before, ground.words()), 0.05)  # type: ignore[misc]
        took.append(time.perf_counter() - began)
        time.sleep(1.0)
    say("update that touches all of them", spread(took))


def _all_moved(before: dict[str, int], now: dict[str, int]) -> bool:
    return all(now[name] != word for name, word in before.items() if word)


def stream(ground: Ground, agent: Agent) -> None:
    """Updates of single endpoints, and every 50th of all, at a steady rate."""
    start, swaps = cost(agent), agent.report().totals.swaps
    began = time.perf_counter()
    for number in range(UPDATES):
        time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        if number % 50 == 49:
            ground.field.write("for-all.yaml", _FOR_ALL.format(port=4000 + number))
        else:
            ground.field.policy(ground.field.names[number % (ground.field.size - 1)], 5000 + number)
    wrote = time.perf_counter() - began
    report = settled(agent)
    behind = time.perf_counter() - began - wrote - 1.0
    say(
        f"{UPDATES} updates at {RATE} a second",
        f"{report.totals.swaps - swaps} swaps, all in force {behind:.1f} s after the last,"
        f" {used(agent, start)}",
    )


def storm(ground: Ground, agent: Agent) -> None:
    """Another actor deletes clsacts all over, one of them again and again."""
    rng, start, before = random.Random(1), cost(agent), agent.report().totals
    often = ground.field.names[0]
    began = time.perf_counter()
    for number in range(STORM):
        time.sleep(max(0.0, began + number / STORM_RATE - time.perf_counter()))
        name = often if number % 4 == 0 else rng.choice(ground.field.names[1:-1])
        words = ("tc", "-n", ground.field.namespace, "qdisc", "del", "dev", name, "clsact")
        subprocess.run(words, capture_output=True, check=False)
    deleted = time.perf_counter() - began
    others = set(ground.field.names[1:-1])
    after = until(lambda: _good(agent) >= others, 0.2)
    whole = after + until(lambda: often in _good(agent), 0.5)
    totals = agent.report().totals
    say(
        f"storm of {STORM} qdisc deletions in {deleted:.0f} s",
        f"others right {after:.1f} s after its end, the one hit {STORM // 4} times {whole:.1f} s after,"
        f" {totals.tc_writes - before.tc_writes} tc writes, {used(agent, start)}",
    )


def _good(agent: Agent) -> set[str]:
    return {one.interface for one in agent.report().interfaces if one.good}


def broken(ground: Ground, agent: Agent, began: float) -> None:
    one = agent.of(ground.broken)
    lasted = time.perf_counter() - began
    say("the broken one", f"{one.attempts} tries in {lasted:.0f} s: {one.state.state}")


# --- the field ----------------------------------------------------------------------------------------


@contextmanager
def field(size: int) -> Iterator[Field]:
    """A namespace with that many veths, a bpf filesystem of its own, and files for all."""
    name = f"polc-test-load-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="polc-test-load-") as place, ExitStack() as held:
        root, folder = Path(place) / "bpf", Path(place) / "policies"
        root.mkdir()
        folder.mkdir(mode=0o755)
        sh("mount", "-t", "bpf", "bpf", str(root))
        held.callback(sh, "umount", str(root))
        sh("ip", "netns", "add", name)
        held.callback(sh, "ip", "netns", "del", name)
        made = Field(name, root, folder, size)
        held.callback(made.close)
        batch = "".join(f"link add {one} up type veth peer name {one}p\n" for one in made.names)
        subprocess.run(["ip", "-n", name, "-batch", "-"], input=batch, text=True, check=True)
        made.tc("qdisc", "add", "dev", made.names[-1], "ingress")
        for one in made.names:
            made.policy(one, 1000)
        made.write("for-all.yaml", _FOR_ALL.format(port=999))
        pods = (_POD.format(name=one, high=at >> 8, low=at & 0xFF) for at, one in enumerate(made.names, 256))
        made.write("inventory.yaml", _NAMESPACE + "".join(pods))
        yield made


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else SIZE
    print(f"{size} interfaces, one of them broken for good")
    with field(size) as made:
        ground = Ground(made)
        agent = first_attach(ground)
        agent = restart(ground, agent)
        began = time.perf_counter()
        idle(agent)
        one_endpoint(ground)
        every_endpoint(ground)
        stream(ground, agent)
        storm(ground, agent)
        broken(ground, agent, began)
        agent.stop()
        ground.close()


if __name__ == "__main__":
    main()
