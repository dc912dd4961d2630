"""How an agent, and its compiler, may end: by the book or not, and what is left in force and behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from polc.tests.agent_live.field import Field

pytestmark = pytest.mark.kernel


def test_a_term_leaves_the_policies_and_nothing_else_behind(plough: Callable[[int], Field]) -> None:
    field = plough(2)
    agent = field.minded()
    worker = agent.worker()
    loaded = Path(f"/proc/{agent.process.pid}/maps").read_text()
    assert "_ctypes" in loaded
    assert "llvmlite" not in loaded  # the compiler is its child's business
    assert "_yaml" not in loaded
    assert agent.stop(signal.SIGTERM) == 0
    assert not os.path.exists(f"/proc/{worker}")
    assert "Traceback" not in agent.log.read_text()
    assert all(field.status(name).in_force for name in field.names)
    pinned = sorted(path.name for path in (field.root / "polc").rglob("*") if path.is_file())
    assert pinned == sorted(["gate-tc-egress", "gate-tc-ingress", "slots", "word"] * 2)


def test_kill_leaves_the_policies_and_the_next_agent_writes_nothing(plough: Callable[[int], Field]) -> None:
    field = plough(2)
    agent = field.minded()
    worker = agent.worker()
    agent.stop(signal.SIGKILL)
    assert all(field.status(name).in_force for name in field.names)
    again = field.start()
    again.until_right(*field.names)
    assert again.report().totals.writes == 0
    again.until(lambda: not os.path.exists(f"/proc/{worker}"))
    assert again.stop(signal.SIGINT) == 0


def test_while_the_compiler_is_dead_what_is_broken_is_mended_and_then_it_goes_on(
    plough: Callable[[int], Field],
) -> None:
    field = plough(2)
    agent = field.minded("--hook", "clsact")
    worker = agent.worker()
    os.kill(worker, signal.SIGSTOP)
    field.policy("ep1", 2000)
    field.tc("qdisc", "del", "dev", "ep0", "clsact")
    agent.until(lambda: field.status("ep0").in_force)
    os.kill(worker, signal.SIGKILL)
    agent.until(lambda: agent.report().worker.restarts)
    agent.until(lambda: field.status("ep1").generation == 2)
    agent.until_right(*field.names)
    assert agent.worker() != worker
    assert agent.stop() == 0
