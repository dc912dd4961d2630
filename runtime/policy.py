"""A loaded policy program as its own frozen maps describe it: identity, direction, config, provenance."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from ..pair import layout
from ..pair.layout import Config, Direction, Rodata
from ..pair.provenance import ProvenanceError, ProvenanceTable, decode
from .bpf import Bpf, Fd, Object
from .section import KnownMaps, section_data

_SECTIONS: Final = (layout.SECTION_RODATA, layout.SECTION_CONFIG, layout.SECTION_PROVENANCE)


@dataclass(frozen=True, slots=True)
class Policy:
    """One program in a slot. direction: its own word for it, to be checked against the slot.

    identity: 64 hex digits, or what else stands there. provenance: the section's bytes, with padding.
    maps: ids by name (15 characters), sections included. loaded: when, CLOCK_BOOTTIME ns.
    """

    program: int
    loaded: int
    tag: bytes
    identity: str
    direction: str
    layout: str
    config: Config
    provenance: bytes = field(repr=False)
    maps: Mapping[str, int] = field(repr=False)

    def table(self) -> ProvenanceTable | None:
        """The provenance as a table; None when it is not one this polc reads."""
        return _table(self.provenance)

    def is_for(self, direction: Direction) -> bool:
        return self.direction == direction.word


@lru_cache(maxsize=8)  # an interface's old and new programs: counters and the report ask again and again
def _table(provenance: bytes) -> ProvenanceTable | None:
    try:
        return decode(provenance)
    except ProvenanceError:
        return None


@dataclass(frozen=True, slots=True)
class Stranger:
    """A program in a slot that is no policy program of a layout this polc knows."""

    program: int
    name: str


def read_policy(
    bpf: Bpf, program: Fd, known: KnownMaps | None = None, before: Policy | None = None
) -> Policy | Stranger:
    """Reads one program. Raises BpfError (EPERM without CAP_SYS_ADMIN).

    known: maps that need not be read; more are added to it. before: what a program of that id said once; if
    it still is the same, it says the same for ever, and only a map can have been bound to it since.
    """
    info = bpf.prog_info(program)
    told = known if known is not None else {}
    if before is not None and info.is_still(before.program, before.loaded):
        return _with_later_maps(bpf, before, info.map_ids, told)
    sections: dict[str, bytes] = {}
    maps: dict[str, int] = {}
    for number in info.map_ids:
        found = told.get(number) or _read_map(bpf, number, told)
        if found is None:  # not while the program lives
            return Stranger(info.id, info.name)
        name, data = found
        maps[name] = number
        section = _section_of(name)
        if section is not None and data is not None:
            sections.setdefault(section, data)
    if set(sections) != set(_SECTIONS):
        return Stranger(info.id, info.name)
    try:
        rodata = Rodata.unpack(sections[layout.SECTION_RODATA])
        config = Config.unpack(sections[layout.SECTION_CONFIG])
    except struct.error:
        return Stranger(info.id, info.name)
    if rodata.layout != str(layout.LAYOUT_VERSION):
        return Stranger(info.id, info.name)
    provenance = sections[layout.SECTION_PROVENANCE]
    return Policy(
        info.id,
        info.load_time,
        info.tag,
        rodata.identity,
        rodata.direction,
        rodata.layout,
        config,
        provenance,
        maps,
    )


def _with_later_maps(bpf: Bpf, policy: Policy, map_ids: Iterable[int], known: KnownMaps) -> Policy:
    read = set(policy.maps.values())
    later = {
        number: known.get(number) or _read_map(bpf, number, known) for number in map_ids if number not in read
    }
    names = {found[0]: number for number, found in later.items() if found is not None}
    return replace(policy, maps={**policy.maps, **names}) if names else policy


def _read_map(bpf: Bpf, number: int, known: KnownMaps) -> tuple[str, bytes | None] | None:
    """The name of a map, and what it holds when it is a frozen section that a policy is read from; None when
    it is gone."""
    map_ = bpf.fd_by_id(Object.MAP, number)
    if map_ is None:
        return None
    with map_:
        shape = bpf.map_info(map_)
        section = _section_of(shape.name)
        data = section_data(bpf, map_, shape) if section is not None else None
    found = shape.name, data
    if section is None or data is not None:  # one that is not frozen may be another time
        known[number] = found
    return found


def _section_of(name: str) -> str | None:
    return next((one for one in _SECTIONS if name.endswith(one)), None)
