"""Map contents in the fake: what each type takes, answers and refuses."""

from __future__ import annotations

from polc.runtime.bpf import MapFlag, MapShape, MapType, UpdateFlag
from polc.runtime.bpf.memory import PAGE, Memory
from polc.tests.fake_kernel.errnos import refused
from polc.tests.fake_kernel.objects import Map, Objects, Program, Thing
from polc.tests.fake_kernel.process import Process

_ARRAYS = (MapType.ARRAY, MapType.PERCPU_ARRAY, MapType.PROG_ARRAY, MapType.ARRAY_OF_MAPS)


def check_shape(shape: MapShape) -> None:
    if not shape.max_entries:
        raise refused("map_create: no entries")
    if shape.type is MapType.RINGBUF and (
        shape.max_entries % PAGE or shape.max_entries & (shape.max_entries - 1)
    ):
        raise refused("map_create: a ring of a size that is no power of two pages")
    if shape.type in _ARRAYS and shape.key_size != 4:
        raise refused("map_create: an array with another key than 4 bytes")
    if shape.type in (MapType.PROG_ARRAY, MapType.ARRAY_OF_MAPS) and shape.value_size != 4:
        raise refused("map_create: a program array with another value than 4 bytes")
    if shape.type is MapType.ARRAY_OF_MAPS and shape.inner is None:
        raise refused("map_create: a map of maps without a template")


def _index(key: bytes) -> int:
    return int.from_bytes(key, "little")


def lookup(map_: Map, key: bytes) -> bytes | None:
    shape = map_.shape
    if shape.type is MapType.RINGBUF:
        raise refused("map_lookup: a ring")
    if shape.type is MapType.PROG_ARRAY:
        program = map_.programs.get(_index(key))
        return program.id.to_bytes(4, "little") if program is not None else None
    if shape.type is MapType.ARRAY_OF_MAPS:
        return map_.inner.id.to_bytes(4, "little") if map_.inner is not None else None
    if shape.type is MapType.ARRAY:
        return map_.values.get(key, bytes(shape.value_size)) if _index(key) < shape.max_entries else None
    return map_.values.get(key)


def check_writable(map_: Map, key: bytes, flags: UpdateFlag) -> None:
    shape = map_.shape
    if map_.frozen:
        raise refused("map_update: the map is frozen")
    if shape.type is MapType.RINGBUF:
        raise refused("map_update: a ring")
    if shape.type in _ARRAYS and flags == UpdateFlag.NOEXIST:
        raise refused(
            "map_update: new elements only, in a program array"
            if shape.type is MapType.PROG_ARRAY
            else "map_update: new elements only, in an array"
        )
    if shape.type in _ARRAYS and _index(key) >= shape.max_entries:
        raise refused("map_update: past the end of an array")


def update(
    objects: Objects, map_: Map, key: bytes, value: bytes, flags: UpdateFlag, held: Thing | None
) -> None:
    """held: the program or map the value's descriptor stands for."""
    check_writable(map_, key, flags)
    if held is None:
        _update_value(map_, key, value, flags)
        return
    objects.hold(held)
    if isinstance(held, Program):
        before: Thing | None = map_.programs.get(_index(key))
        map_.programs[_index(key)] = held
    else:
        assert isinstance(held, Map)
        before, map_.inner = map_.inner, held
    if before is not None:
        objects.drop(before)


def _update_value(map_: Map, key: bytes, value: bytes, flags: UpdateFlag) -> None:
    if map_.shape.type is not MapType.ARRAY:
        if flags == UpdateFlag.NOEXIST and key in map_.values:
            raise refused("map_update: the element is there")
        if flags == UpdateFlag.EXIST and key not in map_.values:
            raise refused("map_update: the element is not there")
        if key not in map_.values and len(map_.values) == map_.shape.max_entries:
            if map_.shape.type is MapType.HASH:
                raise refused("map_update: the hash is full")
            del map_.values[next(iter(map_.values))]
    map_.values[key] = value


def delete(objects: Objects, map_: Map, key: bytes) -> None:
    if map_.frozen:
        raise refused("map_delete: the map is frozen")
    if map_.shape.type is MapType.RINGBUF:
        raise refused("map_delete: a ring")
    if map_.shape.type is MapType.ARRAY:
        raise refused("map_delete: an array")
    if map_.shape.type is MapType.PROG_ARRAY:
        if _index(key) >= map_.shape.max_entries:
            raise refused("map_delete: past the end of a program array")
        before = map_.programs.pop(_index(key), None)
        if before is None:
            raise refused("map_delete: an empty slot")
        objects.drop(before)
    elif map_.values.pop(key, None) is None:
        raise refused("map_delete: no such element")


def freeze(map_: Map) -> None:
    if map_.frozen:
        raise refused("map_freeze: frozen already")
    if map_.writable_mappings:
        raise refused("map_freeze: mapped for writing")
    map_.frozen = True


class FakeMemory(Memory):
    """A mapped word map. The map lives at least as long as this mapping."""

    def __init__(self, process: Process, map_: Map, writable: bool) -> None:
        if not map_.shape.flags & MapFlag.MMAPABLE:
            raise refused("mmap: the map is not mappable")
        if writable and map_.frozen:
            raise refused("mmap: for writing, and the map is frozen")
        self._process = process
        self._map = map_
        self._held = process.open(map_)
        self._writable = writable
        map_.writable_mappings += writable

    def load(self, offset: int) -> int:  # noqa: ARG002
        self._process.access("WORD_LOAD")
        return self._map.word

    def store(self, offset: int, value: int) -> None:  # noqa: ARG002
        self._process.access("WORD_STORE")
        self._process.kernel.stored(self._map, value)
        self._map.values[bytes(4)] = value.to_bytes(8, "little")
        self._process.changed()

    def copy(self, offset: int, size: int) -> bytes:
        return self._map.values.get(bytes(4), bytes(8))[offset : offset + size]

    def close(self) -> None:
        if self._process.alive:
            self._held.close()
        self._map.writable_mappings -= self._writable
        self._writable = False
