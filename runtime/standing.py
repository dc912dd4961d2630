"""From a reading to one sentence: is a pair in force on this interface, which, and may it be bypassed?

Pure: it looks at a `Reading` and nothing else. Identity decides; numbers the kernel made up never do.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from ..pair.layout import Direction, bank_of
from .hooks import Mode, Runner, hook_of
from .policy import Policy
from .readback import Core, Gate, Reading, Slot


class State(StrEnum):
    ABSENT = "absent"  # no gate of ours: not enforcing
    NOT_ARMED = "not-armed"  # both gates, commit word 0: everything passes
    CLOSED = "closed"  # both gates, in force, no policy yet: everything is dropped
    ENFORCING = "enforcing"
    BYPASSABLE = "may-be-bypassed"  # enforcing, but a foreign program decides first
    MIXED = "mixed"  # what is in force in the two directions is not one pair
    INCOMPLETE = "incomplete"  # a gate or a program of one direction is missing
    OTHER_VERSION = "other-version"  # only gates of another polc, whose meaning is not known here


@dataclass(frozen=True, slots=True)
class Standing:
    """gates: by direction, those of `core`. surplus: gates of ours that should not be there. elder: the core
    behind gates of another version, whose flow table goes on.

    facts: findings that make or explain the state. notes: true things that do not change it.
    """

    state: State
    mode: Mode | None = None
    core: Core | None = None
    gates: dict[Direction, Gate] = field(default_factory=dict)
    surplus: tuple[Gate, ...] = ()
    policies: tuple[Policy, Policy] | None = None
    bypass: tuple[Runner, ...] = ()
    facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    elder: Core | None = None

    @property
    def in_force(self) -> bool:
        return self.state in (State.ENFORCING, State.BYPASSABLE)

    @property
    def identity(self) -> str | None:
        """The identity in force, in hex."""
        return self.policies[0].identity if self.policies and self.in_force else None

    @property
    def generation(self) -> int:
        return self.core.value if self.core else 0


def judge(reading: Reading, foreign: Collection[tuple[int, int]] = ()) -> Standing:
    """The standing of one interface. foreign: cores that other interfaces' gates stand on too."""
    own = tuple(one for one in reading.gates if one.core not in foreign)
    facts = [f"a gate of another version of polc runs on {one.runner.place}" for one in reading.elders]
    elder = reading.cores[reading.elders[0].core] if reading.elders else None
    if not own:
        surplus = (*reading.gates, *reading.elders)
        facts += [f"the gate on {one.runner.place} is another interface's" for one in reading.gates]
        state = State.OTHER_VERSION if reading.elders else State.MIXED if reading.gates else State.ABSENT
        facts += [] if surplus else ["no polc gate is attached"]
        return Standing(state, surplus=surplus, facts=tuple(facts), elder=elder)
    mode, core, gates = _chosen(reading, own)
    surplus = (*(one for one in reading.gates if one not in gates.values()), *reading.elders)
    facts += [f"another polc gate runs on {one.runner.place}" for one in surplus if one in reading.gates]
    missing = [direction for direction in Direction if direction not in gates]
    if missing:
        facts += [_missing_gate(direction, mode) for direction in missing]
        return Standing(State.INCOMPLETE, mode, core, gates, surplus, facts=tuple(facts))
    if core.value == 0:
        facts.append("the commit word is 0: both gates let everything through")
        return Standing(State.NOT_ARMED, mode, core, gates, surplus, facts=tuple(facts))
    if core.active == (None, None):
        facts.append("no policy in force yet: both gates drop everything")
        return Standing(State.CLOSED, mode, core, gates, surplus, facts=tuple(facts))
    return _armed(reading, mode, core, gates, surplus, facts)


def _armed(
    reading: Reading,
    mode: Mode,
    core: Core,
    gates: dict[Direction, Gate],
    surplus: tuple[Gate, ...],
    facts: list[str],
) -> Standing:
    empty = [direction for direction in Direction if core.active[direction] is None]
    if empty:
        facts += [f"the {one.word} slot in force is empty: {one.word} packets are dropped" for one in empty]
        return Standing(State.INCOMPLETE, mode, core, gates, surplus, facts=tuple(facts))
    unlike = differences(core)
    notes = idle_notes(core)
    rival = [one for one in surplus if one.core != (core.slots, core.word)]
    if unlike or any(reading.cores[one.core].value for one in rival):
        return Standing(State.MIXED, mode, core, gates, surplus, facts=(*facts, *unlike), notes=tuple(notes))
    bypass = tuple(runner for gate in gates.values() for runner in reading.before(gate))
    facts += [f"{one.name or 'a program'} runs before the gate on {one.place}" for one in bypass]
    policies = tuple(one for one in core.active if isinstance(one, Policy))
    state = State.BYPASSABLE if bypass else State.ENFORCING
    return Standing(
        state, mode, core, gates, surplus, (policies[0], policies[1]), bypass, tuple(facts), tuple(notes)
    )


def _chosen(reading: Reading, own: tuple[Gate, ...]) -> tuple[Mode, Core, dict[Direction, Gate]]:
    """The core and mode that most gates agree on: complete before incomplete, armed before not, first before
    later on the hook."""
    best: tuple[tuple[int, bool], Mode, Core, dict[Direction, Gate]] | None = None
    for key in dict.fromkeys(one.core for one in own):
        core = reading.cores[key]
        for mode in Mode:
            gates: dict[Direction, Gate] = {}
            for gate in own:
                if gate.core == key and gate.runner.hook is hook_of(mode, gate.direction):
                    gates.setdefault(gate.direction, gate)
            rank = len(gates), core.value != 0
            if best is None or rank > best[0]:
                best = rank, mode, core, gates
    assert best is not None, "called with at least one gate"
    return best[1:]


def _missing_gate(direction: Direction, mode: Mode) -> str:
    return f"no gate on tc {hook_of(mode, direction).word}: policy {direction.word} is not enforced"


def differences(core: Core) -> list[str]:
    """What speaks against the two programs in force being one pair, each in its place; none when they are."""
    ingress, egress = core.active
    faults = [fault for direction in Direction for fault in _slot_faults(core, direction)]
    if isinstance(ingress, Policy) and isinstance(egress, Policy) and ingress.identity != egress.identity:
        faults.append(f"ingress runs {ingress.identity}, egress runs {egress.identity}")
    return faults


def _slot_faults(core: Core, direction: Direction) -> list[str]:
    found = core.active[direction]
    if not isinstance(found, Policy):
        return [f"the {direction.word} slot in force holds a program that is no policy of this layout"]
    faults = []
    if not found.is_for(direction):
        faults.append(f"the {direction.word} slot in force holds an {found.direction} program")
    if found.config.generation != core.value:
        faults.append(
            f"the {direction.word} program was loaded for generation {found.config.generation},"
            f" the word says {core.value}"
        )
    return faults


def idle_notes(core: Core) -> list[str]:
    """What the bank that is not in force holds when it differs from the other."""
    if core.idle == core.active:
        return []
    names = sorted({_name(one) for one in core.idle})
    return [f"unfinished swap: bank {1 - bank_of(core.value)}, not in force, holds {', '.join(names)}"]


def _name(content: Slot) -> str:
    if content is None:
        return "nothing"
    return content.identity if isinstance(content, Policy) else f"program {content.program}"
