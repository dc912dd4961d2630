"""Near-misses: the word that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, words: Iterable[str], cutoff: float = 0.65) -> str:
    """The closest of the words, or nothing when none is close. cutoff: 0 to 1, difflib's ratio."""
    candidates = sorted(words)
    if not word or len(word) > 64:
        return ""
    folded = {candidate.lower(): candidate for candidate in candidates}
    found = get_close_matches(word.lower(), list(folded), n=1, cutoff=cutoff)
    return folded[found[0]] if found else ""


def near_miss(word: str, words: Iterable[str]) -> str:
    """`did you mean …?` for the closest of the words, or nothing when none is close."""
    found = closest(word, words)
    return f"did you mean `{found}`?" if found else ""


def listed(words: Iterable[str]) -> str:
    """`a`, `b` or `c`, in the order given."""
    quoted = [f"`{word}`" for word in words]
    if len(quoted) < 2:
        return "".join(quoted)
    return ", ".join(quoted[:-1]) + " or " + quoted[-1]
