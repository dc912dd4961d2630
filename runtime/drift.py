"""What differs between an interface and what is wanted of it, each kind under a name of its own.

Pure: from a reading of the kernel, and from pins as hints about where a device came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict

from ..pair.layout import Direction
from .change import Change, Wish
from .hooks import hook_of
from .readback import Core, Gate, Reading
from .standing import Standing, differences, idle_notes

_SHORT: Final = 12  # hex digits of an identity, as people read them
_OLD_PINS: Final = "attach both gates anew, and remove the old pins"


class Drift(StrEnum):
    """The kinds of difference. The last four are no fault of anybody: an update, or a step not taken yet."""

    BOTH_MISSING = "both-missing"
    ONE_HOOK_MISSING = "one-hook-missing"
    GATE_VERSION = "gate-version"  # a gate that another version of polc attached
    FOREIGN_MAP = "foreign-map"  # a gate over maps that are not this interface's
    MIXED_IDENTITY = "mixed-identity"
    STALE_DUPLICATE = "stale-duplicate"
    FOREIGN_FIRST = "foreign-first"  # somebody else's program decides before the gate
    DEVICE_RECREATED = "device-recreated"
    DEVICE_MOVED = "device-moved"  # to another network namespace
    PIN_LOST = "pin-lost"
    SLOTS_EMPTIED = "slots-emptied"
    NOT_ARMED = "not-armed"
    IDLE_BANK = "idle-bank"  # an unfinished swap
    OTHER_POLICY = "other-policy"
    SETTINGS = "settings"


class Finding(BaseModel):
    """One difference. detail: what was found, where. repair: what attaching does about it ("" = nothing)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drift: Drift
    detail: str
    repair: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Pins of a device that is not here any more, for the same endpoint. here: it was in this namespace."""

    directory: str
    here: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """All that is known of an interface. foreign: cores that other interfaces' gates read too.

    wrong: names of pins that are missing or lead elsewhere. twins: directories elsewhere that pin the same
    slot map. origin: where a device without gates seems to come from.
    """

    reading: Reading
    standing: Standing
    wish: Wish
    change: Change
    foreign: frozenset[tuple[int, int]] = frozenset()
    wrong: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    origin: Origin | None = None


def drifts(sight: Sight) -> tuple[Finding, ...]:
    """Every difference, in a fixed order; none when all is as wanted."""
    if not sight.reading.gates and not sight.reading.elders:
        return (_missing_wholly(sight),)
    found = (_gates, _surplus, _contents, _pins)
    return tuple(finding for look in found for finding in look(sight))


def _finding(drift: Drift, detail: str, repair: str) -> Finding:
    return Finding(drift=drift, detail=detail, repair=repair)


def _missing_wholly(sight: Sight) -> Finding:
    none = "no polc gate on tc ingress and egress"
    if sight.origin is None:
        return _finding(Drift.BOTH_MISSING, none, "attach both gates")
    whose = f"pins under {sight.origin.directory} are of the same endpoint's device"
    if sight.origin.here:
        return _finding(Drift.DEVICE_RECREATED, f"{none}; {whose}, which is gone", _OLD_PINS)
    return _finding(Drift.DEVICE_MOVED, f"{none}; {whose} in another namespace, which has no gate", _OLD_PINS)


def _gates(sight: Sight) -> Iterator[Finding]:
    """Gates that are missing, in the wrong place, or not decided by first."""
    standing = sight.standing
    others = {
        one.direction for one in standing.surplus if one in sight.reading.elders or _is_alien(sight, one)
    }
    for direction in Direction:
        if standing.gates and direction not in {*standing.gates, *others}:
            where = hook_of(sight.wish.mode, direction).word
            yield _finding(
                Drift.ONE_HOOK_MISSING,
                f"no {direction.word} gate on tc {where}",
                f"attach the {direction.word} gate",
            )
    moving = [one for one in standing.gates.values() if one in sight.change.surplus]
    for gate in moving:
        yield _finding(
            Drift.SETTINGS,
            f"the {gate.direction.word} gate is on {gate.runner.place}, {_place(sight, gate)} is wanted",
            "attach it there, then remove the old one",
        )
    for gate in standing.gates.values():
        for runner in sight.reading.before(gate):
            yield _finding(
                Drift.FOREIGN_FIRST,
                f"{runner.name or f'program {runner.program}'} runs before the gate on {runner.place};"
                " what is not polc's is never touched",
                "",
            )


def _place(sight: Sight, gate: Gate) -> str:
    return f"{sight.change.mechanism} {hook_of(sight.wish.mode, gate.direction).word}"


def _surplus(sight: Sight) -> Iterator[Finding]:
    """Gates of ours that should not be there."""
    standing, reading = sight.standing, sight.reading
    for gate in standing.surplus:
        where = f"the {gate.direction.word} gate on {gate.runner.place}"
        if gate in reading.elders:
            yield _finding(
                Drift.GATE_VERSION,
                f"{where} is of another version of polc",
                "put gates of this version in force beside it, then remove it",
            )
        elif _is_alien(sight, gate):
            whose = "another interface's" if gate.core in sight.foreign else "not the other gate's"
            yield _finding(
                Drift.FOREIGN_MAP,
                f"{where} reads slot map {gate.slots} and word {gate.word}, which are {whose}",
                "put a gate over this interface's own maps in force beside it, then remove it",
            )
        else:
            yield _finding(Drift.STALE_DUPLICATE, f"{where} is one too many", "remove it")


def _is_alien(sight: Sight, gate: Gate) -> bool:
    """Whether the gate reads maps that are not this interface's."""
    core, kept = sight.standing.core, gate.direction in sight.standing.gates
    return gate.core in sight.foreign or (
        not kept and core is not None and gate.core != (core.slots, core.word)
    )


