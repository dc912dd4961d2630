"""The judges as machine code of this host: the same functions as in the BPF objects, without any privilege.

Verdict, deciding rule, reason and flow state come from the compiled code; what stands in for the kernel
(maps, ring, clock) is in compiler/codegen/host.py.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, Protocol

from ..pair import layout
from ..pair.layout import Config, Direction, Event, EventKind, Hit
from ..pair.packet import ETH_IPV4, ETH_IPV6, Reason
from ..pair.provenance import ProvenanceTable
from .outcome import FlowEntry, Run, logged, staged_rule

_DEFAULTS: Final = Config(generation=1)
_HZ: Final = 1000
_START: Final = 1 << 40  # jiffies at second 0, far from where ageing would run below 0
_CHUNK: Final = 4096
_EVENTS: Final = 8 * _CHUNK
_RING: Final = struct.Struct("<QQQ")  # buffer, room, records written
_BATCH: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)
_FIND: Final = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64)

Tables = Mapping[Direction, ProvenanceTable]


class Code(Protocol):
    """Compiled judges: addresses in this process and the formats they use (codegen/native.py)."""

    @property
    def batch(self) -> int: ...
    @property
    def find(self) -> int: ...
    @property
    def flows(self) -> int: ...
    @property
    def flows_size(self) -> int: ...
    @property
    def flow_slot(self) -> int: ...
    @property
    def config(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def table_at(self) -> Mapping[Direction, int]: ...
    @property
    def tables(self) -> Mapping[Direction, bytes]: ...
    @property
    def hits_at(self) -> Mapping[Direction, int]: ...
    @property
    def hits_size(self) -> Mapping[Direction, int]: ...
    @property
    def packet(self) -> struct.Struct: ...
    @property
    def result(self) -> struct.Struct: ...


class NativeEngine:
    """One pair and the flows of its endpoint, judged in process.

    config: as an attachment would write it; generation 0 becomes 1. Time is what the caller says: seconds of
    any clock that does not run backwards.
    """

    def __init__(self, code: Code, provenance: Tables, config: Config = _DEFAULTS) -> None:
        self._config = replace(config, generation=config.generation or 1, hz=_HZ)
        self._events = ctypes.create_string_buffer(_EVENTS * layout.EVENT_SIZE)
        self._aged = 0
        self._code: Code
        self._take(code, provenance)

    @property
    def generation(self) -> int:
        return self._config.generation

    def swap(self, code: Code, provenance: Tables) -> None:
        """Puts another pair in force under the next generation; flows stay."""
        flows = ctypes.string_at(self._code.flows, self._code.flows_size)
        self._config = replace(self._config, generation=self._config.generation + 1)
        self._take(code, provenance)
        ctypes.memmove(code.flows, flows, len(flows))

    def run(self, direction: Direction, frame: bytes, now: float = 0.0) -> Run:
        """One frame, from its link-layer header on, at `now` seconds."""
        (answer,) = self.run_all([(direction, frame, now)])
        return answer

    def run_all(self, frames: Iterable[tuple[Direction, bytes, float]]) -> Iterator[Run]:
        """In order, state kept between them; judged in batches."""
        source = iter(frames)
        while chunk := list(islice(source, _CHUNK)):
            yield from self._judge(chunk)

    def judge(self, batch: Batch) -> None:
        """Judges a prepared batch, the answers left in it: what the speed figures time."""
        ring = _RING.pack(ctypes.addressof(self._events), _EVENTS, 0)
        ctypes.memmove(self._code.events, ring, len(ring))
        self._run(ctypes.addressof(batch.packets), batch.count, ctypes.addressof(batch.results))

    def records(self, batch: Batch) -> Iterator[tuple[int, ...]]:
        """The bare answers of a batch: verdict, events so far, rule that let it through, whose rule."""
        self.judge(batch)
        return self._code.result.iter_unpack(batch.results.raw[: self._code.result.size * batch.count])

    def prepare(self, frames: Sequence[tuple[Direction, bytes, float]]) -> Batch:
        return Batch(frames, self._code, self._aged, self._config.l2_header)

    def hits(self, direction: Direction) -> tuple[Hit, ...]:
        """The counters of a direction of the pair in force, since it was put there."""
        size = self._code.hits_size[direction] * layout.HIT.size
        raw = ctypes.string_at(self._code.hits_at[direction], size)
        return tuple(Hit(*one) for one in layout.HIT.iter_unpack(raw))

    def flow(self, key: bytes) -> FlowEntry | None:
        """The entry of a `layout.FLOW_KEY`, idle or not."""
        buffer = ctypes.create_string_buffer(key, layout.FLOW_KEY_SIZE)
        at = self._find(ctypes.addressof(buffer), 0)
        if not at:
            return None
        return FlowEntry.unpack(ctypes.string_at(at + 8 + layout.FLOW_KEY_SIZE, layout.FLOW_ENTRY_SIZE))

    def flow_count(self) -> int:
        """How many flows are remembered, idle ones too."""
        table = ctypes.string_at(self._code.flows, self._code.flows_size)
        return sum(table[at] == 1 for at in range(0, len(table), self._code.flow_slot))

    def age(self, seconds: float) -> None:
        """Lets time pass for every flow."""
        self._aged += round(seconds * _HZ)

    def forget(self) -> None:
        """Removes every flow."""
        ctypes.memset(self._code.flows, 0, self._code.flows_size)

    def _take(self, code: Code, provenance: Tables) -> None:
        self._code, self._tables = code, provenance
        self._run, self._find = _BATCH(code.batch), _FIND(code.find)
        for direction, data in code.tables.items():
            ctypes.memmove(code.table_at[direction], data, len(data))
        image = self._config.pack()
        ctypes.memmove(code.config, image, len(image))
        ctypes.memset(code.flows, 0, code.flows_size)
        for direction, at in code.hits_at.items():
            ctypes.memset(at, 0, code.hits_size[direction] * layout.HIT.size)

    def _judge(self, chunk: Sequence[tuple[Direction, bytes, float]]) -> Iterator[Run]:
        written = 0
        for (direction, _, _), record in zip(chunk, self.records(self.prepare(chunk)), strict=True):
            answer, events_end, rule, owner = record
            events = tuple(self._event(number) for number in range(written, events_end))
            written = events_end
            yield self._outcome(direction, answer, rule, Direction(owner), events)

    def _event(self, number: int) -> Event:
        at = ctypes.addressof(self._events) + number * layout.EVENT_SIZE
        return Event.unpack(ctypes.string_at(at, layout.EVENT_SIZE))

    def _outcome(
        self, direction: Direction, answer: int, rule: int, owner: Direction, events: tuple[Event, ...]
    ) -> Run:
        logs, staged = logged(events, self._tables), staged_rule(events)
        if answer == layout.TC_NEXT:
            if rule == layout.NO_RULE:
                return Run(True, None, Reason.NONE, direction, logs, events, staged)
            return Run(True, rule, Reason.NONE, owner, logs, events, staged)
        for event in events:
            if event.kind == EventKind.DENY:
                decided = None if event.rule == layout.NO_RULE else event.rule
                judged = Direction(event.direction)
                return Run(False, decided, Reason(event.reason), judged, logs, events, staged)
        return Run(False, None, Reason.NONE, direction, logs, events, staged)


class Batch:
    """Frames laid out for the compiled code; holds their bytes as long as it lives."""

    def __init__(
        self,
        frames: Sequence[tuple[Direction, bytes, float]],
        code: Code,
        aged: int,
        l2_header: int,
    ) -> None:
        self.count = len(frames)
        self._bytes = ctypes.create_string_buffer(b"".join(frame for _, frame, _ in frames) or b"\0")
        at = ctypes.addressof(self._bytes)
        rows = []
        for direction, frame, now in frames:
            jiffies = _START + aged + int(now * _HZ)
            rows.append(
                code.packet.pack(at, len(frame), int(direction), _ethertype(frame, l2_header), jiffies)
            )
            at += len(frame)
        self.packets = ctypes.create_string_buffer(b"".join(rows) or b"\0")
        self.results = ctypes.create_string_buffer(code.result.size * max(self.count, 1))


def _ethertype(frame: bytes, l2_header: int) -> int:
    """What the kernel calls skb->protocol: big-endian as it lies in memory."""
    if l2_header == layout.L2_NONE:
        number = {4: ETH_IPV4, 6: ETH_IPV6}.get(frame[0] >> 4 if frame else 0, 0)
        return int.from_bytes(number.to_bytes(2, "big"), "little")
    end = l2_header or layout.L2_DEFAULT
    return int.from_bytes(frame[end - 2 : end], "little")
