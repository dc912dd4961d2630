"""Many real interfaces minded by one node, driven step by step with ready-made pairs: S24 on the kernel."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from polc.agent.endpoint import Place
from polc.agent.node import Node
from polc.agent.settings import Settings
from polc.pair.layout import Direction
from polc.runtime.hooks import Mechanism
from polc.runtime.kernel import Kernel
from polc.tests.agent_live.field import Field
from polc.tests.kernel.rejected import rejected_pair
from polc.tests.kernel.scene import allowing, denying

pytestmark = pytest.mark.kernel
UPDATES = 30


def test_s24_one_refused_of_twenty_is_tried_once_and_the_others_follow_every_update(
    plough: Callable[[int], Field],
) -> None:
    field = plough(20)
    told = Settings(folders=(Path("unused"),), bpffs=field.root, hook=Mechanism.TCX)
    bad, *good = field.names
    allow, deny, refused = allowing(), denying(), rejected_pair(Direction.EGRESS)

    def drive(kernel: Kernel) -> Node:
        clock = [time.monotonic()]
        node = Node(kernel, told, lambda: clock[0], lambda: 0.5)
        node.want({name: Place(f"shop/{name}") for name in field.names})

        def rest() -> None:
            while (pause := node.step()) is not None and pause <= 0.2:
                clock[0] += pause

        for name in field.names:
            node.pair(f"shop/{name}", allow)
        rest()
        node.pair(f"shop/{bad}", refused)
        for number in range(UPDATES):
            for name in good:
                node.pair(f"shop/{name}", (deny, allow)[number % 2])
            node.look(kernel.net.link(bad).index)  # events do not have it tried again, either
            rest()
            clock[0] += 5.0
            wanted = (deny, allow)[number % 2].identity.hex()
            assert {node.records[name].in_force for name in good} == {wanted}
        return node

    node = field.run(drive)
    assert node.sums.failures == 1
    assert node.records[bad].attempts == 1
    assert node.sums.tc_writes == 2 * len(field.names)  # of the first attach; swaps take none
    assert {field.status(name).generation for name in good} == {1 + UPDATES}
    assert field.status(bad).identity == allow.identity.hex()
    assert field.status(bad).generation == 1
