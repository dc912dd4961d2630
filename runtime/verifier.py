"""The verifier's log, made useful: which line of the policy the refused instruction stems from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..pair.btf import Line
from .errors import VerifierError

TAIL_LINES: Final = 12
# "12: (85) call ..." or, since 6.3, the same with the state behind it; "; text @ file:line" since 6.10.
_INSTRUCTION: Final = re.compile(r"^(\d+): \([0-9a-f]{2}\)")
_SOURCE: Final = re.compile(r"^; .* @ (.+:\d+)$")


def verifier_error(direction: str, log: str, lines: Sequence[tuple[int, Line]]) -> VerifierError:
    """lines: (instruction, line) in rising order, from the object; used before the log's own comments, which
    older kernels print without file and number."""
    written = [line for line in log.splitlines() if line.strip()]
    return VerifierError(direction, _place(written, lines), tuple(written[-TAIL_LINES:]), log)


def _place(written: Sequence[str], lines: Sequence[tuple[int, Line]]) -> str:
    """`file:line` of the last instruction in the log, "" when nothing says so."""
    for text in reversed(written):
        if match := _INSTRUCTION.match(text):
            before = [line for insn, line in lines if insn <= int(match[1]) and line.line]
            if before:
                return f"{before[-1].file}:{before[-1].line}"
        if match := _SOURCE.match(text):
            return match[1]
    return ""
