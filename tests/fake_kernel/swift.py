"""Thousands of attaches a minute: what has been computed or read once and cannot be otherwise is kept.

Computed: pure functions of an object's bytes, of a direction or of a section's bytes. Read: what a program
and its frozen maps say of themselves. Such a reading is passed over, its door calls counted, only where none
of them is to be refused, nobody acts between them and the kernel has put no work off; else it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import Any, TypeVar

import pytest
from polc.pair import layout
from polc.runtime import gate, loader, policy, readback
from polc.runtime.bpf import Bpf, Fd, MapType
from polc.runtime.gate import FoundGate, Gates
from polc.runtime.policy import Policy, Stranger
from polc.runtime.section import KnownMaps
from polc.tests.fake_kernel.door import Door
from polc.tests.fake_kernel.objects import Program, Seen

_OF_AN_OBJECT = ("debug_info",)
_OF_BYTES = ((gate, "gate_code"), (gate, "metadata_btf"), (policy, "decode"))
_KEPT: dict[tuple[object, ...], Any] = {}
_T = TypeVar("_T")


def _remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """By the object's identity; the object is kept, so that its id stays its own."""

    def inner(elf: object, *rest: object) -> Any:
        key = (function, id(elf), *rest)
        if key not in _KEPT:
            _KEPT[key] = (function(elf, *rest), elf)
        return _KEPT[key][0]

    return inner


def _passed_over(
    bpf: Bpf,
    fd: Fd,
    name: str,
    read: Callable[[], _T],
    lasting: Callable[[_T], bool],
    held: ExitStack | None = None,
) -> _T:
    """What `read` answers; `lasting` says which answers can never change while the program lives.

    Opening and closing a program array that nobody else holds changes it: then the reading is done. held: has
    the program's arrays, as the reading would have left it.
    """
    if not isinstance(bpf, Door):
        return read()
    process = bpf.process
    program = bpf.as_a(Program, fd)
    arrays = [one for one in program.maps if one.shape.type is MapType.PROG_ARRAY]
    known = program.seen.get(name)
    if known is not None and known.maps == len(program.maps) and process.uneventful(len(known.calls)):
        if all(one.users for one in arrays):
            process.pass_over(known.calls)
            if held is not None:
                for one in arrays:
                    held.enter_context(process.open(one))
            return known.answer  # type: ignore[return-value]
        return read()
    start, met = process.calls, process.met
    answer = read()
    if process.met == met and lasting(answer):
        program.seen[name] = Seen(answer, tuple(process.trace[start:]), len(program.maps))
    return answer


def make_swift(patch: pytest.MonkeyPatch) -> None:
    """Until the patch is undone."""
    for name in _OF_AN_OBJECT:
        patch.setattr(loader, name, _remembered(getattr(loader, name)))
    for module, name in _OF_BYTES:
        patch.setattr(module, name, cache(getattr(module, name)))
    for cls in (layout.Rodata, layout.Config):
        patch.setattr(cls, "unpack", cache(cls.unpack))
    read_policy, recognise = policy.read_policy, Gates.recognise

    def swift_policy(
        bpf: Bpf, program: Fd, known: KnownMaps | None = None, before: Policy | None = None
    ) -> Policy | Stranger:
        maps = bpf.as_a(Program, program).maps if isinstance(bpf, Door) else []
        unread = [one.id for one in maps if one.id in (known or {})]  # of known maps it reads nothing
        return _passed_over(
            bpf,
            program,
            f"policy beside {unread}, {'met before' if before is not None else 'new'}",
            lambda: read_policy(bpf, program, known, before),
            lambda found: isinstance(found, Policy),
        )

    def swift_gate(
        self: Gates, bpf: Bpf, program: Fd, held: ExitStack | None = None, before: FoundGate | None = None
    ) -> FoundGate | None:
        return _passed_over(
            bpf,
            program,
            f"gate {'held' if held is not None else ''} {'met before' if before is not None else 'new'}",
            lambda: recognise(self, bpf, program, held, before),
            lambda found: found is not None and found.genuine,
            held,
        )

    patch.setattr(readback, "read_policy", swift_policy)
    patch.setattr(Gates, "recognise", swift_gate)
