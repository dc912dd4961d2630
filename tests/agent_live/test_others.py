"""Other actors on the interfaces: what they break is mended, what is theirs is left, no fight storms."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest
from polc.agent.endpoint import FREE_REPAIRS
from polc.agent.states import Enforcing
from polc.tests.agent_live.field import Agent, Field
from polc.tests.cli.command import command

pytestmark = pytest.mark.kernel


def _clsact(field: Field) -> Agent:
    return field.minded("--hook", "clsact")


def _delete_clsact(field: Field) -> None:
    """Content when there is none."""
    command_line = ["tc", "-n", field.namespace, "qdisc", "del", "dev", "ep0", "clsact"]
    subprocess.run(command_line, capture_output=True, check=False)


def test_a_deleted_qdisc_is_noticed_by_its_event_and_mended(plough: Callable[[int], Field]) -> None:
    field = plough(2)
    agent = _clsact(field)
    kept = field.gates("ep1")
    field.tc("qdisc", "del", "dev", "ep0", "clsact")
    agent.until(lambda: field.status("ep0").in_force)
    agent.until(lambda: agent.of("ep0").drift.get("both-missing", 0) >= 1)
    agent.until_right(*field.names)
    # Half of it: one filter of two. The other gate, the policy and its generation stay.
    before, gates = field.status("ep0").generation, set(field.gates("ep0"))
    field.tc("filter", "del", "dev", "ep0", "ingress")
    agent.until(lambda: agent.of("ep0").drift.get("one-hook-missing", 0) >= 1)
    agent.until_right(*field.names)
    assert field.status("ep0").generation == before
    assert len(gates & set(field.gates("ep0"))) == 1
    assert field.gates("ep1") == kept


def test_a_fight_over_a_qdisc_does_not_storm_and_harms_no_neighbour(plough: Callable[[int], Field]) -> None:
    field = plough(2)
    agent = _clsact(field)
    before = agent.of("ep0").tc_writes
    kept = field.gates("ep1")
    deleted = 0

    def delete() -> bool:
        nonlocal deleted
        if field.status("ep0").in_force:
            _delete_clsact(field)
            deleted += 1
        return "keeps breaking" in str(agent.of("ep0").state)

    agent.until(delete)
    assert deleted >= FREE_REPAIRS
    # Three repairs came at once; from now on they come after 1, 2, 4, 8 … seconds, however slow we are.
    for _ in range(60):
        _delete_clsact(field)
        time.sleep(0.05)
    assert (agent.of("ep0").tc_writes - before) / 3 <= deleted + 6
    assert field.gates("ep1") == kept
    field.policy("ep1", 2000)
    agent.until(lambda: field.status("ep1").generation == 2)
    agent.until(lambda: field.status("ep0").in_force)


def test_a_detached_tcx_link_is_found_by_polling_and_a_stranger_before_the_gate_is_reported(
    plough: Callable[[int], Field],
) -> None:
    field = plough(2)
    field.fill()
    config = field.folder.parent / "agent.toml"
    config.write_text("poll = 0.2\n")
    agent = field.start("--hook", "tcx", "--config", str(config))
    agent.until_right(*field.names)
    kept = field.gates("ep1")
    field.detach_link("ep0")
    agent.until(lambda: field.status("ep0").in_force)
    agent.until(lambda: agent.of("ep0").drift.get("one-hook-missing", 0) >= 1)
    field.stranger("ep0")
    agent.until(lambda: not agent.of("ep0").good)
    state = agent.of("ep0").state
    assert isinstance(state, Enforcing)
    assert state.bypass == ("cali_first",)
    assert field.status("ep0").in_force
    assert field.gates("ep1") == kept
    assert agent.get("/readyz").startswith("degraded")


def test_an_agent_and_attaches_at_once_end_in_the_agents_pair(plough: Callable[[int], Field]) -> None:
    field = plough(1)
    agent = _clsact(field)
    assert field.start().process.wait(60) == 3
    assert "another agent" in field.logs[-1].read_text()
    other = field.folder.parent / "other"
    other.mkdir()
    for name in ("inventory.yaml", "policy-ep0.yaml"):
        text = (field.folder / name).read_text()
        (other / name).write_text(text.replace("ports: [1000]", "ports: [3000]"))
    place = ("--iface", "ep0", "--netns", field.namespace, "--bpffs", str(field.root))
    wanted = field.status("ep0").identity
    rivals = [
        subprocess.Popen(
            command("attach", str(other), "--endpoint", "shop/ep0", *place), stdout=-3, stderr=-3
        )
        for _ in range(2)
    ]
    for port in (2000, 2001, 1000):
        field.policy("ep0", port)
    assert [one.wait(60) for one in rivals] == [0, 0]
    # A swap by another polc makes no event; SIGHUP asks for a look at everything.
    agent.process.send_signal(1)
    agent.until(lambda: field.status("ep0").identity == wanted)
    agent.until_right("ep0")
    assert field.status("ep0").notes == ()
