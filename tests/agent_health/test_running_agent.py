"""A real agent: what its processes may do, and what its port says of it."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest
from polc.pair.layout import FLOW_CAPACITY
from polc.runtime.privilege import NEEDED, Held, held
from polc.tests.agent_live.field import Field
from polc.tests.agent_live.processes import children
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.kernel
KEPT = sum(1 << one for one in NEEDED)
POWERLESS = Held(inheritable=0, permitted=0, effective=0, bounding=KEPT, ambient=0, no_new_privs=True)
AGENT = Held(inheritable=0, permitted=KEPT, effective=KEPT, bounding=KEPT, ambient=0, no_new_privs=True)


def threads(pid: int) -> list[Held]:
    return [held(f"{pid}/task/{path.name}") for path in Path(f"/proc/{pid}/task").iterdir()]


def test_every_thread_keeps_two_capabilities_and_the_compiler_none(plough: Callable[[int], Field]) -> None:
    field = plough(1)
    field.fill()
    agent = field.start()
    agent.until_right(*field.names)
    pid = agent.process.pid
    of_agent = threads(pid)
    assert len(of_agent) > 1
    assert set(of_agent) == {AGENT}
    compilers = [worker := agent.worker(), *children(worker)]
    assert len(compilers) > 1  # LLVM's processes are below the worker
    assert {one for process in compilers for one in threads(process)} == {POWERLESS}

    assert agent.get("/healthz") == "ok\n"
    assert agent.get("/readyz") == "ready\n"
    families = {one.name: one for one in text_string_to_metric_families(agent.get("/metrics"))}
    states = families["polc_interface_state"].samples
    assert [one.labels for one in states if one.value] == [
        {"interface": "ep0", "endpoint": "shop/ep0", "state": "enforcing"}
    ]
    assert (
        sum(one.value for one in families["polc_compile_seconds"].samples if one.name.endswith("_count")) == 1
    )
    assert families["polc_interface_flow_entries_max"].samples[0].value == FLOW_CAPACITY
    with pytest.raises(urllib.error.HTTPError, match="404"):
        agent.get("/../status")

    field.write("policy-ep0.yaml", "kind: NetworkPolicy\nspec: [")
    agent.until(lambda: agent.get("/readyz").startswith("degraded"))
    assert "policy-ep0.yaml:" in agent.get("/readyz")
    assert field.status("ep0").in_force
