"""Refusals of maps, programs, BTF and pins."""

from __future__ import annotations

import struct

from polc.pair.btf import metadata_btf
from polc.pair.layout import SYMBOL_GATE
from polc.runtime.bpf import Fd, MapFlag, MapType, ProgramCode, UpdateFlag
from polc.runtime.bpf.memory import PAGE
from polc.tests.fake_kernel.situations import KEY, SITUATIONS, Call, Stage, situation

# --- any call -----------------------------------------------------------------------------------------


@situation("any: the descriptor is closed")
def _(stage: Stage) -> Call:
    return lambda: stage.kernel.bpf.map_update(stage.closed(), KEY, KEY)


@situation("any: the descriptor is of another kind")
def _(stage: Stage) -> Call:
    program = stage.program()
    return lambda: stage.kernel.bpf.map_update(program, KEY, KEY)


# --- maps ---------------------------------------------------------------------------------------------


def _creation(name: str, type_: MapType, **shape: int) -> None:
    SITUATIONS[name] = lambda stage: lambda: stage.map(type_, MapFlag.NONE, **shape)


_creation("map_create: no entries", MapType.ARRAY, max_entries=0)
_creation(
    "map_create: a ring of a size that is no power of two pages",
    MapType.RINGBUF,
    key_size=0,
    value_size=0,
    max_entries=3 * PAGE,
)
_creation("map_create: an array with another key than 4 bytes", MapType.ARRAY, key_size=8)
_creation("map_create: a program array with another value than 4 bytes", MapType.PROG_ARRAY, value_size=8)
_creation("map_create: a map of maps without a template", MapType.ARRAY_OF_MAPS)


@situation("map_lookup: a ring")
def _(stage: Stage) -> Call:
    ring = stage.ring()
    return lambda: stage.kernel.bpf.map_lookup(ring, b"", 4)


@situation("map_update: a ring")
def _(stage: Stage) -> Call:
    ring = stage.ring()
    return lambda: stage.kernel.bpf.map_update(ring, b"", KEY)


@situation("map_delete: a ring")
def _(stage: Stage) -> Call:
    ring = stage.ring()
    return lambda: stage.kernel.bpf.map_delete(ring, b"")


def _frozen(stage: Stage) -> Fd:
    map_ = stage.map()
    stage.kernel.bpf.map_freeze(map_)
    return map_


@situation("map_update: the map is frozen")
def _(stage: Stage) -> Call:
    map_ = _frozen(stage)
    return lambda: stage.kernel.bpf.map_update(map_, KEY, KEY)


@situation("map_freeze: frozen already")
def _(stage: Stage) -> Call:
    map_ = _frozen(stage)
    return lambda: stage.kernel.bpf.map_freeze(map_)


@situation("map_delete: the map is frozen")
def _(stage: Stage) -> Call:
    map_ = _frozen(stage)
    return lambda: stage.kernel.bpf.map_delete(map_, KEY)


@situation("map_freeze: mapped for writing")
def _(stage: Stage) -> Call:
    map_ = stage.map(flags=MapFlag.MMAPABLE, value_size=8)
    memory = stage.kernel.bpf.map_memory(map_, PAGE, writable=True)
    stage.held.callback(memory.close)
    return lambda: stage.kernel.bpf.map_freeze(map_)


@situation("mmap: the map is not mappable")
def _(stage: Stage) -> Call:
    map_ = stage.map()
    return lambda: stage.kernel.bpf.map_memory(map_, PAGE)


@situation("mmap: for writing, and the map is frozen")
def _(stage: Stage) -> Call:
    map_ = stage.map(flags=MapFlag.MMAPABLE, value_size=8)
    stage.kernel.bpf.map_freeze(map_)
    return lambda: stage.kernel.bpf.map_memory(map_, PAGE, writable=True)


@situation("map_update: new elements only, in an array")
def _(stage: Stage) -> Call:
    map_ = stage.map()
    return lambda: stage.kernel.bpf.map_update(map_, KEY, KEY, UpdateFlag.NOEXIST)


