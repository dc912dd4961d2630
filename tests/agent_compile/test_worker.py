"""The compiling child, real: what it answers, in which order, and what becomes of it when it dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from polc.agent.backoff import Backoff
from polc.agent.compiling import (
    COMMAND,
    Answer,
    Failed,
    Finished,
    Loaded,
    Made,
    Refused,
    Reviewed,
    Same,
    WorkerDied,
)
from polc.agent.inputs import Text
from polc.pair.layout import Direction
from polc.tests.agent_compile.asking import Asked, policy, texts, world
from polc.tests.agent_live.processes import workers

FILES = world(4)
HOST = """\
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: node-eth0}
spec: {node: node, interfaceName: eth0, expectedIPs: [192.0.2.1]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: hosts}
spec: {selector: all()}
"""
SOON = Backoff(base=0.01, cap=0.01)


@pytest.fixture(scope="module")
def shared() -> Iterator[Asked]:
    """One worker for the tests that leave it alive; each uses revisions of its own."""
    asked = Asked()
    yield asked
    asked.compiler.close()


def made(answers: Iterable[Answer]) -> dict[str, Made]:
    return {answer.endpoint.title: answer for answer in answers if isinstance(answer, Made)}


def test_every_endpoint_is_answered_and_what_is_held_is_not_sent_again(shared: Asked) -> None:
    endpoints = shared.load(1, FILES)
    assert sorted(endpoints) == ["shop/pod-0", "shop/pod-1", "shop/pod-2", "shop/pod-3"]
    pairs = made(shared.want(1, endpoints.values()))
    assert sorted(pairs) == sorted(endpoints)
    assert len({answer.pair.identity for answer in pairs.values()}) == 1  # the same rule for each
    assert sum(answer.emissions for answer in pairs.values()) == 2
    held = {endpoint: pairs[title].pair.identity for title, endpoint in endpoints.items()}
    assert {type(answer) for answer in shared.want(1, held)} <= {Same, Reviewed}
    assert made(shared.want(1, dict.fromkeys(held, bytes(32)))).keys() == endpoints.keys()


def test_an_update_that_touches_one_endpoint_comes_first_and_the_others_stay_the_same(shared: Asked) -> None:
    endpoints = shared.load(10, FILES)
    pairs = made(shared.want(10, endpoints.values()))
    held = {endpoint: pairs[title].pair.identity for title, endpoint in endpoints.items()}
    for revision, number in ((11, 3), (12, 1)):
        shared.load(revision, {**FILES, f"p{number}.yaml": policy(number, 8080 + revision)})
        answers = [answer for answer in shared.want(revision, held) if not isinstance(answer, Reviewed)]
        first = answers[0]
        assert isinstance(first, Made)
        assert first.endpoint.name == f"pod-{number}"
        assert first.emissions == 0  # another port is another table, not other code
        assert made(answers).keys() == ({"shop/pod-3"} if revision == 11 else {"shop/pod-1"})
        # pod-3 is back as it was first, which is what the asker holds.
        assert sum(isinstance(answer, Same) for answer in answers) == 3


def test_a_broken_file_refuses_the_whole_revision_and_says_where(shared: Asked) -> None:
    broken = FILES["p2.yaml"].replace("action: Allow", "action: Alow")
    shared.compiler.submit(21, texts({**FILES, "p2.yaml": broken}))
    refused, before = shared.until(Refused)
    assert refused.revision == 21
    finding = refused.findings[0]
    assert finding.at == "p2.yaml:7:14"
    assert "did you mean `Allow`" in str(finding)
    assert finding.text == "- {action: Alow, protocol: TCP, destination: {ports: [80]}}"
    assert not made(before)
    assert len(shared.load(22, FILES)) == 4


def test_bytes_that_are_no_text_and_no_yaml_are_findings_and_no_deaths(shared: Asked) -> None:
    hostile = {"a.yaml": b"\xff\xfe\x00", "b.yaml": b"a: \x00", "c.json": b"[" * 5000, "d.yaml": b"a: [}"}
    for revision, (path, data) in enumerate(hostile.items(), 30):
        shared.compiler.submit(revision, [Text(path, data, path)])
        refused, before = shared.until(Refused)
        assert refused.revision == revision
        assert refused.findings[0].at.startswith(f"{path}:1:")
        assert not [answer for answer in before if isinstance(answer, WorkerDied)]


def test_a_revision_that_is_overtaken_gives_way(shared: Asked) -> None:
    endpoints = shared.load(40, FILES)
    for revision in range(41, 46):
        ports = {f"p{number}.yaml": policy(number, 9000 + revision) for number in range(4)}
        shared.compiler.submit(revision, texts({**FILES, **ports}))
        shared.compiler.want(revision, dict.fromkeys(endpoints.values()))
    finished, answers = shared.until(Finished)
    assert finished.revision == 45
    done = [answer.revision for answer in answers if isinstance(answer, Made)]
    assert done.count(45) == 4
    assert len(done) < 5 * 4


def test_a_killed_worker_is_replaced_and_what_is_open_is_asked_again() -> None:
    others = workers(os.getpid())
    asked = Asked(backoff=SOON)
    try:
        endpoints = asked.load(1, FILES)
        (worker,) = workers(os.getpid()) - others
        asked.compiler.want(1, dict.fromkeys(endpoints.values()))
        os.kill(worker, signal.SIGKILL)  # our own child
        died, before = asked.until(WorkerDied)
        assert "SIGKILL" in died.reason
        finished, after = asked.until(Finished)
        assert finished.revision == 1
        assert made([*before, *after]).keys() == endpoints.keys()
        assert not [answer for answer in after if isinstance(answer, Loaded)]  # said once
        (second,) = workers(os.getpid()) - others
        assert second != worker
    finally:
        asked.compiler.close()
    assert workers(os.getpid()) == others


def test_the_worker_has_no_privilege_and_its_own_process_group(shared: Asked) -> None:
    shared.load(50, FILES)
    (worker,) = workers(os.getpid())
    status = (Path("/proc") / str(worker) / "status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert fields["NoNewPrivs"] == "1"
    assert os.getpgid(worker) == worker


def test_a_host_endpoint_that_no_pair_can_be_for_is_an_endpoint_and_fails(shared: Asked) -> None:
    endpoints = shared.load(60, {"host.yaml": HOST.replace(", expectedIPs: [192.0.2.1]", "")})
    (failed,) = (one for one in shared.want(60, endpoints.values()) if isinstance(one, Failed))
    assert (failed.endpoint.title, failed.findings[0].code) == ("node-eth0", "POLC-E0721")


@pytest.mark.parametrize(
    ("options", "inbound", "outbound"),
    [
        ((), ["default failsafe tcp:22", "default failsafe udp:68"], ["default failsafe udp:53"]),
        (("--failsafe-inbound=udp:7003", "--failsafe-outbound=none"), ["--failsafe-inbound udp:7003"], []),
    ],
)
def test_a_hosts_pair_has_the_failsafe_ports_that_the_worker_was_started_with(
    options: tuple[str, ...], inbound: list[str], outbound: list[str]
) -> None:
    asked = Asked(command=(*COMMAND, *options))
    try:
        endpoints = asked.load(1, {"host.yaml": HOST})
        pair = made(asked.want(1, endpoints.values()))["node-eth0"].pair
    finally:
        asked.compiler.close()
    rules = [pair.side(direction).provenance.rules for direction in Direction]
    found = [[one.policy for one in side if one.what == "failsafe"] for side in rules]
    assert [found[0][:2], found[1][:1]] == [inbound, outbound]


def test_the_hash_seed_changes_no_byte() -> None:
    pairs = []
    for seed in ("1", "2"):
        asked = Asked(command=("/usr/bin/env", f"PYTHONHASHSEED={seed}", *COMMAND))
        try:
            endpoints = asked.load(1, world(2))
            done = made(asked.want(1, endpoints.values()))
            pairs.append(
                [(done[title].pair.ingress.data, done[title].pair.egress.data) for title in sorted(done)]
            )
        finally:
            asked.compiler.close()
    assert len(pairs[0]) == 2
    assert pairs[0] == pairs[1]
