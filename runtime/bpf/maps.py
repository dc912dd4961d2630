"""Maps: create, elements, freeze."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Iterator
from typing import Final

from . import attr
from .fault import BpfError
from .fd import Fd
from .kinds import Command, UpdateFlag
from .memory import Memory
from .requests import MapShape
from .syscall import Syscall, address

_FDINFO: Final = 4096  # bytes; a map's is about 200
_POSSIBLE: Final = "/sys/devices/system/cpu/possible"


@functools.cache
def possible_cpus() -> int:
    """How many values a per-CPU element has: the ranges of that file, `0-3,6` (Documentation/admin-guide/
    cputopology.rst). The number is fixed while a kernel runs."""
    with open(_POSSIBLE, encoding="ascii") as file:
        ranges = [part.split("-") for part in file.read().strip().split(",")]
    return sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)


class MapCalls(Syscall):
    def map_create(self, shape: MapShape) -> Fd:
        request = attr.MapCreate(
            map_type=shape.type,
            key_size=shape.key_size,
            value_size=shape.value_size,
            max_entries=shape.max_entries,
            map_flags=shape.flags,
            inner_map_fd=shape.inner.number if shape.inner is not None else 0,
            map_name=attr.name_of(shape.name),
            btf_fd=shape.btf.number if shape.btf is not None else 0,
            btf_value_type_id=shape.value_type,
        )
        return Fd(self.call(Command.MAP_CREATE, request, f"map {shape.name}"))

    def map_lookup(self, map_: Fd, key: bytes, value_size: int) -> bytes | None:
        """The value, or None when there is none; a program array answers with the program's id (u32)."""
        key_buffer = ctypes.create_string_buffer(key, max(len(key), 1))
        value = ctypes.create_string_buffer(value_size)
        try:
            self._element(Command.MAP_LOOKUP_ELEM, map_, key_buffer, value)
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return value.raw

    def map_update(self, map_: Fd, key: bytes, value: bytes, flags: UpdateFlag = UpdateFlag.ANY) -> None:
        """For maps of programs or maps the value is the u32 descriptor."""
        key_buffer = ctypes.create_string_buffer(key, max(len(key), 1))
        value_buffer = ctypes.create_string_buffer(value, len(value))
        self._element(Command.MAP_UPDATE_ELEM, map_, key_buffer, value_buffer, flags)

    def map_delete(self, map_: Fd, key: bytes) -> bool:
        """False when there was no such element."""
        key_buffer = ctypes.create_string_buffer(key, max(len(key), 1))
        try:
            self._element(Command.MAP_DELETE_ELEM, map_, key_buffer, None)
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def map_next_key(self, map_: Fd, key: bytes | None, key_size: int) -> bytes | None:
        """The key after `key` (None: the first), or None at the end."""
        key_buffer = ctypes.create_string_buffer(key, max(len(key), 1)) if key is not None else None
        following = ctypes.create_string_buffer(key_size)
        try:
            self._element(Command.MAP_GET_NEXT_KEY, map_, key_buffer, following)
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return following.raw

    def map_items(self, map_: Fd, key_size: int, value_size: int) -> Iterator[tuple[bytes, bytes]]:
        """Every element; a concurrent delete may end or repeat the walk (a kernel hash has no snapshot)."""
        key = self.map_next_key(map_, None, key_size)
        while key is not None:
            value = self.map_lookup(map_, key, value_size)
            if value is not None:
                yield key, value
            key = self.map_next_key(map_, key, key_size)

    def map_every_cpu(self, map_: Fd, count: int, value_size: int) -> tuple[bytes, ...]:
        """A per-CPU array's first `count` elements: of each, the values of all possible CPUs in a row.

        value_size: a multiple of 8 (the kernel rounds up). One call: kernel/bpf/syscall.c,
        generic_map_lookup_batch. Raises OSError when the machine does not say how many CPUs there are.
        """
        rows, _ = self.map_part(map_, count, 4, value_size * possible_cpus())
        return tuple(row for _, row in rows)

    def map_part(
        self, map_: Fd, count: int, key_size: int, value_size: int
    ) -> tuple[tuple[tuple[bytes, bytes], ...], int | None]:
        """Up to `count` elements of a hash, whole buckets from the first on; and how many buckets that were,
        None when they were all. One call: kernel/bpf/hashtab.c, __htab_map_lookup_and_delete_batch, whose
        resume token is the number of the next bucket. BpfError(ENOSPC) when the first bucket holds more."""
        keys = ctypes.create_string_buffer(key_size * count)
        values = ctypes.create_string_buffer(value_size * count)
        following = ctypes.create_string_buffer(4)
        request = attr.MapBatch(
            out_batch=address(following),
            keys=address(keys),
            values=address(values),
            count=count,
            map_fd=map_.number,
        )
        whole = False
        try:
            self.call(Command.MAP_LOOKUP_BATCH, request)
        except BpfError as error:
            if error.errno != errno.ENOENT:  # which says that the last bucket was among them
                raise
            whole = True
        key, value = keys.raw, values.raw
        found = tuple(
            (key[at * key_size : (at + 1) * key_size], value[at * value_size : (at + 1) * value_size])
            for at in range(request.count)
        )
        return found, None if whole else int.from_bytes(following.raw, "little")

    def map_freeze(self, map_: Fd) -> None:
        """No further write from user space, for as long as the map lives."""
        self.call(Command.MAP_FREEZE, attr.MapElement(map_fd=map_.number))

    def map_frozen(self, map_: Fd) -> bool:
        """Read from fdinfo: MAP_FREEZE leaves no trace in struct bpf_map_info (kernel/bpf/syscall.c)."""
        file = os.open(f"/proc/thread-self/fdinfo/{map_.number}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return b"\nfrozen:\t1\n" in os.read(file, _FDINFO)
        finally:
            os.close(file)

    def map_memory(self, map_: Fd, size: int, offset: int = 0, writable: bool = False) -> Memory:
        """The map's memory in this process; raises OSError as `Memory` does."""
        return Memory(map_, size, offset, writable)

    def _element(
        self,
        command: Command,
        map_: Fd,
        key: ctypes.Array[ctypes.c_char] | None,
        value: ctypes.Array[ctypes.c_char] | None,
        flags: int = 0,
    ) -> None:
        request = attr.MapElement(map_fd=map_.number, key=address(key), value=address(value), flags=flags)
        self.call(command, request)
