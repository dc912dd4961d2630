"""What is asked of the kernel: the shape of a map, the code of a program, and the answer of a test run."""

from __future__ import annotations

from dataclasses import dataclass

from .fd import Fd
from .kinds import MapFlag, MapType


@dataclass(frozen=True, slots=True)
class MapShape:
    """name: 15 characters are kept. btf/value_type: the value's BTF type (a DATASEC for section maps).

    inner: for a map of maps, the template of its inner maps.
    """

    name: str
    type: MapType
    key_size: int
    value_size: int
    max_entries: int
    flags: MapFlag = MapFlag.NONE
    btf: Fd | None = None
    value_type: int = 0
    inner: Fd | None = None


@dataclass(frozen=True, slots=True)
class ProgramCode:
    """insns: relocated, 8 bytes each. func_info, line_info: records as struct bpf_func_info and bpf_line_info
    (instruction offsets), of the given record sizes; used only together with `btf`."""

    name: str
    insns: bytes
    license: str
    btf: Fd | None = None
    func_info: bytes = b""
    func_rec_size: int = 8
    line_info: bytes = b""
    line_rec_size: int = 16


@dataclass(frozen=True, slots=True)
class RunResult:
    """retval: as a signed 32-bit number (TC_NEXT is -1). nanoseconds: mean of one repetition."""

    retval: int
    nanoseconds: int
