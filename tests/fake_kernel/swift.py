"""Thousands of attaches a minute: what the runtime computes from an object alone is computed once.

Only pure functions of an object's bytes, of a direction or of a section's bytes are remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from polc.runtime import gate, loader, policy

_OF_AN_OBJECT = ("map_specs", "loadable", "datasec_id", "debug_info")
_KEPT: dict[tuple[object, ...], Any] = {}


def _remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """By the object's identity; the object is kept, so that its id stays its own."""

    def inner(elf: object, *rest: object) -> Any:
        key = (function, id(elf), *rest)
        if key not in _KEPT:
            _KEPT[key] = (function(elf, *rest), elf)
        return _KEPT[key][0]

    return inner


def make_swift(patch: pytest.MonkeyPatch) -> None:
    """Until the patch is undone."""
    for name in _OF_AN_OBJECT:
        patch.setattr(loader, name, _remembered(getattr(loader, name)))
    for module, name in ((gate, "gate_code"), (gate, "metadata_btf"), (policy, "decode")):
        patch.setattr(module, name, cache(getattr(module, name)))
