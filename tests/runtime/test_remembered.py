"""What is remembered of a program is told of that one only, and no more is kept than there is room for."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from polc.runtime import remembered
from polc.runtime.bpf import ProgInfo
from polc.runtime.remembered import Remembered

PROGRAM = ProgInfo(7, 3, b"12345678", "polc_ingress", (1, 2), 9, 1000, 5, 80, 60)


@dataclass(frozen=True)
class Answer:
    number: int = 0


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ({}, True),
        ({"map_ids": (1, 2, 3)}, True),  # a map was bound to it since
        ({"map_ids": (1, 3)}, False),
        ({"map_ids": (1,)}, False),
        ({"id": 8}, False),
        ({"load_time": 1001}, False),  # the ids were counted round to it again
        ({"tag": b"87654321"}, False),
    ],
)
def test_an_answer_is_of_the_program_it_was_read_of(said: dict[str, object], same: bool) -> None:
    kept = Remembered[Answer]()
    kept.keep(PROGRAM, Answer())
    assert kept.get(PROGRAM._replace(**said)) == (Answer() if same else None)  # type: ignore[arg-type]


def test_those_asked_for_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_KEPT", 3)
    kept = Remembered[Answer]()
    programs = [PROGRAM._replace(id=number) for number in range(5)]
    for program in programs:
        kept.keep(program, Answer(program.id))
        assert kept.get(programs[0]) == Answer(0)
    assert [kept.get(one) for one in programs] == [Answer(0), None, None, Answer(3), Answer(4)]
