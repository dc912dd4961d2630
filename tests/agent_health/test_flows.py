"""The flow table's fill: exact while small, estimated from a part when large, dead flows told apart."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from polc.pair.flow import State
from polc.pair.layout import (
    FLOW_CAPACITY,
    FLOW_ENTRY,
    FLOW_ENTRY_SIZE,
    FLOW_KEY,
    FLOW_KEY_SIZE,
    Config,
    Direction,
)
from polc.runtime.bpf import Bpf, Fd, MapShape, MapType
from polc.runtime.flows import SAMPLE, Fill, flow_fill, map_fill
from polc.tests.kernel.policies import BOTH, OPEN, compiled
from polc.tests.kernel.scene import Scene

pytestmark = pytest.mark.kernel
HZ = 100
NOW = 1 << 32
TCP, UDP, SCTP = 6, 17, 132
EMPTY = Fill(entries=0, live=0, capacity=FLOW_CAPACITY, exact=True)


@pytest.fixture
def bpf() -> Bpf:
    return Bpf()


@pytest.fixture
def table(bpf: Bpf) -> Iterator[Fd]:
    shape = MapShape("polc_flows", MapType.LRU_HASH, FLOW_KEY_SIZE, FLOW_ENTRY_SIZE, 8192)
    with bpf.map_create(shape) as made:
        yield made


def put(bpf: Bpf, table: Fd, number: int, idle: float, protocol: int = UDP, state: int = State.OPEN) -> None:
    """A flow that was last seen `idle` seconds before NOW."""
    key = FLOW_KEY.pack(number.to_bytes(16), bytes(16), 1, 2, protocol, 4, 0)
    bpf.map_update(table, key, FLOW_ENTRY.pack(NOW - round(idle * HZ), 1, 0, 0, state))


def test_an_empty_table_is_empty(bpf: Bpf, table: Fd) -> None:
    assert map_fill(bpf, table, 8192, Config()) == Fill(entries=0, live=0, capacity=8192, exact=True)


def test_entries_are_live_for_as_long_as_the_attachment_says(bpf: Bpf, table: Fd) -> None:
    flows = [
        (0, UDP, State.OPEN, True),
        (60, UDP, State.OPEN, True),
        (61, UDP, State.OPEN, False),
        (3600, TCP, State.ESTABLISHED, True),
        (41, TCP, State.CLOSED, False),
        (21, TCP, State.SYN_SENT, False),
        (599, SCTP, State.OPEN, True),
        (1, 1, State.OPEN, True),
        (6, 58, State.OPEN, False),
        (1, UDP, 200, True),
    ]
    for number, (idle, protocol, state, _) in enumerate(flows):
        put(bpf, table, number, idle, protocol, state)
    live = sum(one[-1] for one in flows)
    config = Config(hz=HZ)
    assert map_fill(bpf, table, 8192, config) == Fill(entries=10, live=live, capacity=8192, exact=True)
    patient = Config(hz=HZ, timeouts=(100,) * 8)
    within = sum(idle <= 100 for idle, *_ in flows)
    assert map_fill(bpf, table, 8192, patient).live == within


def test_a_large_table_is_estimated_from_a_bounded_part(bpf: Bpf, table: Fd) -> None:
    dice = random.Random(7)
    for number in range(6000):
        put(bpf, table, number, dice.choice((1.0, 100.0)))
    found = map_fill(bpf, table, 8192, Config(hz=HZ))
    assert not found.exact
    assert 5000 < found.entries < 7000  # five standard deviations of a part of SAMPLE are 16 %
    assert 0.4 < found.live / found.entries < 0.6
    every, buckets = bpf.map_part(table, 8192, FLOW_KEY_SIZE, FLOW_ENTRY_SIZE)
    assert (buckets, len(dict(every))) == (None, 6000)
    part, buckets = bpf.map_part(table, SAMPLE, FLOW_KEY_SIZE, FLOW_ENTRY_SIZE)
    assert buckets is not None
    assert len(part) <= SAMPLE
    assert set(part) <= set(every)


def test_the_table_is_found_by_a_program_in_force(tcx: Scene) -> None:
    pair = compiled(BOTH)
    programs = [one.program for one in tcx.attach(pair).status.policies]
    assert [flow_fill(tcx.door, one) for one in programs] == [EMPTY, EMPTY]
    assert tcx.passes(Direction.INGRESS, OPEN)
    one_flow = EMPTY.model_copy(update={"entries": 1, "live": 1})
    assert [flow_fill(tcx.door, one) for one in programs] == [one_flow, one_flow]
    assert not tcx.attach(pair).changed
    tcx.detach()
    assert flow_fill(tcx.door, 0) is None
