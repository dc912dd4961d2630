"""Reads one object, and two as a pair, or refuses them with the reason; the only way objects come in.

Order of trust: the file's digest, found by the note's magic; then the layout version; only then ELF, BTF and
provenance, whose readers are strict because a digest can be recomputed by anybody. Any bytes at all lead to
an object or to a `PairError`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from .btf import BtfError, Loadable, MapSpec, line_table, loadable, map_specs, program_info
from .elf import ELF_MAGIC, MACHINE_BPF, Elf, ElfError, read_elf
from .identity import SECTION_TEXT, IdentityError, identity
from .layout import (
    CONFIG_FORMAT,
    LAYOUT_VERSION,
    SECTION_CONFIG,
    SECTION_NOTE,
    SECTION_PROGRAM,
    SECTION_PROVENANCE,
    SECTION_RODATA,
    Direction,
    Rodata,
    program_symbol,
)
from .naming import EndpointRef, parse_ref
from .note import Note, NoteError, file_digest, find_note, read_head
from .provenance import ProvenanceError, ProvenanceTable, decode

_SECTION_TABLE: Final = struct.Struct("<40xQ10xHH")  # e_shoff, e_shentsize, e_shnum of an ELF-64 header
_HEADER_SIZE: Final = 64
_AGAIN: Final = "compile the policy again"


class PairFault(StrEnum):
    """Why an object or a pair is refused."""

    NOT_ELF = "not-elf"
    NOT_OURS = "not-ours"
    TRUNCATED = "truncated"
    ALTERED = "altered"  # the digest does not match
    LAYOUT = "unknown-layout"
    MALFORMED = "malformed"  # the digest matches, but the contents contradict each other
    SAME_DIRECTION = "same-direction"
    SWAPPED = "swapped"
    IDENTITY_DIFFERS = "identity-differs"
    IDENTITY_NOT_RECOMPUTED = "identity-not-recomputed"
    WRONG_ENDPOINT = "wrong-endpoint"


class PairError(Exception):
    """A refusal. message: one sentence with the file's name. hint: what to do."""

    def __init__(self, fault: PairFault, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class PairObject:
    """One object whose digest matches and whose parts agree. path: as given, for messages only.

    maps: by name.
    """

    data: bytes = field(repr=False)
    path: str
    direction: Direction
    identity: bytes
    meaning: bytes
    layout: int
    endpoint: str
    addresses: tuple[str, ...]
    elf: Elf = field(repr=False)
    maps: Mapping[str, MapSpec] = field(repr=False)
    btf: Loadable = field(repr=False)
    provenance: ProvenanceTable = field(repr=False)

    @property
    def program(self) -> str:
        """The symbol of its one program."""
        return program_symbol(self.direction)


@dataclass(frozen=True, slots=True)
class ObjectPair:
    """Two objects of one identity, which has been recomputed from both."""

    identity: bytes
    ingress: PairObject
    egress: PairObject

    def side(self, direction: Direction) -> PairObject:
        return self.ingress if direction is Direction.INGRESS else self.egress

    @property
    def endpoint(self) -> str:
        """`NS/NAME`, or `` when compiled for labels."""
        return self.ingress.endpoint


def read_object(data: bytes, path: str = "") -> PairObject:
    """Reads one object. Raises PairError and nothing else, whatever the bytes are."""
    at = find_note(data)
    if at is None:
        raise _stranger(data, path)
    _check_digest(data, at, path)
    layout = read_head(data[at:]).layout
    if layout != LAYOUT_VERSION:
        raise PairError(
            PairFault.LAYOUT,
            f"{path}: layout version {layout} is not known here; this polc knows {LAYOUT_VERSION}",
            "use the polc that compiled it, or " + _AGAIN,
        )
    try:
        return _contents(data, path, at)
    except (ElfError, BtfError, NoteError, ProvenanceError, _Contradiction) as error:
        raise PairError(
            PairFault.MALFORMED, f"{path}: its digest matches, but its contents do not: {error}", _AGAIN
        ) from None


def read_pair(
    ingress: bytes, egress: bytes, ingress_path: str = "ingress", egress_path: str = "egress"
) -> ObjectPair:
    """Reads both objects of a pair and recomputes their identity. Raises PairError."""
    first, second = read_object(ingress, ingress_path), read_object(egress, egress_path)
    _check_directions(first, second)
    if first.identity != second.identity:
        raise PairError(
            PairFault.IDENTITY_DIFFERS,
            f"{ingress_path} and {egress_path} are not one pair: their identities are"
            f" {first.identity.hex()} and {second.identity.hex()}",
            "give both objects of one compilation",
        )
    try:
        found = identity(first.elf, second.elf)
    except IdentityError as error:
        raise PairError(
            PairFault.MALFORMED, f"{ingress_path} and {egress_path} have no identity: {error}", _AGAIN
        ) from None
    if found != first.identity:
        raise PairError(
            PairFault.IDENTITY_NOT_RECOMPUTED,
            f"{ingress_path} and {egress_path} claim identity {first.identity.hex()},"
            f" but what they contain has {found.hex()}",
            "somebody changed code, tables or maps after compilation: " + _AGAIN,
        )
    return ObjectPair(found, first, second)


def require_endpoint(pair: ObjectPair, endpoint: EndpointRef) -> None:
    """Raises PairError unless both objects were compiled for that endpoint.

    An object names a kind only where the name alone did not tell the endpoint; else any kind will do.
    """
    for item in (pair.ingress, pair.egress):
        if not _is_of(item, endpoint):
            owner = f"endpoint {item.endpoint}" if item.endpoint else "labels, not for an endpoint"
            raise PairError(
                PairFault.WRONG_ENDPOINT,
                f"{item.path} was compiled for {owner}; {endpoint.full} was named",
                f"compile with --endpoint {endpoint.full}",
            )


def _is_of(item: PairObject, endpoint: EndpointRef) -> bool:
    try:
        return endpoint.means(parse_ref(item.endpoint))
    except ValueError:  # labels, or a note that names no endpoint at all
        return False


class _Contradiction(Exception):
    """Two parts of one object do not agree."""


def _stranger(data: bytes, path: str) -> PairError:
    """Why bytes without a readable note of ours are refused."""
    if not data.startswith(ELF_MAGIC):
        if data and ELF_MAGIC.startswith(data[: len(ELF_MAGIC)]):
            return _truncated(data, path)
        if SECTION_NOTE.encode() + b"\0" in data:
            return _altered(path)
        return PairError(
            PairFault.NOT_ELF,
            f"{path}: is {'not an ELF file' if data else 'empty'}",
            "give an object that `polc compile` wrote",
        )
    if len(data) < _HEADER_SIZE:
        return _truncated(data, path)
    if data[4:6] == b"\2\1" and data[18:20] == MACHINE_BPF.to_bytes(2, "little"):
        if _ends_early(data):
            return _truncated(data, path)
        what = "is a BPF object, but polc did not write it: it carries no polc note"
    else:
        what = "is an ELF file of another kind, not a BPF object of polc"
    if SECTION_NOTE.encode() + b"\0" in data:
        return _altered(path)
    return PairError(PairFault.NOT_OURS, f"{path}: {what}", "give an object that `polc compile` wrote")


def _check_digest(data: bytes, at: int, path: str) -> None:
    try:
        head = read_head(data[at:])
    except NoteError:
        raise _truncated(data, path) from None
    if head.digest == file_digest(data, at) and head.file_size == len(data):
        return
    if head.file_size > len(data) and _ends_early(data):
        raise _truncated(data, path, head.file_size)
    raise _altered(path)


def _ends_early(data: bytes) -> bool:
    """Whether the section table, which LLVM writes last, lies past the end."""
    if len(data) < _HEADER_SIZE:
        return True
    offset, entry, count = _SECTION_TABLE.unpack_from(data)
    return bool(offset + entry * count > len(data))


def _truncated(data: bytes, path: str, size: int | None = None) -> PairError:
    whole = f" of {size}" if size is not None else ""
    message = f"{path}: is truncated: it ends after {len(data)} bytes{whole}"
    return PairError(PairFault.TRUNCATED, message, "copy the file again, or " + _AGAIN)


def _altered(path: str) -> PairError:
    message = f"{path}: was altered after compilation: its digest does not match its bytes"
    return PairError(PairFault.ALTERED, message, "copy the file again, or " + _AGAIN)


def _contents(data: bytes, path: str, note_at: int) -> PairObject:
    elf = read_elf(data)
    section = elf.section(SECTION_NOTE)
    if section.offset != note_at:
        raise _Contradiction(f"{SECTION_NOTE} is not where the note is")
    note = Note.parse(section.data)
    provenance = decode(elf.section(SECTION_PROVENANCE).data)
    _check_rodata(elf, note)
    if (provenance.direction, provenance.endpoint) != (note.direction, note.endpoint):
        raise _Contradiction("the note and the provenance table speak of different objects")
    if elf.section(SECTION_CONFIG).size != CONFIG_FORMAT.size:
        raise _Contradiction(f"{SECTION_CONFIG} is not {CONFIG_FORMAT.size} bytes long")
    if elf.symbol(program_symbol(note.direction)).section != SECTION_PROGRAM:
        raise _Contradiction(f"{program_symbol(note.direction)} is not in section {SECTION_PROGRAM}")
    btf = _check_btf(elf)
    return PairObject(
        data,
        path,
        note.direction,
        note.identity,
        note.meaning,
        note.layout,
        note.endpoint,
        note.addresses,
        elf,
        map_specs(elf),
        btf,
        provenance,
    )


def _check_btf(elf: Elf) -> Loadable:
    """Reads all there is, for the refusals: whoever holds a PairObject will not meet a BtfError."""
    for section in (SECTION_PROGRAM, SECTION_TEXT):
        program_info(elf, section)
        line_table(elf, section)
    return loadable(elf)


def _check_rodata(elf: Elf, note: Note) -> None:
    try:
        found = Rodata.unpack(elf.section(SECTION_RODATA).data)
    except struct.error:
        raise _Contradiction(f"{SECTION_RODATA} has another size") from None
    if found != Rodata(note.identity.hex(), note.direction.word, str(note.layout)):
        raise _Contradiction(
            f"{SECTION_RODATA} and the note name different identities, directions or layouts"
        )


def _check_directions(first: PairObject, second: PairObject) -> None:
    given = (first.direction, second.direction)
    if given == (Direction.INGRESS, Direction.EGRESS):
        return
    if given == (Direction.EGRESS, Direction.INGRESS):
        raise PairError(
            PairFault.SWAPPED,
            f"the files are swapped: {first.path} is the egress object and {second.path} the ingress object",
            "exchange them",
        )
    raise PairError(
        PairFault.SAME_DIRECTION,
        f"{first.path} and {second.path} are both {first.direction.word} objects",
        "a pair is one ingress and one egress object of one compilation",
    )
