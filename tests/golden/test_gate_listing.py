"""The gate's listing: what stands between every packet and its policy, as a text to review."""

from __future__ import annotations

from pathlib import Path

from polc.pair.layout import Direction
from polc.runtime.assembler import listing
from polc.runtime.gate import gate_code

GOLDEN = Path(__file__).parent / "gate.txt"


def test_the_listing_is_the_reviewed_one(golden_update: bool) -> None:
    text = "".join(f"{direction.word} gate\n{listing(gate_code(direction))}\n" for direction in Direction)
    if golden_update:
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_the_two_gates_differ_in_their_slots_only() -> None:
    one, two = (gate_code(direction) for direction in Direction)
    different = [(a.text, b.text) for a, b in zip(one, two, strict=True) if a != b]
    assert different == [("r3 = 0", "r3 = 1"), ("r3 = 2", "r3 = 3")]
