"""Endpoints of one name are told apart by their kind, and failsafe ports are options, in every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from polc.pair.naming import EndpointRef, parse_ref
from polc.pair.object import PairError, read_pair, require_endpoint
from polc.tests.judge.captures import pcap
from polc.tests.judge_cli.running import polc
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

_TEMPLATE = "spec: {template: {metadata: {labels: {app: KIND}}, spec: {containers: [{name: c}]}}}"
_WORKLOAD = "apiVersion: VERSION\nkind: KIND\nmetadata: {name: web, namespace: shop}\n" + _TEMPLATE
TWINS = "\n---\n".join(
    [
        _WORKLOAD.replace("VERSION", "apps/v1").replace("KIND", "Deployment"),
        _WORKLOAD.replace("VERSION", "batch/v1").replace("KIND", "Job"),
        "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: job, namespace: shop}\n"
        "spec: {selector: app == 'Job', types: [Ingress, Egress], ingress: [{action: Allow}]}",
    ]
)
HOST = """
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: shop.web, labels: {role: node}}
spec: {node: node-1, interfaceName: eth0, expectedIPs: [192.0.2.1]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: hosts}
spec: {selector: role == 'node', types: [Ingress, Egress]}
"""
OPEN, CLOSED = "Deployment/shop/web", "job/shop/web"
SOMEBODY = ("--direction", "ingress", "--src", "10.9.9.9", "--dst", "10.0.0.1", "--dport", "80")


@pytest.fixture
def twins(tmp_path: Path) -> str:
    path = tmp_path / "twins.yaml"
    path.write_text(TWINS)
    return str(path)


@pytest.fixture
def host(tmp_path: Path) -> str:
    path = tmp_path / "host.yaml"
    path.write_text(HOST)
    return str(path)


def _egress(file: str, endpoint: str) -> str:
    packet = ("--direction", "egress", "--src", "10.0.0.1", "--dst", "10.9.9.9", "--dport", "80")
    done = polc("explain", file, "--endpoint", endpoint, *packet, "--format", "json")
    assert done.code == 0, done.err
    verdict: str = json.loads(done.out)["verdict"]
    return verdict


def test_objects_of_one_name_are_written_beside_each_other(twins: str, host: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = polc("compile", twins, host, "-o", str(out), "--format", "json")
    assert done.code == 0, done.err
    made = {one["name"]: one["endpoint"] for one in json.loads(done.out)["pairs"]}
    assert made == {
        "shop.web@hostendpoint": "shop.web",
        "shop.web@deployment": "Deployment/shop/web",
        "shop.web@job": "Job/shop/web",
    }
    assert len(list(out.iterdir())) == 6
    ingress, egress = ((out / f"shop.web@job.{side}.o").read_bytes() for side in ("ingress", "egress"))
    pair = read_pair(ingress, egress)
    require_endpoint(pair, parse_ref(CLOSED))
    for other in (OPEN, "shop/web", "job/shop/db"):
        with pytest.raises(PairError, match="compiled for endpoint Job/shop/web"):
            require_endpoint(pair, parse_ref(other))


def test_the_one_that_is_named_is_compiled(twins: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert polc("compile", twins, "-o", str(out), "--endpoint", CLOSED).code == 0
    assert sorted(path.name for path in out.iterdir()) == ["shop.web@job.egress.o", "shop.web@job.ingress.o"]


def test_files_without_an_endpoint_are_told_so(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(TWINS.rpartition("---")[2])
    done = polc("compile", str(path), "-o", str(tmp_path / "out"))
    assert done.code == 1
    assert "POLC-E0802" in done.err
    assert "--labels" in done.err


def test_the_choice_is_told_with_kinds_where_one_name_is_several(
    twins: str, host: str, tmp_path: Path
) -> None:
    done = polc("replay", twins, host, _capture(tmp_path, 22))
    assert done.code == 2
    assert "3 endpoints: shop.web, Deployment/shop/web, Job/shop/web" in done.err


def test_a_name_without_its_kind_is_refused_and_the_choice_is_told(twins: str) -> None:
    done = polc("explain", twins, "--endpoint", "shop/web", *SOMEBODY)
    assert done.code == 1
    assert "POLC-E0708" in done.err
    assert "say which: Deployment/shop/web or Job/shop/web" in done.err


def test_a_kind_that_is_not_there_is_told_with_the_nearest(twins: str) -> None:
    done = polc("explain", twins, "--endpoint", "cronjob/shop/web", *SOMEBODY)
    assert done.code == 1
    assert "no endpoint CronJob/shop/web" in done.err
    assert "did you mean Job/shop/web?" in done.err


def test_explain_judges_for_the_kind_that_is_named(twins: str) -> None:
    assert (_egress(twins, OPEN), _egress(twins, CLOSED)) == ("allow", "deny")
    ends = ("--from", CLOSED, "--to", OPEN, "--src", "10.0.0.1", "--dst", "10.0.0.2", "--dport", "80")
    done = polc("explain", twins, *ends, "--format", "json")
    judged = [(one["endpoint"], one["verdict"]) for one in json.loads(done.out)["judgements"]]
    assert judged == [("Job/shop/web", "deny"), ("Deployment/shop/web", "allow")]


def test_a_wrong_end_is_told_by_its_option(twins: str) -> None:
    done = polc("explain", twins, "--from", "node/shop/web", "--dst", "10.0.0.1", "--dport", "80")
    assert done.code == 2
    assert "--from" in done.err
    assert "'node' is no kind of endpoint" in done.err


def test_test_cases_name_kinds_too(twins: str, tmp_path: Path) -> None:
    cases = tmp_path / "cases.yaml"
    case = "- {name: NAME, from: {endpoint: NAME, address: 10.0.0.1}, to: 10.9.9.9, protocol: TCP"
    case += ", port: 80, expect: E}\n"
    texts = [
        case.replace("NAME", name).replace("E}", f"{verdict}}}")
        for name, verdict in ((OPEN, "allow"), (CLOSED, "deny"))
    ]
    cases.write_text("cases:\n" + "".join(texts))
    done = polc("test", twins, "--cases", str(cases), "--engine", "model")
    assert done.out.startswith("2 cases: 2 passed, 0 failed"), done.out + done.err
    cases.write_text("cases:\n" + texts[0].replace(OPEN, "svc/shop/web"))
    done = polc("test", twins, "--cases", str(cases))
    assert done.code == 1
    assert "'svc' is no kind of endpoint" in done.err


def _capture(tmp_path: Path, port: int) -> str:
    path = tmp_path / "c.pcap"
    packet = IP(src="10.9.9.9", dst="192.0.2.1") / TCP(sport=1024, dport=port, flags="S")
    path.write_bytes(pcap([(0, bytes(Ether() / packet))]))
    return str(path)


@pytest.mark.parametrize(
    ("options", "verdict"), [((), "deny"), (("--failsafe-inbound", "tcp:2222"), "allow")]
)
def test_failsafe_ports_count_for_every_judge(
    host: str, tmp_path: Path, options: tuple[str, ...], verdict: str
) -> None:
    packet = ("--direction", "ingress", "--src", "10.9.9.9", "--dst", "192.0.2.1", "--dport", "2222")
    done = polc("explain", host, "--endpoint", "shop.web", *packet, *options, "--format", "json")
    assert json.loads(done.out)["verdict"] == verdict
    done = polc("replay", host, _capture(tmp_path, 2222), *options, "--format", "json")
    assert [json.loads(line)["verdict"] for line in done.out.splitlines()] == [verdict]
    cases = tmp_path / "cases.yaml"
    cases.write_text(
        f"cases: [{{name: x, from: 10.9.9.9, to: shop.web, protocol: TCP, port: 2222, expect: {verdict}}}]\n"
    )
    done = polc("test", host, "--cases", str(cases), *options)
    assert done.code == 0, done.out + done.err


def test_failsafe_ports_are_no_business_of_a_finished_pair(host: str, tmp_path: Path) -> None:
    assert polc("compile", host, "-o", str(tmp_path)).code == 0
    done = polc("replay", str(tmp_path / "shop.web"), _capture(tmp_path, 22), "--failsafe-inbound", "none")
    assert done.code == 2
    assert "for policies, not for a finished pair" in done.err


def test_a_kind_is_left_out_of_what_it_is_not_needed_for() -> None:
    given = EndpointRef("shop", "web", "Pod")
    assert given.means(EndpointRef("shop", "web"))
    assert not EndpointRef("shop", "web").means(given)
