"""The bpf(2) door: what goes in comes out, refusals say what failed, writes are counted, nothing leaks."""

from __future__ import annotations

import errno
import gc
import os
import socket
import time
import weakref
from pathlib import Path

import pytest
from polc.pair.btf import metadata_btf
from polc.runtime import netns
from polc.runtime.bpf import (
    AttachFlag,
    AttachType,
    Bpf,
    BpfError,
    Command,
    Fd,
    MapFlag,
    MapShape,
    MapType,
    Object,
    ProgramCode,
    UpdateFlag,
)
from polc.runtime.bpf.programs import SkbContext
from polc.tests.kernel_door.programs import FRAME, answering, answering_cb

pytestmark = pytest.mark.kernel

HASH = MapShape("polc_hash", MapType.HASH, 4, 8, 8)
_PATIENCE = 10.0  # seconds
ARRAY = MapShape("polc_array", MapType.ARRAY, 4, 8, 1, MapFlag.MMAPABLE)


def _ifindex(namespace: str) -> int:
    return netns.run(namespace, lambda: socket.if_nametoindex("polc-test-h"))


def test_map_elements_come_back_as_they_went_in(bpf: Bpf) -> None:
    with bpf.map_create(HASH) as map_:
        keys = [number.to_bytes(4, "little") for number in (1, 2, 3)]
        for key in keys:
            bpf.map_update(map_, key, key * 2)
        assert bpf.map_lookup(map_, keys[1], 8) == keys[1] * 2
        assert dict(bpf.map_items(map_, 4, 8)) == {key: key * 2 for key in keys}
        assert bpf.map_delete(map_, keys[0])
        assert not bpf.map_delete(map_, keys[0])
        assert bpf.map_lookup(map_, keys[0], 8) is None
        with pytest.raises(BpfError) as caught:
            bpf.map_update(map_, keys[1], bytes(8), UpdateFlag.NOEXIST)
        assert (caught.value.errno, caught.value.command) == (errno.EEXIST, Command.MAP_UPDATE_ELEM)


def test_map_info_says_what_was_asked_for(bpf: Bpf) -> None:
    with bpf.map_create(ARRAY) as map_:
        info = bpf.map_info(map_)
        assert (info.name, info.type, info.key_size, info.value_size) == ("polc_array", MapType.ARRAY, 4, 8)
        assert (info.max_entries, info.flags) == (1, MapFlag.MMAPABLE)
        again = bpf.fd_by_id(Object.MAP, info.id)
        assert again is not None
        with again:
            assert bpf.map_info(again) == info
        assert info.id in list(bpf.ids(Object.MAP))


def test_a_frozen_map_takes_no_more_writes(bpf: Bpf) -> None:
    with bpf.map_create(MapShape("polc_ro", MapType.ARRAY, 4, 8, 1, MapFlag.RDONLY_PROG)) as map_:
        bpf.map_update(map_, bytes(4), b"12345678")
        assert not bpf.map_frozen(map_)
        bpf.map_freeze(map_)
        assert bpf.map_frozen(map_)
        with pytest.raises(BpfError) as caught:
            bpf.map_update(map_, bytes(4), bytes(8))
        assert caught.value.errno == errno.EPERM
        assert bpf.map_lookup(map_, bytes(4), 8) == b"12345678"


def test_writes_are_counted_and_reads_are_not(bpf: Bpf) -> None:
    with bpf.map_create(HASH) as map_:
        bpf.map_update(map_, bytes(4), bytes(8))
        before = dict(bpf.writes)
        assert before == {"MAP_CREATE": 1, "MAP_UPDATE_ELEM": 1}
        bpf.map_lookup(map_, bytes(4), 8)
        bpf.map_next_key(map_, None, 4)
        number = bpf.map_info(map_).id
        again = bpf.fd_by_id(Object.MAP, number)
        assert again is not None
        again.close()
        bpf.next_id(Object.PROG, 0)
        bpf.prog_query(1, AttachType.TCX_INGRESS)
        bpf.map_frozen(map_)
        assert dict(bpf.writes) == before
        with pytest.raises(BpfError):
            bpf.map_update(map_, bytes(4), bytes(8), UpdateFlag.NOEXIST)
        assert bpf.writes["MAP_UPDATE_ELEM"] == 2, "a refused write is one too"


def test_no_descriptor_leaks(bpf: Bpf) -> None:
    gc.collect()
    before = set(os.listdir("/proc/self/fd"))
    with bpf.map_create(ARRAY) as map_, map_.dup() as second, answering(bpf, 1) as program:
        bpf.prog_bind_map(program, second)
        assert len(os.listdir("/proc/self/fd")) == len(before) + 3
        with pytest.raises(BpfError):
            bpf.prog_load(ProgramCode("polc_bad", bytes(8), "GPL"), 1)
        for _ in bpf.ids(Object.PROG):
            pass
    dropped: Fd | None = bpf.map_create(ARRAY)
    assert dropped is not None
    del dropped
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_closed_descriptor_is_not_used_again(bpf: Bpf) -> None:
    map_ = bpf.map_create(ARRAY)
    map_.close()
    map_.close()
    with pytest.raises(ValueError, match="closed"):
        bpf.map_info(map_)


