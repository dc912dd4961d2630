"""A real agent over real interfaces: what it attaches, what it swaps, and above all what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from polc.agent.states import NotEnforcing, Pending
from polc.tests.agent_live.field import Field

pytestmark = pytest.mark.kernel
LOGGING = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: logging, namespace: shop}
spec:
  selector: app == "ep1"
  order: 1
  ingress:
%s"""
BROKEN = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: ep2}\nspec: {selektor: x}\n"


def test_a_folder_is_put_in_force_and_a_restart_adopts_it_with_zero_writes(
    plough: Callable[[int], Field],
) -> None:
    field = plough(6)
    agent = field.minded()
    assert all(field.status(name).in_force for name in field.names)
    assert field.status("ep0").endpoint == "shop/ep0"
    assert agent.report().totals.writes > 0
    before = field.generations(), {name: field.gates(name) for name in field.names}
    assert agent.stop() == 0
    assert before == (field.generations(), {name: field.gates(name) for name in field.names})
    again = field.start()
    again.until_right(*field.names)
    assert again.report().totals.writes == 0
    assert again.stop() == 0
    assert before == (field.generations(), {name: field.gates(name) for name in field.names})
    done, report = field.once()
    assert (done.code, report and report.totals.writes) == (0, 0), done


def test_only_the_touched_endpoint_swaps_and_text_alone_writes_nothing(
    plough: Callable[[int], Field],
) -> None:
    field = plough(4)
    agent = field.minded()
    assert field.generations() == dict.fromkeys(field.names, 1)
    revision, writes = agent.revision, agent.report().totals.writes
    field.policy("ep2", 1000, comment="# the same policy, two lines further down\n\n")
    agent.settled(revision, *field.names)
    assert agent.report().totals.writes == writes
    revision = agent.revision
    field.policy("ep2", 2000)
    agent.settled(revision, *field.names)
    agent.until(lambda: agent.report().totals.swaps)
    assert field.generations() == {"ep0": 1, "ep1": 1, "ep2": 2, "ep3": 1}


def test_a_broken_file_changes_nothing_is_named_with_its_place_and_heals(
    plough: Callable[[int], Field],
) -> None:
    field = plough(3)
    agent = field.minded()
    writes = agent.report().totals.writes
    field.write("policy-ep2.yaml", BROKEN)
    agent.until(lambda: agent.report().inputs.state == "refused")
    state = agent.of("ep1").state
    assert isinstance(state, Pending)
    assert "policies-0/policy-ep2.yaml:4:8" in state.reason
    assert "selektor" in state.reason
    assert state.next_try is None
    assert agent.get("/readyz").startswith("degraded")
    assert all(field.status(name).in_force for name in field.names)
    field.policy("ep2", 1000)
    agent.until_right(*field.names)
    assert agent.report().totals.writes == writes
    assert field.generations() == dict.fromkeys(field.names, 1)


def test_a_policy_past_a_limit_holds_up_its_own_endpoint_only(plough: Callable[[int], Field]) -> None:
    field = plough(2)
    agent = field.minded()
    logs = "  - {action: Log}\n" * 64
    field.write("more.yaml", LOGGING % logs)
    state = agent.until(lambda: next((s for s in [agent.of("ep1").state] if isinstance(s, Pending)), None))
    assert isinstance(state, Pending)
    assert "at most 63 are supported" in state.reason
    for number, port in enumerate((2000, 2001), start=2):
        field.policy("ep0", port)
        agent.until(partial(field.has_generation, "ep0", number))
    assert isinstance(agent.of("ep1").state, Pending)
    assert field.status("ep1").generation == 1
    field.write("more.yaml", LOGGING % "  - {action: Log}\n")
    agent.until_right(*field.names)
    assert field.status("ep1").generation == 2
    assert agent.report().totals.failures == 0


def test_of_a_burst_the_last_comes_into_force_and_not_every_one_between(
    plough: Callable[[int], Field],
) -> None:
    field = plough(2)
    agent = field.minded()
    revision = agent.revision
    for port in range(2001, 2041):
        field.policy("ep0", port)
    agent.settled(revision, *field.names)
    field.policy("ep1", 2040)
    agent.settled(agent.revision - 1, *field.names)
    agent.until(lambda: field.status("ep1").generation == 2)
    assert field.status("ep0").generation < 20
    done, report = field.once("--netns", field.namespace)  # a second agent: refused while the first works
    assert (done.code, report) == (3, None)
    agent.stop()
    done, report = field.once()
    assert (done.code, report and report.totals.writes) == (0, 0), done


def test_an_endpoint_that_vanishes_from_the_inventory_stays_in_force_and_is_reported(
    plough: Callable[[int], Field],
) -> None:
    field = plough(2)
    agent = field.minded()
    field.inventory("ep0")
    agent.until(lambda: agent.of("ep1").endpoint is None)
    agent.until_right("ep0")
    assert field.status("ep1").in_force
    assert agent.of("ep1").state.state == "enforcing"
    agent.stop()
    done, report = field.once("--detach-unwanted")
    assert done.code == 0
    assert report is not None
    assert [one.interface for one in report.interfaces] == ["ep0"]
    assert field.gates("ep1") == []
    assert field.status("ep0").in_force


def test_nothing_is_enforced_without_a_policy_that_can_be_read_and_it_is_said(
    plough: Callable[[int], Field],
) -> None:
    field = plough(1)
    field.fill()
    field.write("policy-ep0.yaml", BROKEN)
    done, report = field.once()
    assert done.code == 1
    assert report is not None
    assert "policy-ep0.yaml:4:8" in report.inputs.problems[0]
    assert report.interfaces == ()
    field.policy("ep0", 1000)
    field.folder.chmod(0o777)
    done, report = field.once()
    assert done.code == 1
    assert report is not None
    assert "chmod" in report.inputs.problems[0]
    field.folder.chmod(0o755)
    done, report = field.once("--dry-run")
    assert done.code == 0
    assert report is not None
    (one,) = report.interfaces
    assert isinstance(one.state, NotEnforcing)
    assert any("attach the ingress gate" in step for step in one.plan)
    assert report.totals.writes == 0
    assert field.gates("ep0") == []
