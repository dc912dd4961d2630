"""The loader: a pair becomes two programs over frozen sections and shared maps, or nothing changes."""

from __future__ import annotations

import errno
import gc
import json
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future
from ctypes import Structure
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from polc.pair import layout
from polc.pair.layout import Config, ConfigFlag, Direction
from polc.pair.object import ObjectPair
from polc.runtime.bpf import Bpf, BpfError, Command, Fd, MapFlag, MapShape, MapType, Object, ProgramCode
from polc.runtime.bpf.syscall import Syscall
from polc.runtime.errors import CannotError, ObjectFault, VerifierError
from polc.runtime.loader import create_maps, load_pair, section_map_name
from polc.runtime.section import section_data
from polc.tests.kernel_door.programs import FRAME
from polc.tests.pair.pairs import TABLES, pair_of
from polc.tests.pair.specimen import Specimen

pytestmark = pytest.mark.kernel

_T = TypeVar("_T")
CONFIG = Config(generation=7, l2_header=14, hz=250, flags=ConfigFlag.HOST, timeouts=(1, 2, 3, 4, 5, 6, 7, 8))


def _bpftool(*words: str) -> Any:
    done = subprocess.run(["bpftool", "-j", *words], capture_output=True, check=True)
    return json.loads(done.stdout)


def _sections(bpf: Bpf, program: Fd) -> dict[str, bytes | None]:
    """What the maps of a program that are sections hold, by name."""
    found = {}
    for number in bpf.prog_info(program).map_ids:
        map_ = bpf.fd_by_id(Object.MAP, number)
        assert map_ is not None
        with map_:
            name = bpf.map_info(map_).name
            if ".rodata" in name:
                found[name] = section_data(bpf, map_)
    return found


def _gone(bpf: Bpf, ids: set[int]) -> bool:
    """Whether the kernel let go of these programs (it does so a moment after the last descriptor)."""
    for _ in range(100):
        if not ids & set(bpf.ids(Object.PROG)):
            return True
        time.sleep(0.01)
    return False


