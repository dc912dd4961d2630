"""Programs: BTF, load, bind, test run."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from . import attr
from .fault import BpfError
from .fd import Fd
from .kinds import Command, ProgType
from .requests import ProgramCode, RunResult
from .syscall import Syscall, address

INSN_BYTES = 8
FRAME_ROOM = 4096  # more than any kernel with pages of 4 KiB takes


@dataclass(frozen=True, slots=True)
class SkbContext:
    """What a test run sets in `struct __sk_buff` (the kernel refuses any other field).

    The protocol is not among them: the kernel takes it from the frame's ethertype.
    """

    mark: int = 0
    ifindex: int = 0
    cb: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)


class SkBuff(ctypes.Structure):
    """struct __sk_buff up to cb; the kernel takes a shorter context as zero-filled."""

    _fields_ = (
        ("len", ctypes.c_uint32),
        ("pkt_type", ctypes.c_uint32),
        ("mark", ctypes.c_uint32),
        ("queue_mapping", ctypes.c_uint32),
        ("protocol", ctypes.c_uint32),
        ("vlan_present", ctypes.c_uint32),
        ("vlan_tci", ctypes.c_uint32),
        ("vlan_proto", ctypes.c_uint32),
        ("priority", ctypes.c_uint32),
        ("ingress_ifindex", ctypes.c_uint32),
        ("ifindex", ctypes.c_uint32),
        ("tc_index", ctypes.c_uint32),
        ("cb", ctypes.c_uint32 * 5),
    )


_PLAIN = SkbContext()


class ProgramCalls(Syscall):
    def btf_load(self, btf: bytes) -> Fd:
        """Raises BpfError whose `log` says what is wrong with the BTF."""
        data = ctypes.create_string_buffer(btf, len(btf))
        request = attr.BtfLoad(btf=address(data), btf_size=len(btf))
        try:
            return Fd(self.call(Command.BTF_LOAD, request))
        except BpfError as error:
            log = ctypes.create_string_buffer(1 << 20)
            request.btf_log_buf, request.btf_log_size, request.btf_log_level = address(log), len(log), 1
            try:
                return Fd(self.call(Command.BTF_LOAD, request))
            except BpfError:
                error.log = log.value.decode("utf-8", "replace")
                raise error from None

    def prog_load(self, code: ProgramCode, log_level: int = 0, log_size: int = 1 << 24) -> tuple[Fd, str]:
        """Loads a tc classifier with expected_attach_type 0; answers it and the log ("" at level 0).

        log_level: 0 none, 1 the path taken, 2 every instruction, 4 statistics. Raises BpfError with `log`.
        """
        log = ctypes.create_string_buffer(log_size) if log_level else None
        request, _buffers = _load_request(code)
        request.log_level, request.log_buf = log_level, address(log)
        request.log_size = log_size if log_level else 0
        try:
            fd = Fd(self.call(Command.PROG_LOAD, request, code.name))
        except BpfError as error:
            if log is not None:
                error.log = log.value.decode("utf-8", "replace")
            raise
        return fd, log.value.decode("utf-8", "replace") if log is not None else ""

    def begin_load(self, code: ProgramCode) -> Future[Fd]:
        """As `prog_load` without a log, beside what the caller does meanwhile: the verifier takes most of the
        time of a swap. What `code` names by descriptor has to stay open until the answer is there."""
        request, buffers = _load_request(code)

        def loaded(number: int, _kept: Sequence[object] = buffers) -> Fd:
            return Fd(number)

        return self.begin(Command.PROG_LOAD, request, code.name, loaded)

    def prog_bind_map(self, prog: Fd, map_: Fd) -> None:
        """Makes the program hold (and list) a map its code does not refer to; a bound one stays as it is."""
        self.call(Command.PROG_BIND_MAP, attr.BindMap(prog_fd=prog.number, map_fd=map_.number))

    def test_run(self, prog: Fd, frame: bytes, context: SkbContext = _PLAIN, repeat: int = 1) -> RunResult:
        """Runs a classifier on a frame that starts with its Ethernet header; raises as `TestRunner.run`."""
        return TestRunner(self, prog, context).run(frame, repeat)


class TestRunner:
    """Test runs of one program with its buffers made once: a few microseconds a frame."""

    __test__ = False  # pytest: not a test

    def __init__(self, bpf: Syscall, prog: Fd, context: SkbContext = _PLAIN) -> None:
        self._bpf = bpf
        self._prog = prog
        self._data = ctypes.create_string_buffer(FRAME_ROOM)
        self._skb = SkBuff(mark=context.mark, ifindex=context.ifindex, cb=context.cb)
        self._request = attr.TestRun(
            data_in=address(self._data),
            ctx_size_in=ctypes.sizeof(self._skb),
            ctx_in=ctypes.addressof(self._skb),
        )

    def run(self, frame: bytes, repeat: int = 1) -> RunResult:
        """Raises BpfError EINVAL for a frame without a whole Ethernet header (some kernels want a byte more,
        and newer ones the whole IP header), and for one of more than a page less the kernel's own room in it
        (3712 bytes on x86-64).
        """
        if len(frame) > FRAME_ROOM:
            raise BpfError(errno.EINVAL, Command.PROG_TEST_RUN, f"with a frame of {len(frame)} bytes")
        request = self._request
        ctypes.memmove(self._data, frame, len(frame))
        request.prog_fd, request.data_size_in, request.repeat = self._prog.number, len(frame), repeat
        # the kernel writes the sizes back, and would take them as limits of the next run
        request.data_size_out = request.ctx_size_out = 0
        self._bpf.call(Command.PROG_TEST_RUN, request)
        return RunResult(ctypes.c_int32(request.retval).value, request.duration)


def _load_request(code: ProgramCode) -> tuple[attr.ProgLoad, Sequence[object]]:
    """The request, and the buffers it points to, which the caller keeps alive over the call."""
    insns = ctypes.create_string_buffer(code.insns, len(code.insns))
    license_ = ctypes.create_string_buffer(code.license.encode("ascii"))
    request = attr.ProgLoad(
        prog_type=ProgType.SCHED_CLS,
        insn_cnt=len(code.insns) // INSN_BYTES,
        insns=address(insns),
        license=address(license_),
        prog_name=attr.name_of(code.name),
    )
    records = []
    if code.btf is not None:
        request.prog_btf_fd = code.btf.number
        for field, data, size in (
            ("func_info", code.func_info, code.func_rec_size),
            ("line_info", code.line_info, code.line_rec_size),
        ):
            records.append(ctypes.create_string_buffer(data, max(len(data), 1)))
            setattr(request, field, address(records[-1]) if data else 0)
            setattr(request, f"{field}_rec_size", size if data else 0)
            setattr(request, f"{field}_cnt", len(data) // size)
    return request, (insns, license_, *records)
