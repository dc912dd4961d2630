"""How full a flow table is, told from a part of it.

The kernel keeps no count of an LRU hash. Walking a full table of 65,536 flows takes some 50 ms, so only its
first buckets are read, in one call, and their share of all buckets gives the rest: flows are spread over the
buckets by a hash with a random seed, so with 1,024 entries read the figure is right within some 3 %. A table
with fewer is counted whole. An entry whose time-out is over is dead and is the first to be replaced, but
stands in the table until then; so the live ones are told apart.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

from ..pair.flow import TIMEOUTS, ProtocolClass, State, timeout_of
from ..pair.layout import FLOW_ENTRY, FLOW_ENTRY_SIZE, FLOW_KEY, FLOW_KEY_SIZE, HZ_DEFAULT, MAP_FLOWS, Config
from ..pair.packet import PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP
from .bpf import Bpf, Fd, Object
from .policy import Policy, read_policy

SAMPLE: Final = 1024
_CLASSES: Final = {
    PROTO_TCP: ProtocolClass.TCP,
    PROTO_UDP: ProtocolClass.UDP,
    PROTO_ICMP: ProtocolClass.QUERY,
    PROTO_ICMPV6: ProtocolClass.QUERY,
}
_STATES: Final = frozenset(State)


class Fill(BaseModel):
    """entries: in the table; live: of these not timed out. Counted when `exact`, else estimated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: int
    live: int
    capacity: int
    exact: bool


def flow_fill(bpf: Bpf, program: int, sample: int = SAMPLE) -> Fill | None:
    """The flow table of a policy program, by the program's id; None when it is gone or keeps none.

    Costs one call of some 0.5 ms besides reading the program. BpfError when the kernel refuses.
    """
    opened = bpf.fd_by_id(Object.PROG, program)
    if opened is None:
        return None
    with opened:
        policy = read_policy(bpf, opened)
        number = policy.maps.get(MAP_FLOWS) if isinstance(policy, Policy) else None
        map_ = bpf.fd_by_id(Object.MAP, number) if number is not None else None
    if map_ is None or not isinstance(policy, Policy):
        return None
    with map_:
        return map_fill(bpf, map_, bpf.map_info(map_).max_entries, policy.config, sample)


def map_fill(bpf: Bpf, map_: Fd, capacity: int, config: Config, sample: int = SAMPLE) -> Fill:
    """As `flow_fill`, of the table itself."""
    read, buckets = bpf.map_part(map_, sample, FLOW_KEY_SIZE, FLOW_ENTRY_SIZE)
    live = _live(read, config)
    if buckets is None:
        return Fill(entries=len(read), live=live, capacity=capacity, exact=True)
    every = 1 << (capacity - 1).bit_length()  # kernel/bpf/hashtab.c, htab_map_alloc: the next power of two
    entries, living = (min(capacity, count * every // max(1, buckets)) for count in (len(read), live))
    return Fill(entries=entries, live=living, capacity=capacity, exact=False)


def _live(read: tuple[tuple[bytes, bytes], ...], config: Config) -> int:
    """How many of the entries are not timed out. The newest packet among them stands for now: where nothing
    was sent since, some that are dead count as live, never the other way."""
    hz = config.hz or HZ_DEFAULT
    rested: list[tuple[int, int]] = []
    for key, value in read:
        protocol = FLOW_KEY.unpack(key)[4]
        seen, _, _, _, state = FLOW_ENTRY.unpack(value)
        rested.append((seen, hz * _timeout(protocol, state, config)))
    newest = max((seen for seen, _ in rested), default=0)
    return sum(newest - seen <= patience for seen, patience in rested)


def _timeout(protocol: int, state: int, config: Config) -> int:
    known = State(state) if state in _STATES else State.OPEN  # another layout's number is no fault here
    cls = timeout_of(_CLASSES.get(protocol, ProtocolClass.GENERIC), known)
    return config.timeouts[cls] or TIMEOUTS[cls]
