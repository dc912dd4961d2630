"""Random selector expressions with a wanted truth on given labels, over the whole language (dossier §5)."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

STRANGE_KEYS = ("absent", "app.kubernetes.io/absent", "zone")
STRANGE_TEXTS = ("", "nothing", "Web", "prod ", "it's")


def selector_text(rng: Random, labels: Mapping[str, str], truth: bool = True, depth: int = 2) -> str:
    """An expression that is `truth` on `labels`; nested at most `depth` deep."""
    if depth == 0 or rng.random() < 0.45:
        return _leaf(rng, labels, truth)
    shape = rng.choice(["and", "or", "not", "group"])
    if shape == "not":
        return f"!{_operand(selector_text(rng, labels, not truth, depth - 1))}"
    if shape == "group":
        return f"({selector_text(rng, labels, truth, depth - 1)})"
    # One operand settles an `and` that is false and an `or` that is true; the other may be anything.
    settled = (shape == "and") is not truth
    truths = [truth, rng.random() < 0.5 if settled else truth]
    rng.shuffle(truths)
    left, right = (_operand(selector_text(rng, labels, wanted, depth - 1)) for wanted in truths)
    gap = rng.choice([" ", " ", "", "  "])
    return f"{left}{gap}{'&&' if shape == 'and' else '||'}{gap}{right}"


def _operand(text: str) -> str:
    return f"({text})" if "&&" in text or "||" in text else text


def _quote(rng: Random, text: str) -> str:
    if "'" in text:
        return f'"{text}"'
    return f"'{text}'" if '"' in text or rng.random() < 0.5 else f'"{text}"'


def _leaf(rng: Random, labels: Mapping[str, str], truth: bool) -> str:
    if labels and rng.random() < 0.8:
        key = rng.choice(sorted(labels))
        return _leaf_on_present(rng, key, labels[key], truth)
    absent = [key for key in STRANGE_KEYS if key not in labels]
    return _leaf_on_absent(rng, rng.choice(absent), truth)


def _leaf_on_present(rng: Random, key: str, value: str, truth: bool) -> str:
    other = rng.choice([text for text in STRANGE_TEXTS[1:] if text not in value])
    cut = rng.randrange(len(value) + 1)
    right, wrong = _quote(rng, value), _quote(rng, other)
    both = f"{{{wrong}, {right}}}"
    if truth:
        return rng.choice(
            [
                f"{key} == {right}",
                f"{key}=={right}",
                f"{key} != {wrong}",
                f"{key} in {both}",
                f"{key} not in {{{wrong},}}",
                f"{key} notin {{}}",
                f"has({key})",
                f"{key} starts with {_quote(rng, value[:cut])}",
                f"{key} ends with {_quote(rng, value[cut:])}",
                f"{key} contains {_quote(rng, value[cut // 2 : cut])}",
            ]
        )
    return rng.choice(
        [
            f"{key} != {right}",
            f"{key} == {wrong}",
            f"{key} not in {both}",
            f"{key} in {{{wrong}}}",
            f"{key} in {{ }}",
            f"!has({key})",
            f"{key} startswith {wrong}",
            f"{key} contains {wrong}",
        ]
    )


def _leaf_on_absent(rng: Random, key: str, truth: bool) -> str:
    text = _quote(rng, rng.choice(STRANGE_TEXTS))
    if truth:
        return rng.choice([f"!has( {key} )", f"{key} != {text}", f"{key} not in {{{text}}}", "all()"])
    return rng.choice([f"has({key})", f"{key} == {text}", f"{key} contains {text}", f"{key} in {{{text}}}"])
