"""The same objects in other words: orders, YAML styles, quotes, comments, files. Meaning never changes.

Scalars are written so that a YAML 1.1 reader and a reader of plain text see the same: anything that looks
like something else than text (`80:81` is a base-60 number in YAML 1.1) is quoted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

import yaml

Object = dict[str, Any]

# Lists that are sets: their order means nothing (dossier §2.1, §3.2, §3.3).
_SETS = frozenset({"nets", "notNets", "ports", "notPorts", "types", "expectedIPs"})
_COMMENTS = ("# a comment", "#", "# kind: Pod", "# --- not a document", "# \"quoted: 'text'", "# ünïcode")


class _Quoting(yaml.CSafeDumper):
    """Quotes every text; never writes anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's hook)
        return True


class _Plain(yaml.CSafeDumper):
    """Quotes only where YAML 1.1 would read something else; never writes anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's hook)
        return True


class _Anchors(yaml.CSafeDumper):
    """Writes an anchor for what stands twice."""


class _Breaking(yaml.SafeDumper):
    """Quotes every text. PyYAML's own writer breaks long ones by a backslash, libyaml's never does."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's hook)
        return True


_Dumper = yaml.SafeDumper | yaml.CSafeDumper


def _double_quoted(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if sum(text.encode()) % 2 else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Quoting.add_representer(str, _double_quoted)
_Breaking.add_representer(str, _double_quoted)


def reorder(objects: Sequence[Object], seed: int) -> list[Object]:
    """Documents, keys and set-like lists in another order; a deep copy."""
    rng = Random(seed)
    shuffled = [_shuffle(rng, one, "") for one in deepcopy(list(objects))]
    rng.shuffle(shuffled)
    return shuffled


def _shuffle(rng: Random, value: Any, key: str) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {name: _shuffle(rng, value[name], name) for name in keys}
    if isinstance(value, list):
        items = [_shuffle(rng, item, "") for item in value]
        if key in _SETS:
            rng.shuffle(items)
        return items
    return value


def reformat(text: str, seed: int) -> str:
    """Every document of `text` written again in a random style, with comments."""
    rng = Random(seed)
    return document_text(rng, [one for one in yaml.load_all(text, yaml.CSafeLoader) if one is not None])


def document_text(rng: Random, objects: Sequence[Object]) -> str:
    """One file of several documents, each in a style of its own."""
    parts = [rng.choice(_STYLES)(rng, one).rstrip("\n") + "\n" for one in objects]
    separator = rng.choice(["---\n", "---\n", "---   # next\n", "...\n---\n"])
    text = separator.join(parts)
    if rng.random() < 0.4:
        text = rng.choice(["---\n", "# first line\n---\n", "%YAML 1.1\n---\n"]) + text
    if rng.random() < 0.3:
        text += rng.choice(["---\n", "...\n", "\n\n", "# the end"])
    return text.replace("\n", "\r\n") if rng.random() < 0.1 else text


def files_of(objects: Sequence[Object], seed: int) -> dict[str, str]:
    """The objects spread over one to four files: name → text."""
    rng = Random(seed)
    count = rng.randrange(1, 5)
    shares: list[list[Object]] = [[] for _ in range(count)]
    for one in objects:
        rng.choice(shares).append(one)
    names = rng.sample(["a.yaml", "b.yml", "policies.yaml", "z-1.yaml", "sub/c.yaml"], count)
    return {name: document_text(rng, share) for name, share in zip(names, shares, strict=True) if share}


def plain_text(objects: Sequence[Object]) -> str:
    """The one boring way: block style, one file."""
    return yaml.dump_all(list(objects), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=1000)


def _block(rng: Random, one: Object) -> str:
    text = _dump(one, _Plain, indent=rng.choice([2, 3, 4, 8]))
    return _commented(rng, text) if rng.random() < 0.6 else text


def _quoted(rng: Random, one: Object) -> str:
    return _commented(rng, _dump(one, _Quoting, indent=2))


def _flow(rng: Random, one: Object) -> str:
    return _dump(one, rng.choice([_Plain, _Quoting]), flow=True)


def _mixed(rng: Random, one: Object) -> str:
    return _dump(one, _Plain, flow=None, indent=rng.choice([2, 4]))


def _folded(rng: Random, one: Object) -> str:
    """Flow style broken over many lines."""
    dumpers: list[type[_Dumper]] = [_Plain, _Quoting, _Breaking]
    return _dump(one, rng.choice(dumpers), flow=True, width=rng.choice([20, 40]))


def _anchored(_: Random, one: Object) -> str:
    seen: dict[str, Any] = {}

    def share(value: Any) -> Any:
        if isinstance(value, dict):
            value = {key: share(item) for key, item in value.items()}
        elif isinstance(value, list):
            value = [share(item) for item in value]
        else:
            return value
        return seen.setdefault(json.dumps(value), value) if value else value

    return _dump(share(one), _Anchors, indent=2)


def _json(rng: Random, one: Object) -> str:
    return json.dumps(one, indent=rng.choice([None, 1, 4]), ensure_ascii=rng.random() < 0.5)


_STYLES: tuple[Callable[[Random, Object], str], ...] = (
    _block,
    _block,
    _quoted,
    _flow,
    _mixed,
    _folded,
    _anchored,
    _json,
)


def _dump(one: Object, dumper: type[_Dumper], flow: bool | None = False, **how: Any) -> str:
    how.setdefault("width", 100_000)
    text: str = yaml.dump(
        one, Dumper=dumper, sort_keys=False, allow_unicode=True, default_flow_style=flow, **how
    )
    return text


def _commented(rng: Random, text: str) -> str:
    """Comments and empty lines between and behind the lines; no scalar of `text` spans lines."""
    lines: list[str] = []
    for line in text.splitlines():
        if rng.random() < 0.15:
            lines.append(rng.choice(["", "  " * rng.randrange(4) + rng.choice(_COMMENTS)]))
        lines.append(line + (f"  {rng.choice(_COMMENTS)}" if rng.random() < 0.15 else ""))
    return "\n".join(lines) + "\n"
