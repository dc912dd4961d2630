"""Makes a failing world small: objects, rules and fields go while it still fails, then it is text to keep.

What it prints fits `tests/golden/verdicts/`: the YAML and the packet, to be frozen there with a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any, TypeVar

from polc.tests.generators.styles import plain_text
from polc.tests.oracle.rule_reading import Packet

Object = dict[str, Any]
Objects = list[Object]
Item = TypeVar("Item")


def fewest(items: Sequence[Item], fails: Callable[[list[Item]], bool], most: int = 400) -> list[Item]:
    """The fewest items, in their order, found within `most` tries for which `fails` is still true.

    Leaves out halves, then quarters, and so on to single items (delta debugging, Zeller 2002).
    """
    left, tries, size = list(items), 0, -(-len(items) // 2)
    while size and tries < most:
        at, dropped = 0, False
        while at < len(left) and tries < most:
            candidate = left[:at] + left[at + size :]
            tries += 1
            if fails(candidate):
                left, dropped = candidate, True
            else:
                at += size
        size = size if dropped and size == 1 else size // 2
    return left


def shrink(objects: Sequence[Object], fails: Callable[[Objects], bool], most: int = 400) -> Objects:
    """The smallest objects found within `most` tries for which `fails` is still true.

    `fails` answers False for objects that are no valid case any more.
    """
    small, tries = deepcopy(list(objects)), 0
    while True:
        for candidate in _smaller(small):
            tries += 1
            if tries > most:
                return small
            if fails(candidate):
                small = candidate
                break
        else:
            return small


def _smaller(objects: Objects) -> Iterator[Objects]:
    """Every way to leave one thing out, the large things first."""
    for at in range(len(objects)):
        yield objects[:at] + objects[at + 1 :]
    for at, one in enumerate(objects):
        for path in _removable(one, ()):
            yield [*objects[:at], _without(one, path), *objects[at + 1 :]]


def _removable(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Places inside one object that may go, outer ones first; never what every object must have."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [(key, item) for key, item in inner]
    for key, _ in below:
        if key not in ("apiVersion", "kind", "metadata", "name", "namespace", "spec", "action"):
            yield (*path, key)
    for key, item in below:
        yield from _removable(item, (*path, key))


def _without(one: Object, path: tuple[Any, ...]) -> Object:
    copy = deepcopy(one)
    place: Any = copy
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return copy


def report(objects: Sequence[Object], direction: str, packet: Packet, what: str) -> str:
    """What a failing test shows."""
    return f"{what}\n{direction} {packet}\n{plain_text(objects)}"
