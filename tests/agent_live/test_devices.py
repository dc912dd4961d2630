"""Devices that come, go, change their name and come back, under a running agent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from polc.tests.agent_live.field import Field

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("hook", ["tcx", "clsact"])
def test_a_device_is_followed_through_its_life(plough: Callable[[int], Field], hook: str) -> None:
    field = plough(2)
    agent = field.minded("--hook", hook)
    kept = field.gates("ep1")

    before = field.status("ep0").ifindex
    field.ip("link", "del", "ep0")
    field.add("ep0")
    agent.until(lambda: field.status("ep0").in_force)
    assert field.status("ep0").ifindex != before
    agent.until_right(*field.names)

    field.ip("link", "set", "ep0", "down")
    field.ip("link", "set", "ep0", "up")
    agent.until_right(*field.names)
    assert field.status("ep0").generation == 1

    field.ip("link", "del", "ep0")
    agent.until(lambda: [one.interface for one in agent.report().awaited] == ["ep0"])
    assert agent.report().totals.failures == 0
    field.ip("link", "add", "early", "up", "type", "veth", "peer", "name", "earlyp")
    field.ip("link", "set", "early", "name", "ep0")
    agent.until_right(*field.names)
    assert field.status("ep0").in_force

    gates = field.gates("ep0")
    field.ip("link", "set", "ep0", "name", "aside")
    agent.until(lambda: [one.interface for one in agent.report().awaited] == ["ep0"])
    agent.until(lambda: agent.of("aside").endpoint is None)
    assert field.status("aside").in_force
    field.ip("link", "set", "aside", "name", "ep0")
    agent.until_right(*field.names)
    assert field.gates("ep0") == gates
    assert field.gates("ep1") == kept
    assert agent.report().totals.failures == 0