@situation("map_update: new elements only, in a program array")
def _(stage: Stage) -> Call:
    map_, program = stage.map(MapType.PROG_ARRAY), stage.program()
    value = program.number.to_bytes(4, "little")
    return lambda: stage.kernel.bpf.map_update(map_, KEY, value, UpdateFlag.NOEXIST)


@situation("map_update: past the end of an array")
def _(stage: Stage) -> Call:
    map_ = stage.map()
    return lambda: stage.kernel.bpf.map_update(map_, bytes([1, 0, 0, 0]), KEY)


def _hash(stage: Stage) -> Fd:
    map_ = stage.map(MapType.HASH)
    stage.kernel.bpf.map_update(map_, KEY, KEY)
    return map_


@situation("map_update: the element is there")
def _(stage: Stage) -> Call:
    map_ = _hash(stage)
    return lambda: stage.kernel.bpf.map_update(map_, KEY, KEY, UpdateFlag.NOEXIST)


@situation("map_update: the element is not there")
def _(stage: Stage) -> Call:
    map_ = _hash(stage)
    return lambda: stage.kernel.bpf.map_update(map_, b"\1234", KEY, UpdateFlag.EXIST)


@situation("map_update: the hash is full")
def _(stage: Stage) -> Call:
    map_ = _hash(stage)
    return lambda: stage.kernel.bpf.map_update(map_, b"\1234", KEY)


@situation("map_delete: an array")
def _(stage: Stage) -> Call:
    map_ = stage.map()
    return lambda: stage.kernel.bpf.map_delete(map_, KEY)


@situation("map_delete: past the end of a program array")
def _(stage: Stage) -> Call:
    map_ = stage.map(MapType.PROG_ARRAY)
    return lambda: stage.kernel.bpf.map_delete(map_, bytes([1, 0, 0, 0]))


@situation("map_delete: an empty slot")
def _(stage: Stage) -> Call:
    map_ = stage.map(MapType.PROG_ARRAY)
    return lambda: stage.kernel.bpf.map_delete(map_, KEY)


@situation("map_delete: no such element")
def _(stage: Stage) -> Call:
    map_ = _hash(stage)
    return lambda: stage.kernel.bpf.map_delete(map_, b"\1234")


# --- programs and BTF -----------------------------------------------------------------------------------


@situation("btf_load: no BTF")
def _(stage: Stage) -> Call:
    data, _ = metadata_btf(SYMBOL_GATE, "x")
    return lambda: stage.held.enter_context(stage.kernel.bpf.btf_load(b"\0\0" + data[2:]))


@situation("prog_load: the verifier refuses the code")
def _(stage: Stage) -> Call:
    reads_nothing = struct.pack("<BBhi", 0xBF, 0x98, 0, 0)
    return lambda: stage.kernel.bpf.prog_load(ProgramCode("t", reads_nothing, "GPL"))


# --- pins -----------------------------------------------------------------------------------------------


@situation("obj_pin: the path is taken")
def _(stage: Stage) -> Call:
    program, path = stage.program(), str(stage.root / "taken")
    stage.kernel.bpf.obj_pin(path, program)
    stage.held.callback((stage.root / "taken").unlink)
    return lambda: stage.kernel.bpf.obj_pin(path, program)


@situation("obj_pin: no such directory")
def _(stage: Stage) -> Call:
    program = stage.program()
    return lambda: stage.kernel.bpf.obj_pin(str(stage.root / "none" / "pin"), program)


@situation("obj_pin: the directory is a pin")
def _(stage: Stage) -> Call:
    program = stage.program()
    stage.kernel.bpf.obj_pin(str(stage.root / "pin"), program)
    stage.held.callback((stage.root / "pin").unlink)
    return lambda: stage.kernel.bpf.obj_pin(str(stage.root / "pin" / "below"), program)


@situation("obj_pin: no bpf filesystem")
def _(stage: Stage) -> Call:
    program = stage.program()
    return lambda: stage.kernel.bpf.obj_pin(f"{stage.root.parents[0]}/outside", program)


@situation("obj_get: a directory")
def _(stage: Stage) -> Call:
    return lambda: stage.kernel.bpf.obj_get(str(stage.root))
