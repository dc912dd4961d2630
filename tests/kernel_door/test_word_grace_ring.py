"""The commit word, the grace period and the event ring against the real kernel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from polc.pair.layout import EVENT_SIZE, Event, EventKind
from polc.runtime.bpf import Bpf, Fd, MapFlag, MapShape, MapType
from polc.runtime.bpf.memory import PAGE, Memory
from polc.runtime.errors import CannotError
from polc.runtime.grace import Grace
from polc.runtime.ring import Ring
from polc.runtime.word import Word, create_word
from polc.tests.kernel_door.programs import FRAME, clock_reading, emitting

pytestmark = pytest.mark.kernel

RING_BYTES = 4096
EVENT = Event(
    time=7_000_000_001,
    generation=0xFFFFFFFE,
    rule=5,
    ifindex=3,
    direction=1,
    kind=EventKind.DENY,
    reason=1,
    family=4,
    protocol=6,
    tcp_flags=2,
    sport=40000,
    dport=443,
    source=bytes([10, 0, 0, 1]) + bytes(12),
    destination=bytes([10, 0, 0, 2]) + bytes(12),
)


def _words(event: Event) -> tuple[int, ...]:
    data = event.pack()
    return tuple(int.from_bytes(data[at : at + 8], "little") for at in range(0, EVENT_SIZE, 8))


@pytest.fixture
def ring_map(bpf: Bpf) -> Iterator[Fd]:
    with bpf.map_create(MapShape("polc_events", MapType.RINGBUF, 0, 0, RING_BYTES)) as map_:
        yield map_


def test_a_stored_word_is_what_the_kernel_reads(bpf: Bpf) -> None:
    with create_word(bpf) as map_, Word(bpf, map_, writable=True) as word, Word(bpf, map_) as reader:
        assert word.read() == 0
        for value in (1, 2**32 + 7, 2**64 - 1):
            word.store(value)
            assert reader.read() == value
            assert bpf.map_lookup(map_, bytes(4), 8) == value.to_bytes(8, "little")
        assert bpf.writes["WORD_STORE"] == 3


def test_a_word_opened_for_reading_cannot_be_stored(bpf: Bpf) -> None:
    with create_word(bpf) as map_, Word(bpf, map_) as word:
        with pytest.raises(TypeError):
            word.store(1)
        assert word.read() == 0


def test_memory_is_read_in_aligned_words_only(bpf: Bpf) -> None:
    with create_word(bpf) as map_:
        memory = Memory(map_, PAGE)
        for offset in (4, -8):
            with pytest.raises(ValueError, match="aligned"):
                memory.load(offset)
        memory.close()


@dataclass
class Packet:
    """A program that takes some 10 ms, and the board on which it says that it started and that it ended."""

    bpf: Bpf
    program: Fd
    board: Memory

    def ended_after(self, waiting: Callable[[], None]) -> bool:
        """Whether the program, found running, is over once `waiting` returned."""
        self.board.store(0, 0)
        self.board.store(8, 0)
        packet = threading.Thread(target=self.bpf.test_run, args=(self.program, FRAME))
        packet.start()
        while not self.board.load(0):
            time.sleep(0.0005)
        waiting()
        ended = bool(self.board.load(8))
        packet.join()
        assert self.board.load(8)
        return ended


@pytest.fixture
def packet(bpf: Bpf) -> Iterator[Packet]:
    shape = MapShape("polc_board", MapType.ARRAY, 4, 16, 1, MapFlag.MMAPABLE)
    with bpf.map_create(shape) as map_, clock_reading(bpf, map_, 250_000) as program:
        board = Memory(map_, PAGE, writable=True)
        yield Packet(bpf, program, board)
        board.close()


def test_after_a_grace_period_no_packet_is_still_inside_a_program(bpf: Bpf, packet: Packet) -> None:
    grace = Grace()
    assert all(packet.ended_after(lambda: grace.wait(bpf)) for _ in range(10))


def test_without_a_grace_period_a_packet_is_found_inside_its_program(packet: Packet) -> None:
    """The control: what the test above looks for can be seen."""
    assert any(not packet.ended_after(lambda: None) for _ in range(100))


def test_grace_keeps_its_maps(bpf: Bpf) -> None:
    grace = Grace()
    for _ in range(3):
        grace.wait(bpf)
    assert dict(bpf.writes) == {"MAP_CREATE": 2, "MAP_UPDATE_ELEM": 3}


def test_an_event_comes_out_as_it_went_in(bpf: Bpf, ring_map: Fd) -> None:
    with Ring(bpf, ring_map.dup()) as ring, emitting(bpf, ring_map, _words(EVENT)) as program:
        assert not ring.wait(0.01)
        assert ring.read(0.01) == ()
        assert bpf.test_run(program, FRAME).retval == 0
        assert ring.wait(1)
        assert ring.read(1) == (EVENT,)
        assert ring.read(0) == ()


def test_a_ring_goes_on_over_its_end_and_drops_when_full(bpf: Bpf, ring_map: Fd) -> None:
    with Ring(bpf, ring_map.dup()) as ring, emitting(bpf, ring_map, _words(EVENT)) as program:
        room = RING_BYTES // (EVENT_SIZE + 8)
        for _ in range(3):
            answers = [bpf.test_run(program, FRAME).retval for _ in range(room + 2)]
            taken = answers.count(0)
            assert room - 1 <= taken <= room
            assert tuple(ring.events()) == (EVENT,) * taken


def test_records_of_another_size_are_counted_and_skipped(bpf: Bpf, ring_map: Fd) -> None:
    with (
        Ring(bpf, ring_map.dup()) as ring,
        emitting(bpf, ring_map, (1, 2)) as strange,
        emitting(bpf, ring_map, _words(EVENT)) as program,
    ):
        for one in (strange, program, strange):
            bpf.test_run(one, FRAME)
        assert ring.read(0) == (EVENT,)
        assert ring.foreign == 2


def test_a_ring_is_found_by_its_id(bpf: Bpf, ring_map: Fd) -> None:
    found = Ring.by_id(bpf, bpf.map_info(ring_map).id)
    assert found is not None
    with found, emitting(bpf, ring_map, _words(EVENT)) as program:
        bpf.test_run(program, FRAME)
        assert found.read(1) == (EVENT,)
    assert Ring.by_id(bpf, 0x7FFFFFFF) is None


def test_another_map_is_no_ring(bpf: Bpf) -> None:
    with create_word(bpf) as map_, pytest.raises(CannotError, match="not a ring buffer"):
        Ring(bpf, map_.dup())
