"""Reads the type section of `.BTF`: strings, types by id, sizes; every offset and loop is bounded.

Source of the format: Documentation/bpf/btf.rst and include/uapi/linux/btf.h of the kernel.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

BTF_MAGIC: Final = 0xEB9F
BTF_HEADER: Final = struct.Struct("<HBBIIIII")
BTF_TYPE: Final = struct.Struct("<III")
BTF_TRIPLE: Final = struct.Struct("<III")  # member, array, section variable, 64-bit enumerator
POINTER_SIZE: Final = 8
_DEPTH_LIMIT: Final = 32


class BtfError(Exception):
    """The BTF sections cannot be read, or lack what a pair's object must have."""


class Kind(IntEnum):
    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


# Bytes after the type's first 12: (fixed, for each of its vlen entries).
_EXTRA: Final = {
    Kind.INT: (4, 0),
    Kind.ARRAY: (12, 0),
    Kind.STRUCT: (0, 12),
    Kind.UNION: (0, 12),
    Kind.ENUM: (0, 8),
    Kind.FUNC_PROTO: (0, 8),
    Kind.VAR: (4, 0),
    Kind.DATASEC: (0, 12),
    Kind.DECL_TAG: (4, 0),
    Kind.ENUM64: (0, 12),
}
_KINDS: Final = tuple((kind, *_EXTRA.get(kind, (0, 0))) for kind in Kind)
_WITH_TRIPLES: Final = (Kind.ARRAY, Kind.STRUCT, Kind.UNION, Kind.DATASEC)
_ALIASES: Final = (Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG)
_SIZED: Final = (Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.FLOAT, Kind.DATASEC)


class Type(NamedTuple):
    """One type. at: offset in the section of its first byte. value: its size or the id it refers to.

    name_at: offset in the strings. stop: where the next type begins.
    """

    kind: Kind
    name_at: int
    value: int
    at: int
    stop: int


@dataclass(frozen=True, slots=True)
class Btf:
    """types[i] has id i + 1; id 0 is void. sections: the ids of the DATASECs. data: the section's bytes."""

    types: tuple[Type, ...]
    sections: tuple[int, ...]
    strings: bytes
    data: bytes

    def type(self, number: int) -> Type:
        if not 0 < number <= len(self.types):
            raise BtfError(f"there is no BTF type {number}")
        return self.types[number - 1]

    def resolve(self, number: int) -> Type:
        """The type behind typedefs and qualifiers."""
        for _ in range(_DEPTH_LIMIT):
            found = self.type(number)
            if found.kind not in _ALIASES:
                return found
            number = found.value
        raise BtfError("BTF types refer to each other in a loop")

    def size(self, number: int) -> int:
        """Bytes of a value of that type."""
        count = 1
        for _ in range(_DEPTH_LIMIT):
            found = self.resolve(number)
            if found.kind is Kind.PTR:
                return count * POINTER_SIZE
            if found.kind in _SIZED:
                return count * found.value
            if found.kind is not Kind.ARRAY:
                break
            number, _, elements = self.entries(found)[0]
            count *= elements
        raise BtfError(f"BTF type {number} has no size")

    def string(self, offset: int) -> str:
        return string_at(self.strings, offset)

    def name(self, item: Type) -> str:
        return self.string(item.name_at)

    def entries(self, item: Type) -> tuple[tuple[int, int, int], ...]:
        """The words after the head, 12 bytes each, of an ARRAY, STRUCT, UNION or DATASEC; else none."""
        if item.kind not in _WITH_TRIPLES:
            return ()
        return tuple(BTF_TRIPLE.iter_unpack(self.data[item.at + BTF_TYPE.size : item.stop]))

    def section(self, name: str) -> int | None:
        """The id of the only DATASEC of that name, None when there is none."""
        found = [number for number in self.sections if self.name(self.type(number)) == name]
        if len(found) > 1:
            raise BtfError(f"BTF has {len(found)} types DATASEC {name}")
        return found[0] if found else None


@lru_cache(maxsize=4)  # the checks of one pair ask for its two again and again
def read_btf(data: bytes) -> Btf:
    """Reads a `.BTF` section; raises BtfError."""
    body, strings = parts(data)
    types = []
    at = BTF_HEADER.size
    end = at + len(body)
    while at < end:
        if at + BTF_TYPE.size > end:
            raise BtfError("BTF types end inside a type")
        name_at, info, value = BTF_TYPE.unpack_from(data, at)
        number = info >> 24 & 0x1F
        if number >= len(_KINDS):
            raise BtfError(f"BTF kind {number} is not known")
        if name_at >= len(strings):
            raise BtfError("a BTF name lies outside the strings")
        kind, fixed, each = _KINDS[number]
        stop = at + BTF_TYPE.size + fixed + each * (info & 0xFFFF)
        if not number or stop > end:
            raise BtfError("BTF types end inside a type")
        types.append(Type(kind, name_at, value, at, stop))
        at = stop
    sections = tuple(number for number, item in enumerate(types, 1) if item.kind is Kind.DATASEC)
    return Btf(tuple(types), sections, strings, data)


def parts(data: bytes) -> tuple[bytes, bytes]:
    """The bytes of types and of strings of a `.BTF` section whose types directly follow the header."""
    try:
        magic, version, _flags, header, type_at, type_size, string_at, string_size = BTF_HEADER.unpack_from(
            data
        )
    except struct.error:
        raise BtfError("BTF is shorter than its header") from None
    if magic != BTF_MAGIC or version != 1 or header != BTF_HEADER.size or type_at != 0:
        raise BtfError("the BTF header is not one we know")
    body = data[header : header + type_size]
    strings = data[header + string_at : header + string_at + string_size]
    if len(body) != type_size or len(strings) != string_size or not strings.endswith(b"\0"):
        raise BtfError("BTF ends early")
    return body, strings


def string_at(strings: bytes, offset: int) -> str:
    """The string that begins there; raises BtfError."""
    end = strings.find(b"\0", offset)
    if end < 0:
        raise BtfError("a BTF name lies outside the strings")
    return strings[offset:end].decode("utf-8", "replace")
