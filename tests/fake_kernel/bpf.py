"""The fake's bpf(2) door: the typed methods of `Bpf`, answered from the fake kernel's objects."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future

from polc.runtime.bpf import (
    BpfError,
    BtfInfo,
    Command,
    Fd,
    LinkInfo,
    MapInfo,
    MapShape,
    MapType,
    Object,
    ProgInfo,
    ProgramCode,
    ProgType,
    UpdateFlag,
)
from polc.runtime.bpf.kinds import LINK_TYPE_TCX
from polc.runtime.bpf.memory import Memory
from polc.tests.fake_kernel import maps
from polc.tests.fake_kernel.devices import mine
from polc.tests.fake_kernel.door import call
from polc.tests.fake_kernel.errnos import Refused, refused
from polc.tests.fake_kernel.machine import place_of
from polc.tests.fake_kernel.objects import Btf, Link, Map, Program, Thing
from polc.tests.fake_kernel.tcx import TcxDoor

ENOENT, ENOTDIR = 2, 20
_EXIT = 0x95


class FakeBpf(TcxDoor):
    """All of it; programs are kept, not run."""

    # --- maps ---------------------------------------------------------------------------------------

    @call(Command.MAP_CREATE)
    def map_create(self, shape: MapShape) -> Fd:
        maps.check_shape(shape)
        objects = self.process.kernel.objects
        made = Map(objects.number(Object.MAP), self.process.actor, shape=shape)
        if shape.btf is not None:
            made.btf = self.as_a(Btf, shape.btf)
            objects.hold(made.btf)
        objects.add(made)
        return self.process.open(made)

    @call(Command.MAP_LOOKUP_ELEM, (ENOENT,), None)
    def map_lookup(self, map_: Fd, key: bytes, value_size: int) -> bytes | None:  # noqa: ARG002
        return maps.lookup(self.as_a(Map, map_), key)

    @call(Command.MAP_UPDATE_ELEM)
    def map_update(self, map_: Fd, key: bytes, value: bytes, flags: UpdateFlag = UpdateFlag.ANY) -> None:
        target = self.as_a(Map, map_)
        held: Thing | None = None
        if target.shape.type in (MapType.PROG_ARRAY, MapType.ARRAY_OF_MAPS):
            number = int.from_bytes(value, "little")
            kind = Program if target.shape.type is MapType.PROG_ARRAY else Map
            maps.check_writable(target, key, flags)
            held = self.is_a(kind, self.process.by_number(number))
        mine(target.owner, self.process.actor, f"map {target.name}")
        maps.update(self.process.kernel.objects, target, key, value, flags, held)
        if target.shape.type is MapType.ARRAY_OF_MAPS:
            self.process.kernel.grace()

    @call(Command.MAP_DELETE_ELEM, (ENOENT,), False)
    def map_delete(self, map_: Fd, key: bytes) -> bool:
        target = self.as_a(Map, map_)
        mine(target.owner, self.process.actor, f"map {target.name}")
        maps.delete(self.process.kernel.objects, target, key)
        return True

    @call(Command.MAP_LOOKUP_BATCH)
    def map_every_cpu(self, map_: Fd, count: int, value_size: int) -> tuple[bytes, ...]:
        """Of one CPU; nothing counts here but a test that puts values there."""
        target = self.as_a(Map, map_)
        keys = (number.to_bytes(4, "little") for number in range(count))
        return tuple(target.values.get(key, bytes(value_size)) for key in keys)

    @call(Command.MAP_FREEZE)
    def map_freeze(self, map_: Fd) -> None:
        maps.freeze(self.as_a(Map, map_))

    @call(Command.MAP_LOOKUP_ELEM)
    def map_frozen(self, map_: Fd) -> bool:
        return self.as_a(Map, map_).frozen

    def map_memory(self, map_: Fd, size: int, offset: int = 0, writable: bool = False) -> Memory:  # noqa: ARG002
        try:
            self.process.enter("MMAP")
            return maps.FakeMemory(self.process, self.as_a(Map, map_), writable)
        except Refused as refusal:
            raise OSError(refusal.number, refusal.situation) from None

    # --- programs -----------------------------------------------------------------------------------

    @call(Command.BTF_LOAD)
    def btf_load(self, btf: bytes) -> Fd:
        objects = self.process.kernel.objects
        if btf[:2] != b"\x9f\xeb":
            raise refused("btf_load: no BTF")
        made = Btf(objects.number(Object.BTF), self.process.actor, size=len(btf))
        objects.add(made)
        return self.process.open(made)

    @call(Command.PROG_LOAD)
    def prog_load(self, code: ProgramCode, log_level: int = 0, log_size: int = 1 << 24) -> tuple[Fd, str]:  # noqa: ARG002
        objects = self.process.kernel.objects
        referred, image = self._references(code.insns)
        if code.insns[-8:-7] != bytes([_EXIT]):
            raise refused("prog_load: the verifier refuses the code")
        made = Program(objects.number(Object.PROG), self.process.actor, name=code.name[:15])
        made.tag = hashlib.sha256(image).digest()[:8]
        made.size = len(code.insns)
        if code.btf is not None:
            made.btf = self.as_a(Btf, code.btf)
            objects.hold(made.btf)
        for map_ in referred:
            objects.hold(map_)
        made.maps = referred
        objects.add(made)
        return self.process.open(made), ""

    def begin_load(self, code: ProgramCode) -> Future[Fd]:
        """Nothing is beside anything here: it is done when it is begun."""
        future: Future[Fd] = Future()
        try:
            future.set_result(self.prog_load(code)[0])
        except BpfError as error:
            error.__context__ = None  # the real one is raised in a thread: no frame of the caller's is in it
            future.set_exception(error.with_traceback(None))
        return future

    def _references(self, insns: bytes) -> tuple[list[Map], bytes]:
        """The maps in order of first reference, and the code as the kernel's tag sees it."""
        found: dict[int, Map] = {}
        image = bytearray(insns)
        for at in range(0, len(insns), 8):
            if insns[at] == 0x18 and insns[at + 1] >> 4 in (1, 2):
                number = int.from_bytes(insns[at + 4 : at + 8], "little")
                map_ = self.is_a(Map, self.process.by_number(number))
                found.setdefault(map_.id, map_)
                image[at + 4 : at + 8] = image[at + 12 : at + 16] = bytes(4)
        return list(found.values()), bytes(image)

    @call(Command.PROG_BIND_MAP)
    def prog_bind_map(self, prog: Fd, map_: Fd) -> None:
        program, bound = self.as_a(Program, prog), self.as_a(Map, map_)
        if bound not in program.maps:
            self.process.kernel.objects.hold(bound)
            program.maps.append(bound)

    # --- objects ------------------------------------------------------------------------------------

    @call(Command.PROG_GET_NEXT_ID, (ENOENT,), None)
    def next_id(self, kind: Object, after: int) -> int | None:
        return min((one for one in self.process.kernel.living(kind) if one > after), default=None)

    @call(Command.PROG_GET_FD_BY_ID, (ENOENT,), None)
    def fd_by_id(self, kind: Object, number: int) -> Fd | None:
        thing = self.process.kernel.living(kind).get(number)
        return self.process.open(thing) if thing is not None else None

    @call(Command.OBJ_PIN)
    def obj_pin(self, path: str, fd: Fd) -> None:
        self.process.kernel.pin(place_of(path), self.process.thing(fd))
        if self.process.actor != "polc":
            self.process.kernel.foreign_pins.add(place_of(path))

    @call(Command.OBJ_GET, (ENOENT, ENOTDIR), None)
    def obj_get(self, path: str) -> Fd | None:
        place = place_of(path)
        if place in self.process.kernel.directories:
            raise refused("obj_get: a directory")
        thing = self.process.kernel.pins.get(place)
        return self.process.open(thing) if thing is not None else None

    @call(Command.OBJ_GET_INFO_BY_FD)
    def prog_info(self, prog: Fd) -> ProgInfo:
        one = self.as_a(Program, prog)
        btf = one.btf.id if one.btf is not None else 0
        ids = tuple(map_.id for map_ in one.maps)
        kind = ProgType.SCHED_CLS
        return ProgInfo(one.id, kind, one.tag, one.name, ids, btf, one.id, one.size // 8, one.size, one.size)

    @call(Command.OBJ_GET_INFO_BY_FD)
    def map_info(self, map_: Fd) -> MapInfo:
        one = self.as_a(Map, map_)
        shape, btf = one.shape, one.btf.id if one.btf is not None else 0
        return MapInfo(
            one.id,
            shape.type,
            one.name,
            shape.key_size,
            shape.value_size,
            shape.max_entries,
            int(shape.flags),
            btf,
            shape.value_type if btf else 0,
        )

    @call(Command.OBJ_GET_INFO_BY_FD)
    def link_info(self, link: Fd) -> LinkInfo:
        one = self.as_a(Link, link)
        index = one.device.index if one.device is not None else 0
        return LinkInfo(one.id, LINK_TYPE_TCX, one.program.id, index, one.hook.attach_type)

    @call(Command.OBJ_GET_INFO_BY_FD)
    def btf_info(self, btf: Fd) -> BtfInfo:
        one = self.as_a(Btf, btf)
        return BtfInfo(one.id, one.size)
