"""The errno of every refusal the fake knows, as the real kernel gave it: `errnos.json`.

As root, `pytest tests/fake_kernel -m kernel --golden-update` runs the situations of situations.py on the
real kernel and rewrites the file; without the switch the same test compares.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path

PATH = Path(__file__).with_name("errnos.json")
TABLE: dict[str, str] = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


class Refused(Exception):
    """A call the kernel answers with an errno; `situation` is a key of the table, or the injector's words."""

    def __init__(self, number: int, situation: str) -> None:
        super().__init__(f"{errno.errorcode.get(number, number)}: {situation}")
        self.number = number
        self.situation = situation


def refused(situation: str) -> Refused:
    """The refusal the real kernel gives in that situation."""
    return Refused(number_of(TABLE[situation]), situation)


def number_of(name: str) -> int:
    """524 is the kernel's own ENOTSUPP, which errno.h does not name."""
    return 524 if name == "ENOTSUPP" else int(getattr(errno, name))


def name_of(number: int) -> str:
    return "ENOTSUPP" if number == 524 else errno.errorcode[number]
