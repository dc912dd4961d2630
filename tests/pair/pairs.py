"""Sealed specimens: two directions, provenance and notes as the compiler would give them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

from polc.compiler.seal import RawParts, seal
from polc.pair.layout import Direction
from polc.pair.note import DIGEST_OFFSET, Note, file_digest, find_note, note_size
from polc.pair.object import ObjectPair, read_pair
from polc.pair.provenance import ProvenanceTable, RuleProvenance, encode
from polc.tests.pair.specimen import Specimen, emit

ENDPOINT = "shop/web-1"
ADDRESSES = ("10.65.0.2", "fd00::2")
TABLES = bytes(range(64))
PLAIN = Specimen()


def table(specimen: Specimen, direction: Direction, endpoint: str) -> ProvenanceTable:
    lines = specimen.source.splitlines()
    rules = tuple(
        RuleProvenance(
            index=at,
            key=f"{at:016x}",
            what="rule",
            file="policy.yaml",
            line=line,
            column=5,
            policy="NetworkPolicy/shop/web",
            number=at,
            action=("allow", "deny")[at],
            annotations={"team": "shop"},
            text=lines[line - 1].strip(),
        )
        for at, line in enumerate(specimen.lines)
    )
    digest = hashlib.sha256(specimen.source.encode()).hexdigest()
    return ProvenanceTable(
        endpoint=endpoint, direction=direction, sources={"policy.yaml": digest}, rules=rules
    )


def raw_parts(
    specimen: Specimen, direction: Direction, tables: bytes = TABLES, endpoint: str = ENDPOINT
) -> RawParts:
    """One direction of a specimen, with the reserved sections of the right sizes."""
    provenance = encode(table(specimen, direction, endpoint))
    sized = replace(
        specimen,
        direction=direction.word,
        note_size=note_size(endpoint, ADDRESSES),
        prov_size=len(provenance),
        table_size=len(tables),
    )
    note = Note(meaning=bytes(32), direction=direction, endpoint=endpoint, addresses=ADDRESSES)
    return RawParts(emit(sized), tables, provenance, note)


@cache
def sealed(
    specimen: Specimen = PLAIN, tables: bytes = TABLES, endpoint: str = ENDPOINT
) -> tuple[bytes, bytes]:
    """Ingress and egress object of one compile."""
    both = seal({direction: raw_parts(specimen, direction, tables, endpoint) for direction in Direction})
    return both[Direction.INGRESS], both[Direction.EGRESS]


def pair_of(specimen: Specimen = PLAIN, tables: bytes = TABLES) -> ObjectPair:
    return read_pair(*sealed(specimen, tables))


def resealed(data: bytes | bytearray, at: int = 0, content: bytes = b"") -> bytes:
    """The object with `content` at byte `at` and its file digest made right again, as a forger would."""
    forged = bytearray(data)
    forged[at : at + len(content)] = content
    note = find_note(bytes(forged))
    assert note is not None
    start = note + DIGEST_OFFSET
    forged[start : start + 32] = file_digest(bytes(forged), note)
    return bytes(forged)
