"""The one door to bpf(2): `Bpf` (door.py) and the values that go through it."""

from .door import Bpf
from .fault import BpfError
from .fd import Fd
from .info import BtfInfo, HookState, LinkInfo, MapInfo, ProgInfo
from .kinds import AttachFlag, AttachType, Command, MapFlag, MapType, Object, ProgType, UpdateFlag
from .requests import MapShape, ProgramCode, RunResult

__all__ = [
    "AttachFlag",
    "AttachType",
    "Bpf",
    "BpfError",
    "BtfInfo",
    "Command",
    "Fd",
    "HookState",
    "LinkInfo",
    "MapFlag",
    "MapInfo",
    "MapShape",
    "MapType",
    "Object",
    "ProgInfo",
    "ProgType",
    "ProgramCode",
    "RunResult",
    "UpdateFlag",
]
