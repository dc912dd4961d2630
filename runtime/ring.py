"""The event ring's consumer: layout.Event records out of a BPF ring buffer, by mapped memory.

Layout of the mapping: kernel/bpf/ringbuf.c. Page 0 holds the consumer position (ours to write), page 1 the
producer position, then the data, mapped twice in a row so that no record wraps. The consumer position is one
for all readers: two readers of one ring share its events between them.
"""

from __future__ import annotations

import select
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Final

from ..pair.layout import EVENT_SIZE, Event
from .bpf import Bpf, Fd, MapType, Object
from .bpf.memory import PAGE, Memory, fence
from .errors import CannotError

_BUSY: Final = 1 << 31
_DISCARDED: Final = 1 << 30
_HEADER: Final = 8
_LENGTH: Final = struct.Struct("<I")


class Ring:
    """Reads one ring; its descriptor is owned. Records of another size than an Event's are counted, not read.

    foreign: how many such records there were.
    """

    def __init__(self, bpf: Bpf, map_: Fd) -> None:
        """Takes the descriptor over; raises CannotError when the map is no ring buffer, OSError by mmap."""
        self.foreign = 0
        with ExitStack() as stack:
            stack.enter_context(map_)
            info = bpf.map_info(map_)
            if info.type != MapType.RINGBUF:
                raise CannotError(f"map {info.id} ({info.name}) is not a ring buffer")
            self._mask = info.max_entries - 1
            self._consumer = stack.enter_context(closing(Memory(map_, PAGE, writable=True)))
            data = Memory(map_, PAGE + 2 * info.max_entries, offset=PAGE)
            self._producer = stack.enter_context(closing(data))
            self._poll = stack.enter_context(select.epoll())
            self._poll.register(map_.number, select.EPOLLIN)
            self._own = stack.pop_all()

    @classmethod
    def by_id(cls, bpf: Bpf, number: int) -> Ring | None:
        """The ring of a map id, None when no such map lives (any more)."""
        map_ = bpf.fd_by_id(Object.MAP, number)
        return cls(bpf, map_) if map_ is not None else None

    def wait(self, seconds: float) -> bool:
        """Until the kernel announces data, or the time is over (False)."""
        return bool(self._poll.poll(seconds))

    def events(self) -> Iterator[Event]:
        """What is there now, oldest first, without waiting; each record is given back once it was copied."""
        consumed, produced = self._consumer.load(0), self._producer.load(0)
        while consumed < produced:
            fence()  # the position before the header, as ringbuf_process_ring of libbpf acquires both
            place = PAGE + (consumed & self._mask)
            (header,) = _LENGTH.unpack(self._producer.copy(place, _LENGTH.size))
            if header & _BUSY:
                return
            fence()
            length = header & ~_DISCARDED
            record = b"" if header & _DISCARDED else self._producer.copy(place + _HEADER, length)
            consumed += (_HEADER + length + 7) & ~7
            fence()
            self._consumer.store(0, consumed)
            if len(record) == EVENT_SIZE:
                yield Event.unpack(record)
            elif record:
                self.foreign += 1
            produced = self._producer.load(0)

    def read(self, seconds: float) -> tuple[Event, ...]:
        """The events there are, after waiting for one for at most so long."""
        found = tuple(self.events())
        if not found and self.wait(seconds):
            found = tuple(self.events())
        return found

    def close(self) -> None:
        self._own.close()

    def __enter__(self) -> Ring:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
