"""Replay judges finished pairs by the kernel, compares the engines, and takes captures from a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from polc.judge.engines import Panel
from polc.judge.replaying import ReplayLine
from polc.tests.judge_cli.running import EXAMPLES, polc

SHOP = (str(EXAMPLES / "shop" / "inventory.yaml"), str(EXAMPLES / "shop" / "policy.yaml"))
CAPTURE = str(EXAMPLES / "captures" / "shop.pcap")
WEB = ("--endpoint", "shop/web")
_CHILD = "from polc.cli.main import main; main()"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("pair")
    assert polc("compile", *SHOP, "-o", str(out), *WEB).code == 0
    return str(out / "shop.web")


def lines(*arguments: str) -> list[ReplayLine]:
    done = polc("replay", *arguments, "--format", "json")
    assert (done.code, done.err) == (0, "")
    return [ReplayLine.model_validate_json(line) for line in done.out.splitlines()]


def test_a_line_has_exactly_the_four_fields() -> None:
    done = polc("replay", *SHOP, CAPTURE, *WEB, "--engine", "model", "--format", "json")
    assert [list(json.loads(line)) for line in done.out.splitlines()] == [["n", "verdict", "rule", "at"]] * 15


@pytest.mark.kernel
def test_every_engine_gives_the_same_lines() -> None:
    by_engine = {
        engine: lines(*SHOP, CAPTURE, *WEB, "--engine", engine)
        for engine in ("model", "native", "kernel", "all")
    }
    assert all(found == by_engine["model"] for found in by_engine.values())


@pytest.mark.kernel
def test_a_finished_pair_is_replayed_by_the_kernel_with_the_lines_it_carries(pair: str) -> None:
    assert lines(pair, CAPTURE) == lines(*SHOP, CAPTURE, *WEB)


def test_a_finished_pair_cannot_be_judged_by_the_others(pair: str) -> None:
    for engine in ("model", "native", "all"):
        done = polc("replay", pair, CAPTURE, "--engine", engine)
        assert done.code == 2
        assert "a finished pair can be judged by the kernel only" in done.err


def test_a_pair_of_another_endpoint_is_refused(pair: str) -> None:
    done = polc("replay", pair, CAPTURE, "--endpoint", "front/client")
    assert done.code == 1
    assert "front/client" in done.err


def test_a_difference_between_the_engines_is_told_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    differs = iter(["", "model says allow; native says deny (policy)", ""] + [""] * 12)
    monkeypatch.setattr(Panel, "difference", lambda *_: next(differs))
    done = polc("replay", *SHOP, CAPTURE, *WEB, "--engine", "native")
    assert done.code == 1
    assert "packet 1: model says allow; native says deny (policy)\n" in done.err
    assert "error: the engines differ about 1 packet\n" in done.err


def test_a_capture_comes_from_standard_input_and_a_reader_may_stop_early() -> None:
    command = [sys.executable, "-W", "error", "-c", _CHILD, "replay", *SHOP, "-", *WEB, "--engine", "model"]
    data = Path(CAPTURE).read_bytes()
    whole = subprocess.run(command, input=data, capture_output=True, check=True)
    assert whole.stdout.decode().splitlines()[-1] == "15 packets: 10 allowed, 4 denied, 1 skipped"
    reader, writer = os.pipe()
    os.close(reader)
    stopped = subprocess.run(command, input=data, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert b"Traceback" not in stopped.stderr
