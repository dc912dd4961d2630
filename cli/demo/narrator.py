"""How the demo speaks: numbered headings, and lines under them that appear as things happen."""

from __future__ import annotations

import itertools
import sys

_COUNT = itertools.count(1)


def heading(text: str) -> None:
    """Starts the next numbered step."""
    _write(f"\n{next(_COUNT)}. {text}")


def line(text: str) -> None:
    """One line of the step."""
    _write(f"   {text}" if text else "")


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
