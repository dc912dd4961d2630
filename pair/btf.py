"""What the loader and the identity need from an object's BTF: map definitions, and BTF the kernel takes.

LLVM leaves each section's size and each variable's offset zero in `.BTF`, to be filled in by the loader;
`loadable` does it from the ELF symbols. Source: libbpf's btf_finalize_data, kernel/bpf/btf.c for what
the kernel checks (variables in ascending order of offset).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from .btf_lines import Line, ProgramInfo, line_table, program_info
from .btf_types import BTF_HEADER, BTF_MAGIC, BTF_TRIPLE, BTF_TYPE, Btf, BtfError, Kind, Type, read_btf
from .elf import Elf, ElfError, Section
from .layout import SECTION_MAPS, SECTION_RODATA

__all__ = [
    "BtfError",
    "Line",
    "Loadable",
    "MapSpec",
    "ProgramInfo",
    "line_table",
    "loadable",
    "map_specs",
    "metadata_btf",
    "program_info",
]

_LIMIT: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class MapSpec:
    """One BTF-defined map. type: BPF_MAP_TYPE_*. sizes in bytes, 0 when the map type has none."""

    name: str
    type: int
    max_entries: int
    map_flags: int
    key_size: int
    value_size: int


def map_specs(elf: Elf) -> Mapping[str, MapSpec]:
    """The maps that `.maps` defines, by name; empty when there is no such section. Raises BtfError."""
    return _map_specs(_section(elf))


@lru_cache(maxsize=4)  # asked for with the checks of an object, and again with its identity
def _map_specs(data: bytes) -> Mapping[str, MapSpec]:
    btf = read_btf(data)
    number = btf.section(SECTION_MAPS)
    if number is None:
        return MappingProxyType({})
    specs = {}
    for variable_id, _, _ in btf.entries(btf.type(number)):
        variable = btf.type(variable_id)
        name = btf.name(variable)
        if variable.kind is not Kind.VAR or name in specs:
            raise BtfError(f"{SECTION_MAPS} holds something else than maps of different names")
        specs[name] = _spec(btf, name, variable)
    return MappingProxyType(dict(sorted(specs.items())))


class Loadable(NamedTuple):
    """data: a `.BTF` section as BPF_BTF_LOAD takes it.

    sections: the ids of its DATASECs by name: each is the btf_value_type_id of that section's map.
    """

    data: bytes
    sections: Mapping[str, int]


def loadable(elf: Elf) -> Loadable:
    """The `.BTF` section with sizes and offsets filled in. Raises BtfError."""
    btf = _read(elf)
    data = bytearray(btf.data)
    sections: dict[str, int] = {}
    for number in btf.sections:
        item = btf.type(number)
        name = btf.name(item)
        section = elf.sections.get(name)
        if section is None:
            raise BtfError(f"BTF speaks of section {name}, which does not exist")
        if name in sections:
            raise BtfError(f"BTF describes section {name} twice")
        sections[name] = number
        entries = sorted(
            (_offset(elf, btf.name(btf.type(variable)), section), size, variable)
            for variable, _, size in btf.entries(item)
        )
        struct.pack_into("<I", data, item.at + 8, section.size)
        for place, (offset, size, variable) in enumerate(entries):
            at = item.at + BTF_TYPE.size + place * BTF_TRIPLE.size
            BTF_TRIPLE.pack_into(data, at, variable, offset, size)
    return Loadable(bytes(data), MappingProxyType(sections))


def metadata_btf(symbol: str, text: str) -> tuple[bytes, int]:
    """BTF of a `.rodata` map that holds one NUL-terminated text under `symbol`, and the DATASEC's id.

    The map's value must be `len(text.encode()) + 1` bytes. `bpftool prog show` prints it as metadata when
    the symbol begins with `bpf_metadata_`.
    """
    names = ["char", "int", symbol, SECTION_RODATA]
    strings = b"\0"
    at = []
    for name in names:
        at.append(len(strings))
        strings += name.encode() + b"\0"
    size = len(text.encode()) + 1
    types = b"".join(
        (
            _head(at[0], Kind.INT, 0, 1) + struct.pack("<I", 1 << 24 | 8),  # signed, 8 bits
            _head(at[1], Kind.INT, 0, 4) + struct.pack("<I", 1 << 24 | 32),
            _head(0, Kind.ARRAY, 0, 0) + BTF_TRIPLE.pack(1, 2, size),
            _head(at[2], Kind.VAR, 0, 3) + struct.pack("<I", 1),  # global
            _head(at[3], Kind.DATASEC, 1, size) + BTF_TRIPLE.pack(4, 0, size),
        )
    )
    header = BTF_HEADER.pack(BTF_MAGIC, 1, 0, BTF_HEADER.size, 0, len(types), len(types), len(strings))
    return header + types + strings, 5


def _head(name: int, kind: Kind, count: int, value: int) -> bytes:
    return BTF_TYPE.pack(name, int(kind) << 24 | count, value)


def _section(elf: Elf) -> bytes:
    try:
        return elf.section(".BTF").data
    except ElfError as error:
        raise BtfError(str(error)) from None


def _read(elf: Elf) -> Btf:
    return read_btf(_section(elf))


def _offset(elf: Elf, variable: str, section: Section) -> int:
    try:
        symbol = elf.symbol(variable)
    except ElfError as error:
        raise BtfError(str(error)) from None
    if symbol.section != section.name:
        raise BtfError(f"BTF puts {variable} into {section.name}, the symbol is in {symbol.section}")
    if symbol.value + symbol.size > section.size:
        raise BtfError(f"{variable} ends outside section {section.name}")
    return symbol.value


def _spec(btf: Btf, map_: str, variable: Type) -> MapSpec:
    struct_type = btf.resolve(variable.value)
    if struct_type.kind is not Kind.STRUCT:
        raise BtfError(f"map {map_} is not defined by a struct")
    numbers = dict.fromkeys(("type", "max_entries", "map_flags", "key_size", "value_size"), 0)
    for name_at, member_type, _ in btf.entries(struct_type):
        name = btf.string(name_at)
        pointer = btf.resolve(member_type)
        if pointer.kind is not Kind.PTR:
            raise BtfError(f"map {map_}: {name} is not a pointer")
        if name in ("key", "value"):
            numbers[f"{name}_size"] = btf.size(pointer.value)
        elif name in numbers:
            array = btf.resolve(pointer.value)
            if array.kind is not Kind.ARRAY:
                raise BtfError(f"map {map_}: {name} does not point to an array")
            numbers[name] = btf.entries(array)[0][2]
        else:
            raise BtfError(f"map {map_} has a field {name!r} that a pair's maps do not have")
    if not numbers["type"] or max(numbers.values()) > _LIMIT:
        raise BtfError(f"map {map_} has no type, or a size out of range")
    return MapSpec(map_, **numbers)