def test_verdicts_are_signed_and_the_context_is_ours(bpf: Bpf) -> None:
    with answering(bpf, -1) as next_, answering_cb(bpf) as cb:
        assert bpf.test_run(next_, FRAME).retval == -1
        assert bpf.test_run(cb, FRAME).retval == 0
        assert bpf.test_run(cb, FRAME, SkbContext(cb=(7, 0, 0, 0, 0))).retval == 7


@pytest.mark.parametrize("size", [0, 13, 4096, 100_000])
def test_a_frame_the_kernel_does_not_take_is_einval(bpf: Bpf, size: int) -> None:
    with answering(bpf, 0) as program, pytest.raises(BpfError) as caught:
        bpf.test_run(program, bytes(size))
    assert caught.value.errno == errno.EINVAL


def test_a_refused_program_brings_the_log(bpf: Bpf) -> None:
    with pytest.raises(BpfError) as caught:
        bpf.prog_load(ProgramCode("polc_bad", bytes.fromhex("b700000000000000"), "GPL"), 1)
    assert "last insn is not an exit" in caught.value.log


def test_a_load_beside_that_is_refused_is_forgotten_with_its_answer(bpf: Bpf) -> None:
    gc.collect()
    gc.disable()
    try:
        loading = bpf.begin_load(ProgramCode("polc_bad", bytes([0x95, 0, 0, 0, 0, 0, 0, 0]), "GPL"))
        assert isinstance(loading.exception(), BpfError)
        kept = weakref.ref(loading)
        del loading
        end = time.monotonic() + _PATIENCE
        while kept() is not None and time.monotonic() < end:  # its thread may be about to end
            time.sleep(0.001)
        assert kept() is None
    finally:
        gc.enable()


def test_refused_btf_brings_the_log(bpf: Bpf) -> None:
    with pytest.raises(BpfError) as caught:
        bpf.btf_load(b"\x9f\xeb\x01" + bytes(40))
    assert caught.value.log.strip()


def test_btf_of_a_text_is_taken(bpf: Bpf) -> None:
    data, _ = metadata_btf("bpf_metadata_polc_gate", "1 ingress")
    with bpf.btf_load(data) as btf:
        assert bpf.btf_info(btf).size >= len(data)


def test_a_program_lists_the_maps_bound_to_it(bpf: Bpf) -> None:
    with bpf.map_create(ARRAY) as map_, answering(bpf, 1) as program:
        number = bpf.map_info(map_).id
        assert number not in bpf.prog_info(program).map_ids
        bpf.prog_bind_map(program, map_)
        assert bpf.prog_info(program).map_ids == (number,)


def test_a_pin_outlives_its_descriptor(bpf: Bpf, mounted: Path) -> None:
    path = str(mounted / "word")
    assert bpf.obj_get(path) is None
    with bpf.map_create(ARRAY) as map_:
        number = bpf.map_info(map_).id
        bpf.obj_pin(path, map_)
        with pytest.raises(BpfError) as caught:
            bpf.obj_pin(path, map_)
        assert caught.value.errno == errno.EEXIST
    found = bpf.obj_get(path)
    assert found is not None
    with found:
        assert bpf.map_info(found).id == number


def test_tcx_links_are_made_replaced_and_detached(bpf: Bpf, namespace: str) -> None:
    index = _ifindex(namespace)

    def inside() -> None:
        hook = AttachType.TCX_INGRESS
        with answering(bpf, -1) as first, answering(bpf, -1) as second:
            ids = bpf.prog_info(first).id, bpf.prog_info(second).id
            empty = bpf.prog_query(index, hook)
            assert (empty.prog_ids, empty.link_ids) == ((), ())
            with bpf.link_create(first, index, hook, AttachFlag.BEFORE, revision=empty.revision) as link:
                info = bpf.link_info(link)
                assert (info.prog_id, info.ifindex, info.attach_type) == (ids[0], index, hook)
                one = bpf.prog_query(index, hook)
                assert (one.prog_ids, one.link_ids) == ((ids[0],), (info.id,))
                assert one.revision > empty.revision
                with pytest.raises(BpfError) as caught:
                    bpf.link_create(second, index, hook, revision=empty.revision)
                assert caught.value.errno == errno.ESTALE
                with pytest.raises(BpfError) as caught:
                    bpf.link_update(link, second, old=second)
                assert caught.value.errno == errno.EPERM
                bpf.link_update(link, second, old=first)
                assert bpf.prog_query(index, hook).prog_ids == (ids[1],)
                bpf.link_detach(link)
                assert bpf.prog_query(index, hook).prog_ids == ()
                assert bpf.link_info(link).ifindex == 0

    netns.run(namespace, inside)


def test_tcx_programs_stand_in_the_order_asked_for(bpf: Bpf, namespace: str) -> None:
    index = _ifindex(namespace)

    def inside() -> None:
        hook = AttachType.TCX_EGRESS
        with answering(bpf, -1) as first, answering(bpf, -1) as second:
            bpf.prog_attach(first, index, hook)
            bpf.prog_attach(second, index, hook, AttachFlag.BEFORE)
            order = tuple(bpf.prog_info(program).id for program in (second, first))
            assert bpf.prog_query(index, hook).prog_ids == order
            assert bpf.prog_query(index, hook).link_ids == (0, 0)
            bpf.prog_detach(second, index, hook)
            assert bpf.prog_query(index, hook).prog_ids == order[1:]

    netns.run(namespace, inside)
