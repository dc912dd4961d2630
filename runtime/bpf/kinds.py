"""The numbers of bpf(2) that the runtime uses, by name. Source: include/uapi/linux/bpf.h, Linux 6.18."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Command(IntEnum):
    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    MAP_GET_NEXT_KEY = 4
    PROG_LOAD = 5
    OBJ_PIN = 6
    OBJ_GET = 7
    PROG_ATTACH = 8
    PROG_DETACH = 9
    PROG_TEST_RUN = 10
    PROG_GET_NEXT_ID = 11
    MAP_GET_NEXT_ID = 12
    PROG_GET_FD_BY_ID = 13
    MAP_GET_FD_BY_ID = 14
    OBJ_GET_INFO_BY_FD = 15
    PROG_QUERY = 16
    BTF_LOAD = 18
    BTF_GET_FD_BY_ID = 19
    MAP_FREEZE = 22
    BTF_GET_NEXT_ID = 23
    MAP_LOOKUP_BATCH = 24
    LINK_CREATE = 28
    LINK_UPDATE = 29
    LINK_GET_FD_BY_ID = 30
    LINK_GET_NEXT_ID = 31
    LINK_DETACH = 34
    PROG_BIND_MAP = 35


# A test run counts: the program it runs may write its maps.
WRITES = frozenset(
    {
        Command.MAP_CREATE,
        Command.MAP_UPDATE_ELEM,
        Command.MAP_DELETE_ELEM,
        Command.MAP_FREEZE,
        Command.PROG_LOAD,
        Command.PROG_ATTACH,
        Command.PROG_DETACH,
        Command.PROG_BIND_MAP,
        Command.PROG_TEST_RUN,
        Command.OBJ_PIN,
        Command.BTF_LOAD,
        Command.LINK_CREATE,
        Command.LINK_UPDATE,
        Command.LINK_DETACH,
    }
)


class Object(IntEnum):
    """The kinds of kernel object that have ids."""

    PROG = 0
    MAP = 1
    LINK = 2
    BTF = 3


class MapType(IntEnum):
    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERCPU_ARRAY = 6
    LRU_HASH = 9
    ARRAY_OF_MAPS = 12
    RINGBUF = 27


class MapFlag(IntFlag):
    NONE = 0
    RDONLY_PROG = 1 << 7
    WRONLY_PROG = 1 << 8
    MMAPABLE = 1 << 10


class UpdateFlag(IntEnum):
    ANY = 0
    NOEXIST = 1
    EXIST = 2


class ProgType(IntEnum):
    SCHED_CLS = 3


class AttachType(IntEnum):
    """tcx hooks: the kernel's words, ingress = received by the device (not the policy's direction)."""

    TCX_INGRESS = 46
    TCX_EGRESS = 47


class AttachFlag(IntFlag):
    NONE = 0
    REPLACE = 1 << 2
    BEFORE = 1 << 3
    AFTER = 1 << 4
    ID = 1 << 5
    LINK = 1 << 13


LINK_TYPE_TCX = 11