class Watched(Bpf):
    """Remembers the ids of what it loads; fails one command when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: set[int] = set()
        self.failing: tuple[Command, int, int] | None = None  # command, how many times it works, errno

    def begin_load(self, code: ProgramCode) -> Future[Fd]:
        """Waited for, so that what was loaded is known."""
        made = super().begin_load(code)
        if made.exception() is None:
            failing, self.failing = self.failing, None
            self.loaded.add(self.prog_info(made.result()).id)
            self.failing = failing
        return made

    def begin(
        self, command: Command, attr: Structure, about: str, answered: Callable[[int], _T]
    ) -> Future[_T]:
        try:
            self._count_down(command, about)
        except BpfError as error:
            failed: Future[_T] = Future()
            failed.set_exception(error)
            return failed
        return super().begin(command, attr, about, answered)

    def call(self, command: Command, attr: Structure, about: str = "") -> int:
        self._count_down(command, about)
        return Syscall.call(self, command, attr, about)

    def _count_down(self, command: Command, about: str) -> None:
        if self.failing and command is self.failing[0]:
            _, left, number = self.failing
            if left <= 0:
                raise BpfError(number, command, about)
            self.failing = command, left - 1, number


def test_both_programs_run_with_btf_and_their_own_sections_frozen(bpf: Bpf) -> None:
    pair = pair_of()
    with load_pair(bpf, pair, CONFIG) as loaded:
        assert loaded.identity == pair.identity
        for direction in Direction:
            source, side = pair.side(direction), loaded.side(direction)
            info = bpf.prog_info(side.program)
            assert info.name == f"polc_{direction.word}"
            assert info.btf_id
            assert side.verified == info.verified > 0
            assert _sections(bpf, side.program) == {
                section_map_name(".rodata", direction): source.elf.section(".rodata").data,
                ".rodata.tables": TABLES,
                ".rodata.config": CONFIG.pack(),
                ".rodata.prov": source.elf.section(".rodata.prov").data,
            }
            assert bpf.test_run(side.program, FRAME).retval == layout.TC_DROP


def test_bpftool_prints_the_identity_and_the_policys_own_lines(bpf: Bpf) -> None:
    pair = pair_of()
    with load_pair(bpf, pair, CONFIG) as loaded:
        number = str(bpf.prog_info(loaded.egress.program).id)
        shown = _bpftool("prog", "show", "id", number)
        assert shown["metadata"] == {
            "polc_id": pair.identity.hex(),
            "polc_direction": "egress",
            "polc_layout": str(layout.LAYOUT_VERSION),
        }
        dumped = _bpftool("prog", "dump", "xlated", "id", number, "linum")
        lines = {(one["src"], one["line_num"]) for one in _flat(dumped) if "src" in one}
        assert {("- action: Allow", 3), ("- action: Deny", 5)} <= lines


def _flat(dumped: Any) -> list[dict[str, Any]]:
    if isinstance(dumped, dict):
        return [dumped, *(one for value in dumped.values() for one in _flat(value))]
    if isinstance(dumped, list):
        return [one for value in dumped for one in _flat(value)]
    return []


def test_both_programs_stand_over_the_maps_that_are_given(bpf: Bpf) -> None:
    pair = pair_of()
    maps = create_maps(bpf, pair)
    ids = {name: bpf.map_info(map_).id for name, map_ in maps.items()}
    shared = {layout.MAP_SLOTS, layout.MAP_FLOWS, layout.MAP_EVENTS}
    assert set(ids) == {*shared, layout.MAP_HITS_INGRESS, layout.MAP_HITS_EGRESS}
    with load_pair(bpf, pair, CONFIG, maps) as loaded:
        for direction in Direction:
            own = {ids[name] for name in (*shared, layout.hits_map(direction))}
            found = set(bpf.prog_info(loaded.side(direction).program).map_ids)
            assert found & {*ids.values()} == own
    # Closing the pair left the maps to their owner.
    for map_ in maps.values():
        bpf.map_info(map_)
        map_.close()


def test_maps_that_are_not_given_are_made_once_for_both(bpf: Bpf) -> None:
    with load_pair(bpf, pair_of(), CONFIG) as loaded:
        flows = bpf.map_info(loaded.maps[layout.MAP_FLOWS]).id
        for direction in Direction:
            assert flows in bpf.prog_info(loaded.side(direction).program).map_ids


def test_a_map_of_another_shape_is_refused_before_a_load(bpf: Bpf) -> None:
    with bpf.map_create(MapShape(layout.MAP_FLOWS, MapType.HASH, 4, 4, 8)) as other:
        with pytest.raises(CannotError, match="another shape") as caught:
            load_pair(bpf, pair_of(), CONFIG, {layout.MAP_FLOWS: other})
        assert "detach" in caught.value.hint
    assert bpf.writes["PROG_LOAD"] == 0


def test_nothing_is_left_open_or_loaded_when_the_pair_is_closed() -> None:
    bpf = Watched()
    pair = pair_of()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with load_pair(bpf, pair, CONFIG):
        assert len(bpf.loaded) == 2
    assert len(os.listdir("/proc/self/fd")) == before
    assert _gone(bpf, bpf.loaded)


def _half_bad() -> ObjectPair:
    """Its egress program reads beyond its table of four bytes."""
    return replace(pair_of(), egress=pair_of(Specimen(), bytes(4)).egress)


def test_one_half_refused_means_neither_is_kept() -> None:
    bpf = Watched()
    pair = _half_bad()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(VerifierError):
        load_pair(bpf, pair, CONFIG)
    assert len(bpf.loaded) == 1, "only the good half was loaded"
    assert len(os.listdir("/proc/self/fd")) == before
    assert _gone(bpf, bpf.loaded)


def test_a_refusal_names_the_direction_and_the_line_of_the_policy(bpf: Bpf) -> None:
    with pytest.raises(VerifierError) as caught:
        load_pair(bpf, _half_bad(), CONFIG)
    error = caught.value
    assert (error.direction, error.at, error.exit_code) == ("egress", "policy.yaml:3", 1)
    assert "invalid access to map value" in "\n".join(error.tail)
    assert error.log.count("\n") > len(error.tail)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOMEM, errno.EMFILE, errno.EAGAIN])
@pytest.mark.parametrize(
    ("command", "after"),
    [
        (Command.BTF_LOAD, 1),
        (Command.MAP_CREATE, 0),
        (Command.MAP_CREATE, 5),
        (Command.MAP_UPDATE_ELEM, 2),
        (Command.MAP_FREEZE, 3),
        (Command.PROG_LOAD, 0),
        (Command.PROG_LOAD, 1),
        (Command.OBJ_GET_INFO_BY_FD, 1),
        (Command.PROG_BIND_MAP, 1),
    ],
)
def test_a_machine_that_cannot_is_told_from_a_bad_object(command: Command, after: int, number: int) -> None:
    bpf = Watched()
    bpf.failing = command, after, number
    pair = pair_of()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(CannotError) as caught:
        load_pair(bpf, pair, CONFIG)
    assert caught.value.hint
    assert len(os.listdir("/proc/self/fd")) == before


def test_btf_the_kernel_refuses_is_an_error_not_a_load_without() -> None:
    bpf = Watched()
    bpf.failing = Command.BTF_LOAD, 0, errno.EINVAL
    with pytest.raises(ObjectFault, match="load the ingress program"):
        load_pair(bpf, pair_of(), CONFIG)
    assert bpf.loaded == set()


def test_the_frozen_sections_can_be_written_by_nobody(bpf: Bpf) -> None:
    with load_pair(bpf, pair_of(), CONFIG) as loaded:
        for number in bpf.prog_info(loaded.ingress.program).map_ids:
            map_ = bpf.fd_by_id(Object.MAP, number)
            assert map_ is not None
            with map_:
                info = bpf.map_info(map_)
                if ".rodata" not in info.name:
                    continue
                assert info.flags & MapFlag.RDONLY_PROG
                with pytest.raises(BpfError) as caught:
                    bpf.map_update(map_, bytes(4), bytes(info.value_size))
                assert caught.value.errno == errno.EPERM
