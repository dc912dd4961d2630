"""The demo's live part: real namespaces, real packets, the real kernel, one step after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

from ...pair.object import ObjectPair
from ...runtime.attach import AttachReport, AttachRequest, attach
from ...runtime.bpf import Bpf
from ...runtime.detach import detach
from ..doors import with_kernel
from ..events import EventRecord, cause
from ..watching import Watch
from . import script
from .holdings import Holdings
from .namespaces import PrivateWorld
from .narrator import heading, line
from .script import Scene
from .stage import CLIENT, CLIENT6, IFACE, STRANGER, WORKLOAD, WORKLOAD6, Stage, build
from .traffic import PATIENCE, SILENCE, Answer, Probe, Responder, Stream, ask

_ANSWERS_BEFORE: Final = 50  # a conversation's answers before the swap, and again after it
_CHILD: Final = "from polc.cli.main import main; main()"


class Live:
    """One run. `wrong` collects what came out otherwise than the policies say; empty is success."""

    def __init__(self, world: PrivateWorld, first: ObjectPair, following: ObjectPair) -> None:
        self.wrong: list[str] = []
        self._world = world
        self._first = first
        self._following = following
        self._stage: Stage | None = None
        self._responders: list[Responder] = []
        self._streams: list[Stream] = []
        self._watch: Watch | None = None
        self._attached = False
        self._holdings = Holdings(Bpf())

    def run(self) -> None:
        """Every step in order. CannotError when the machine refuses one of the first ones."""
        stage = self._build()
        self._without_policy(stage)
        self._enforce(self._first, "attach the pair to the node's side of the workload's veth")
        self._watch = Watch(str(stage.node), IFACE)
        heading("ask again; for each denied packet the line of the policy that denied it")
        self._ask(stage, script.BEFORE)
        self._swap(stage)
        heading("ask again under the new policy")
        self._ask(stage, script.AFTER)
        heading("`polc status`, in another process, from the kernel alone")
        self._status(stage)
        heading("detach and clean up")
        self._detach(stage)

    def close(self) -> None:
        """Takes everything down, however far the run came."""
        for stream in self._streams:
            stream.close()
        for responder in self._responders:
            responder.close()
        if self._watch is not None:
            self._watch.close()
        if self._attached and self._stage is not None:
            self._detach(self._stage)

    def left_behind(self) -> list[str]:
        """What of this run is still there after the world was taken down; says what is gone."""
        left = self._holdings.left(PATIENCE)
        line(f"gone: {self._holdings.summary()}")
        line("gone: the three namespaces with their devices, the bpf filesystem and its pins")
        return [f"{one} is still there" for one in left] + self._world.left()

    # --- the steps ------------------------------------------------------------------------------------

    def _build(self) -> Stage:
        heading("build the stage: three network namespaces, two veths, a node that forwards")
        stage = self._stage = build(self._world)
        line(f"client   {CLIENT}, {CLIENT6} (and {STRANGER}, which no pod has)")
        line(f"node     forwards; the policy goes to its {IFACE}")
        line(f"workload {WORKLOAD}, {WORKLOAD6}")
        self._responders = [
            stage.at_workload(lambda: Responder(script.WORKLOAD_TCP, script.WORKLOAD_UDP)),
            stage.at_client(lambda: Responder(script.CLIENT_TCP, script.CLIENT_UDP)),
        ]
        return stage

    def _without_policy(self, stage: Stage) -> None:
        heading("without a policy everything is answered")
        answers = [self._answer(stage, scene, PATIENCE) for scene in script.BEFORE]
        count = sum(answer.answered for answer in answers)
        line(f"{count} of {len(answers)} questions answered")
        if count != len(answers):
            self.wrong.append(f"without a policy only {count} of {len(answers)} questions were answered")

    def _enforce(self, pair: ObjectPair, title: str) -> None:
        heading(title)
        for step in self._attach(pair).plan:
            line(step)

    def _attach(self, pair: ObjectPair) -> AttachReport:
        assert self._stage is not None
        request = AttachRequest(interface=IFACE, bpffs=self._world.bpffs)
        node = str(self._stage.node)
        report = with_kernel(node, lambda kernel: attach(kernel, pair, request))
        self._attached = True
        with_kernel(node, lambda kernel: self._holdings.note(kernel, IFACE))
        line(f"{IFACE}: {report.status.summary}")
        return report

    def _swap(self, stage: Stage) -> None:
        heading("swap the policy while two conversations run")
        steady = stage.at_client(lambda: Stream(script.STEADY))
        self._streams = [steady]
        doomed = stage.at_client(lambda: Stream(script.DOOMED))
        self._streams.append(doomed)
        started = steady.reach(_ANSWERS_BEFORE) and doomed.reach(_ANSWERS_BEFORE)
        before = steady.answers, doomed.answers
        self._attach(self._following)
        after = steady.answers
        kept = steady.reach(after + _ANSWERS_BEFORE) and steady.alive
        doomed.end()
        cut = self._event(doomed.probe, doomed.source_port)
        line(
            f"{_name(steady.probe)}: {before[0]} answers before, {steady.answers - before[0]} since,"
            f" none lost, slowest {steady.longest * 1000:.1f} ms"
            if kept
            else f"{_name(steady.probe)}: broke off, which it should not"
        )
        why = cause(cut) if cut else "silence without an event"
        line(f"{_name(doomed.probe)}: {doomed.answers} answers, then {why}")
        if not started or not kept:
            self.wrong.append("the conversation that both policies allow was disturbed by the swap")
        if doomed.alive or cut is None or cut.policy != "NetworkPolicy/shop/web":
            self.wrong.append("the conversation that the new policy denies was not cut by its rule")
        for stream in self._streams:
            stream.close()
        self._streams = []

    def _ask(self, stage: Stage, scenes: Sequence[Scene]) -> None:
        for scene in scenes:
            answer = self._answer(stage, scene, PATIENCE if scene.allowed else SILENCE)
            event = None if answer.answered else self._event(scene.probe, answer.source_port)
            self._judge(scene, answer, event)

    def _judge(self, scene: Scene, answer: Answer, event: EventRecord | None) -> None:
        expected = "allowed" if scene.allowed else "denied"
        seen = "allowed" if answer.answered else "denied"
        right = expected == seen and (scene.allowed or (event is not None and event.policy == scene.by))
        why = f"  {cause(event)}" if event else ""
        line(f"{_name(scene.probe):<45} expected {expected:<7}  seen {seen:<7}{why}")
        if not right:
            by = f" by {scene.by}" if scene.by else ""
            found = f" by {event.policy or event.reason}" if event else ""
            self.wrong.append(f"{_name(scene.probe)}: expected {expected}{by}, seen {seen}{found}")

    def _answer(self, stage: Stage, scene: Scene, patience: float) -> Answer:
        at = stage.at_client if scene.sender == "client" else stage.at_workload
        return at(lambda: ask(scene.probe, patience))

    def _event(self, probe: Probe, source_port: int) -> EventRecord | None:
        """The event about a denied packet of this probe; older ones of others are passed over."""
        assert self._watch is not None
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for record in self._watch.records(SILENCE):
                if _about(record, probe, source_port):
                    return record
        return None

    def _status(self, stage: Stage) -> None:
        command = [sys.executable, "-c", _CHILD, "status", "--iface", IFACE, "--netns", str(stage.node)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
        for shown in (done.stdout + done.stderr).splitlines():
            line(shown)
        if done.returncode != 0 or self._following.identity.hex() not in done.stdout:
            self.wrong.append("`polc status` does not name the identity that is in force")

    def _detach(self, stage: Stage) -> None:
        self._attached = False
        report = with_kernel(str(stage.node), lambda kernel: detach(kernel, IFACE, self._world.bpffs))
        for one in report.removed:
            line(f"removed {one}")


def _about(record: EventRecord, probe: Probe, source_port: int) -> bool:
    if (record.source, record.destination) != (probe.source, probe.destination):
        return False
    if probe.protocol == "ICMP":
        return record.icmp is not None
    return record.protocol == probe.protocol and record.source_port == source_port


def _name(probe: Probe) -> str:
    if probe.protocol == "ICMP":
        return f"ping {probe.source} > {probe.destination}"
    host = f"[{probe.destination}]" if probe.version == 6 else probe.destination
    return f"{probe.protocol} {probe.source} > {host}:{probe.port}"
