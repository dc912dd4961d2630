"""A loaded policy program as its own frozen maps describe it: identity, direction, config, provenance."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from ..pair import layout
from ..pair.layout import Config, Direction, Rodata
from ..pair.provenance import ProvenanceError, ProvenanceTable, decode
from .bpf import Bpf, Fd, Object
from .section import section_data

_SECTIONS: Final = (layout.SECTION_RODATA, layout.SECTION_CONFIG, layout.SECTION_PROVENANCE)


@dataclass(frozen=True, slots=True)
class Policy:
    """One program in a slot. direction: its own word for it, to be checked against the slot.

    identity: 64 hex digits, or what else stands there. provenance: the section's bytes, with padding.
    maps: ids by name (15 characters), sections included.
    """

    program: int
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


def read_policy(bpf: Bpf, program: Fd, known: dict[int, str] | None = None) -> Policy | Stranger:
    """Reads one program. Raises BpfError (EPERM without CAP_SYS_ADMIN).

    known: names by id of maps that are no sections, which programs share; more are added to it.
    """
    info = bpf.prog_info(program)
    shared = known if known is not None else {}
    sections: dict[str, bytes] = {}
    maps: dict[str, int] = {}
    for number in info.map_ids:
        if number in shared:
            maps[shared[number]] = number
            continue
        map_ = bpf.fd_by_id(Object.MAP, number)
        if map_ is None:  # not while the program lives
            return Stranger(info.id, info.name)
        with map_:
            shape = bpf.map_info(map_)
            name = shape.name
            maps[name] = number
            section = next((one for one in _SECTIONS if name.endswith(one)), None)
            data = section_data(bpf, map_, shape) if section is not None else None
            if section is None:
                shared[number] = name
            elif data is not None:
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
        info.id, info.tag, rodata.identity, rodata.direction, rodata.layout, config, provenance, maps
    )
