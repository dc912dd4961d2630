"""Bytes and texts gone wrong: every reader gives its answer or its own error, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from io import BytesIO
from random import Random
from typing import Final

import pytest
from polc.compiler.ir.check import IrError, check
from polc.compiler.ir.text import dump, load
from polc.grammar import events
from polc.grammar.documents import read_documents
from polc.grammar.nodes import FaultKind
from polc.judge.capture import read_capture
from polc.judge.capture_bytes import CaptureError
from polc.pair.btf import BtfError, line_table, loadable, map_specs, program_info
from polc.pair.elf import ElfError, read_elf
from polc.pair.layout import SECTION_NOTE, Direction
from polc.pair.note import Note, NoteError
from polc.pair.provenance import ProvenanceError, decode, encode
from polc.tests.calls import calls
from polc.tests.fuzz.engines import Policy
from polc.tests.generators.styles import plain_text
from polc.tests.generators.worlds import build_world
from polc.tests.judge.captures import pcap, pcapng
from polc.tests.pair.pairs import ENDPOINT, PLAIN, sealed, table

TIMES: Final = 1500
CALLS: Final = 20_000  # for the slowest single input


def spoilt(dice: Random, data: bytes) -> bytes:
    """One to four places overwritten, left out, doubled, or the end cut off."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at, size = dice.randrange(max(len(out), 1)), dice.choice([1, 1, 2, 4, 8])
        match dice.randrange(5):
            case 0:
                out[at : at + size] = dice.randbytes(size)
            case 1:
                out[at : at + size] = dice.choice([b"\0", b"\xff", b"\x7f", b"9"]) * size
            case 2:
                del out[at : at + size]
            case 3:
                out[at:at] = out[at : at + 4 * size]
            case _:
                del out[len(out) - dice.randrange(len(out) // 4 + 1) :]
    return bytes(out)


def outcomes(data: bytes, read: Callable[[bytes], object], *errors: type[Exception]) -> Counter[str]:
    """How often a reader of spoilt data answered, and how often it refused; anything else is raised."""
    dice, found, most = Random(20261123), Counter[str](), 0
    for _ in range(TIMES):
        bad = spoilt(dice, data)
        outcome, count = calls(lambda bad=bad: _outcome(bad, read, errors))  # type: ignore[misc]
        found[outcome] += 1
        most = max(most, count)
    assert most < CALLS
    return found


def _outcome(data: bytes, read: Callable[[bytes], object], errors: tuple[type[Exception], ...]) -> str:
    try:
        read(data)
    except errors:
        return "refused"
    return "read"


def _program_text() -> bytes:
    world = build_world(2)
    return dump(Policy(plain_text(world.objects), world.subject).program).encode()


def test_the_ir_reader_knows_one_error() -> None:
    def read(data: bytes) -> None:
        check(load(data.decode("utf-8", "replace")))

    found = outcomes(_program_text(), read, IrError)
    assert found["refused"] > TIMES / 4


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "٣", "1_0", "", "0x10", "1e3"])
def test_the_ir_reader_refuses_odd_numbers(number: str) -> None:
    text = f"polc-ir 1\ningress\n  end: allow #{number}\negress\n  end: allow #0\n"
    with pytest.raises(IrError, match="line 3"):
        load(text)


INGRESS: Final = sealed()[0]
FRAMES: Final = [(n * 1_000_003, bytes(range(60 + n))) for n in range(4)]


@pytest.mark.parametrize(
    "data",
    [pcap(FRAMES), pcap(FRAMES, ">", True), pcapng(FRAMES), pcapng(FRAMES, ">")],
    ids=["pcap", "pcap, big-endian, nanoseconds", "pcapng", "pcapng, big-endian"],
)
def test_the_capture_readers_know_one_error(data: bytes) -> None:
    found = outcomes(data, lambda bad: list(read_capture(BytesIO(bad))), CaptureError)
    assert found["refused"] > TIMES / 4
    assert found["read"] > TIMES / 20


def test_the_note_reader_knows_one_error() -> None:
    section = read_elf(INGRESS).section(SECTION_NOTE).data
    assert outcomes(section, Note.parse, NoteError)["refused"] > TIMES / 4


def test_the_provenance_reader_knows_one_error() -> None:
    data = encode(table(PLAIN, Direction.INGRESS, ENDPOINT))
    assert outcomes(data, decode, ProvenanceError)["refused"] > TIMES / 4


def test_elf_and_btf_readers_know_their_errors() -> None:
    def read(data: bytes) -> None:
        elf = read_elf(data)
        for part in (map_specs, loadable, program_info, line_table):
            part(elf)

    assert outcomes(INGRESS, read, ElfError, BtfError)["refused"] > TIMES / 10


@pytest.mark.parametrize("one", ["x", "[]", "{}"])
def test_values_of_every_kind_count_towards_the_limit(one: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_VALUES", 1000)
    (document,) = read_documents(f"[{', '.join([one] * 2000)}]")
    assert [fault.kind for fault in document.faults] == [FaultKind.SIZE]
    assert "more than 1000 values" in document.faults[0].message


@pytest.mark.parametrize(
    ("one", "good"), [("x", False), ("{}", False), ("a: b", False), ("10.10.10.10/32", True)]
)
def test_many_values_need_room(one: str, good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a few bytes can make polc do is bounded; a list of addresses may be as long as ever."""
    monkeypatch.setattr(events, "DENSE_VALUES", 500)
    (document,) = read_documents("# a comment\n" * 2000 + f"- {one}\n" * 2000)
    assert [fault.kind for fault in document.faults] == ([] if good else [FaultKind.SIZE])
    if not good:
        assert "less than 8 characters for each" in document.faults[0].message
        assert document.faults[0].line > 2000


def test_a_document_just_at_the_limit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_VALUES", 12)
    (exact,) = read_documents("[" + "x, " * 10 + "]")  # and where the list starts and ends
    (more,) = read_documents("[" + "x, " * 11 + "]")
    assert exact.root is not None
    assert [fault.kind for fault in more.faults] == [FaultKind.SIZE]
