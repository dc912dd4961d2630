"""The kernel's announcements, as the kernel really makes them."""

from __future__ import annotations

import select
from collections.abc import Callable

import pytest
from polc.runtime.kernel import Kernel
from polc.runtime.netlink import Link, Netlink
from polc.runtime.netlink_events import Event, Events, LinkEvent, Lost, TcEvent
from polc.tests.agent_live.field import Field

pytestmark = pytest.mark.kernel


def test_devices_and_qdiscs_are_announced_but_not_what_we_did_ourselves(
    plough: Callable[[int], Field],
) -> None:
    field = plough(1)

    def watch(kernel: Kernel) -> tuple[Link, list[Event], list[Event], list[Event]]:
        before = kernel.net.link("ep0")
        with Netlink() as other, Events(frozenset({kernel.net.port})) as events:
            assert kernel.net.port != 0
            kernel.net.add_clsact(before.index)
            kernel.net.delete_clsact(before.index)
            own: list[Event] = [event for event in events.read() if isinstance(event, TcEvent)]
            other.add_clsact(before.index)
            others = list(events.read())
            field.ip("link", "set", "ep0", "down")
            field.ip("link", "set", "ep0", "name", "aside")
            field.ip("link", "del", "aside")
            assert select.select([events.fileno()], [], [], 10)[0]
            return before, own, others, list(events.read())

    before, own, others, life = field.run(watch)
    assert own == []
    assert others == [TcEvent(before.index)]
    seen = [event for event in life if isinstance(event, LinkEvent) and event.link.index == before.index]
    assert before.up
    assert any(event.link.name == "ep0" and not event.link.up for event in seen)
    assert seen[-1].gone
    assert {(event.link.name, event.link.kind, event.link.hardware) for event in seen} >= {
        ("ep0", "veth", before.hardware),
        ("aside", "veth", before.hardware),
    }


def test_an_overrun_is_told_and_news_go_on_after_it(plough: Callable[[int], Field]) -> None:
    field = plough(1)

    def watch(kernel: Kernel) -> tuple[list[Event], list[Event]]:
        index = kernel.net.link("ep0").index
        with Events(buffer=4096) as events:
            for _ in range(200):
                kernel.net.add_clsact(index)
                kernel.net.delete_clsact(index)
            flooded = list(events.read())
            kernel.net.add_clsact(index)
            return flooded, list(events.read())

    flooded, after = field.run(watch)
    assert flooded.count(Lost()) == 1
    assert len(flooded) < 400
    assert after
    assert all(isinstance(event, TcEvent) for event in after)
