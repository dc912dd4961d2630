"""The kernel as a judge: a pair behind real gates in private maps, run by BPF_PROG_TEST_RUN, never attached.

What the kernel says of a packet: the verdict; for a drop, and for Log rules, the events of the ring. A packet
that is let through makes no event: its rule and state stand in the flow entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from math import ceil
from types import TracebackType
from typing import Final

from ..pair import layout
from ..pair.layout import Config, Direction, Event, EventKind, Hit, bank_of, slot
from ..pair.object import ObjectPair
from ..pair.packet import ETH_IPV4, ETH_IPV6, Reason
from ..pair.provenance import ProvenanceTable
from ..runtime.bpf import Bpf, BpfError, UpdateFlag
from ..runtime.bpf.programs import TestRunner
from ..runtime.errors import ObjectFault, cannot
from ..runtime.gate import Gates
from ..runtime.hits import live_hits
from ..runtime.loader import LoadedPair, create_maps, load_pair
from ..runtime.probe import jiffies_hz
from ..runtime.ring import Ring
from ..runtime.word import Word, create_word
from .outcome import FlowEntry, Run, logged, staged_rule

# The kernel test-runs no packet that is empty behind its Ethernet header and, lately, none that is shorter
# than its IP header (net/bpf/test_run.c, bpf_prog_test_run_skb).
FRAME_LEAST: Final = 15
_LEAST_OF: Final = {ETH_IPV4: 34, ETH_IPV6: 54}
FRAME_MOST: Final = 3500  # a page less what the kernel keeps of it, rounded down
_DEFAULTS: Final = Config(generation=1)
_U64: Final = 1 << 64


def runnable(frame: bytes) -> bool:
    """Whether the kernel can be asked: not about a frame that ends before its Ethernet or IP header does."""
    least = _LEAST_OF.get(int.from_bytes(frame[12:14], "big"), FRAME_LEAST)
    return len(frame) >= max(least, FRAME_LEAST)


class KernelEngine:
    """One pair and the flows of its endpoint. A context manager: everything goes when it is closed.

    config: as an attachment would write it; generation 0 becomes 1, hz 0 the machine's. alone: each program
    runs as if it were the only one there (no gate, empty slots).
    """

    def __init__(
        self, bpf: Bpf, pair: ObjectPair, config: Config = _DEFAULTS, *, alone: bool = False
    ) -> None:
        """Raises CannotError, ObjectFault, VerifierError."""
        self._bpf = bpf
        self._alone = alone
        with ExitStack() as stack:
            try:
                self._maps = create_maps(bpf, pair, {layout.hits_map(direction) for direction in Direction})
                for map_ in self._maps.values():
                    stack.enter_context(map_)
                word = stack.enter_context(create_word(bpf))
                self._word = stack.enter_context(Word(bpf, word, writable=True))
                self._ring = stack.enter_context(Ring(bpf, self._maps[layout.MAP_EVENTS].dup()))
                slots = self._maps[layout.MAP_SLOTS]
                self._gates = {
                    direction: stack.enter_context(Gates().load(bpf, direction, slots, word))
                    for direction in Direction
                }
            except BpfError as error:
                raise cannot(error, "make the kernel a judge") from None
            self._loaded: LoadedPair | None = None
            self._runners: dict[Direction, TestRunner] = {}
            self._tables: dict[Direction, ProvenanceTable] = {}
            hz = config.hz or jiffies_hz(bpf)
            self._config = replace(config, generation=config.generation or 1, hz=hz)
            self._put(pair, self._config)
            self._own = stack.pop_all()

    @property
    def generation(self) -> int:
        return self._config.generation

    def swap(self, pair: ObjectPair) -> None:
        """Puts another pair in force under the next generation; flows stay. Raises as the constructor."""
        self._put(pair, replace(self._config, generation=self._config.generation + 1))

    def run(self, direction: Direction, frame: bytes) -> Run:
        """One frame, from its Ethernet header on. Raises ValueError for a frame that is not `runnable`.

        Of a frame beyond `FRAME_MOST` bytes only the first so many are run: the judges read headers only.
        """
        if not runnable(frame):
            raise ValueError(f"the kernel cannot test-run a frame of {len(frame)} bytes")
        answer = self._runners[direction].run(frame[:FRAME_MOST]).retval
        events = tuple(self._ring.events())
        logs, staged = self._logs(events), staged_rule(events)
        if answer == layout.TC_NEXT:
            return Run(True, None, Reason.NONE, direction, logs, events, staged)
        if answer != layout.TC_DROP:
            raise ObjectFault(f"the {direction.word} program answered {answer}, which is no verdict")
        for event in events:
            if event.kind == EventKind.DENY:
                rule = None if event.rule == layout.NO_RULE else event.rule
                judged = Direction(event.direction)
                return Run(False, rule, Reason(event.reason), judged, logs, events, staged)
        return Run(False, None, Reason.NONE, direction, logs, events, staged)

    def run_all(self, frames: Iterable[tuple[Direction, bytes]]) -> Iterator[Run]:
        """In order, state kept between them."""
        return (self.run(direction, frame) for direction, frame in frames)

    def hits(self, direction: Direction) -> tuple[Hit, ...]:
        """The counters of the direction's program in force, since it was put there."""
        assert self._loaded is not None
        return live_hits(self._bpf, self._loaded.maps[layout.hits_map(direction)])

    def flow(self, key: bytes) -> FlowEntry | None:
        """The entry of a `layout.FLOW_KEY`, idle or not; a look does not count as a use for the LRU."""
        value = self._bpf.map_lookup(self._maps[layout.MAP_FLOWS], key, layout.FLOW_ENTRY_SIZE)
        return FlowEntry.unpack(value) if value is not None else None

    def flows(self) -> dict[bytes, FlowEntry]:
        """Every entry by key."""
        items = self._bpf.map_items(
            self._maps[layout.MAP_FLOWS], layout.FLOW_KEY_SIZE, layout.FLOW_ENTRY_SIZE
        )
        return {key: FlowEntry.unpack(value) for key, value in items}

    def age(self, seconds: float) -> None:
        """Lets time pass for every flow, by moving when it was last seen into the past."""
        for key, entry in self.flows().items():
            self._move(key, entry, round(seconds * self._config.hz))

    def age_flow(self, key: bytes, seconds: float) -> float:
        """Lets time pass for one flow, if there is one, by whole jiffies; how many seconds that were.

        Negative seconds make it younger, by no more than was asked.
        """
        entry = self.flow(key)
        if entry is None:
            return 0.0
        jiffies = seconds * self._config.hz
        # An entry seen in the future would count as idle for ever, so that one jiffy is held back.
        back = round(jiffies) if jiffies >= 0 else min(0, ceil(jiffies) + 1)
        if back:
            self._move(key, entry, back)
        return back / self._config.hz

    def _move(self, key: bytes, entry: FlowEntry, jiffies: int) -> None:
        older = entry._replace(seen=(entry.seen - jiffies) % _U64)
        self._bpf.map_update(self._maps[layout.MAP_FLOWS], key, older.pack(), UpdateFlag.EXIST)

    def forget(self) -> None:
        """Removes every flow."""
        for key in self.flows():
            self._bpf.map_delete(self._maps[layout.MAP_FLOWS], key)

    def close(self) -> None:
        if self._loaded is not None:
            self._loaded.close()
        self._own.close()

    def __enter__(self) -> KernelEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, pair: ObjectPair, config: Config) -> None:
        """Loads, fills the bank of the generation, stores the word, as a real swap does (no packet is under
        way here, so no grace period)."""
        loaded = load_pair(self._bpf, pair, config, self._maps)
        if self._alone:
            runners = {side: loaded.side(side).program for side in Direction}
        else:
            bank = bank_of(config.generation)
            for side in Direction:
                key = slot(bank, side).to_bytes(4, "little")
                number = loaded.side(side).program.number.to_bytes(4, "little")
                self._bpf.map_update(self._maps[layout.MAP_SLOTS], key, number)
            self._word.store(config.generation)
            runners = self._gates
        self._config = config
        self._runners = {side: TestRunner(self._bpf, program) for side, program in runners.items()}
        self._tables = {side.direction: side.provenance for side in (pair.ingress, pair.egress)}
        previous, self._loaded = self._loaded, loaded
        if previous is not None:
            previous.close()

    def _logs(self, events: Iterable[Event]) -> tuple[int, ...]:
        return logged(events, self._tables)