def _contents(sight: Sight) -> Iterator[Finding]:
    """What the slots hold, and the word says."""
    core = sight.standing.core
    if core is None:
        return
    swap = "load the pair and put both directions in force with one store"
    if core.value == 0:
        yield _finding(Drift.NOT_ARMED, "the commit word is 0: both gates let everything through", swap)
        return
    empty = [direction for direction in Direction if core.active[direction] is None]
    unlike = differences(core) if not empty else []
    if empty:
        what = " and ".join(one.word for one in empty)
        yield _finding(Drift.SLOTS_EMPTIED, f"no {what} program in the slots in force: dropped", swap)
    elif unlike:
        yield _finding(Drift.MIXED_IDENTITY, "; ".join(unlike), swap)
    else:
        yield from _policy(sight, core, swap)
    if not empty and not unlike:
        for note in idle_notes(core):
            yield _finding(Drift.IDLE_BANK, note, "overwrite that bank with the pair in force")


def _policy(sight: Sight, core: Core, swap: str) -> Iterator[Finding]:
    in_force = {getattr(one, "identity", "") for one in core.active}
    if in_force != {sight.wish.identity}:
        held = "".join(sorted(in_force))
        yield _finding(
            Drift.OTHER_POLICY, f"{held[:_SHORT]} is in force, {sight.wish.identity[:_SHORT]} is wanted", swap
        )
    elif sight.change.generation and sight.change.core is not None:
        yield _finding(Drift.SETTINGS, "; ".join(sight.change.notes) or "other settings are in force", swap)


def _pins(sight: Sight) -> Iterator[Finding]:
    if not sight.standing.gates or not sight.wrong:
        return
    if sight.twins:
        yield _finding(
            Drift.DEVICE_MOVED,
            f"its gates are pinned under {', '.join(sight.twins)}: it came from another namespace",
            "pin them under its own name, and remove those pins",
        )
        return
    yield _finding(
        Drift.PIN_LOST, f"missing or leading elsewhere: pin {', '.join(sight.wrong)}", "set the pins right"
    )
