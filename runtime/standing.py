"""From a reading to one sentence: is a pair in force on this interface, which, and may it be bypassed?

Pure: it looks at a `Reading` and nothing else. Identity decides; numbers the kernel made up never do.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Standing:
    """gates: by direction, those of `core`. surplus: gates of ours that should not be there.

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


def judge(reading: Reading) -> Standing:
    """The standing of one interface."""
    if not reading.gates:
        return Standing(State.ABSENT, facts=("no polc gate is attached",))
    mode, core, gates = _chosen(reading)
    surplus = tuple(one for one in reading.gates if one not in gates.values())
    facts = [f"another polc gate runs on {one.runner.place}" for one in surplus]
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
    policies, differences = _pair(core)
    notes = _idle_notes(core)
    rival = [one for one in surplus if one.core != (core.slots, core.word)]
    if differences or policies is None or any(reading.cores[one.core].value for one in rival):
        return Standing(
            State.MIXED, mode, core, gates, surplus, facts=(*facts, *differences), notes=tuple(notes)
        )
    bypass = tuple(runner for gate in gates.values() for runner in reading.before(gate))
    facts += [f"{one.name or 'a program'} runs before the gate on {one.place}" for one in bypass]
    state = State.BYPASSABLE if bypass else State.ENFORCING
    return Standing(state, mode, core, gates, surplus, policies, bypass, tuple(facts), tuple(notes))


def _chosen(reading: Reading) -> tuple[Mode, Core, dict[Direction, Gate]]:
    """The core and mode that most gates agree on: complete before incomplete, armed before not, first before
    later on the hook."""
    best: tuple[tuple[int, bool], Mode, Core, dict[Direction, Gate]] | None = None
    for key, core in reading.cores.items():
        for mode in Mode:
            gates: dict[Direction, Gate] = {}
            for gate in reading.gates:
                if gate.core == key and gate.runner.hook is hook_of(mode, gate.direction):
                    gates.setdefault(gate.direction, gate)
            rank = len(gates), core.value != 0
            if best is None or rank > best[0]:
                best = rank, mode, core, gates
    assert best is not None, "called with at least one gate, and each gate has a core"
    return best[1:]


def _missing_gate(direction: Direction, mode: Mode) -> str:
    return f"no gate on tc {hook_of(mode, direction).word}: policy {direction.word} is not enforced"


def _pair(core: Core) -> tuple[tuple[Policy, Policy] | None, list[str]]:
    """The two programs in force when they are one pair in its place, else what speaks against it."""
    ingress, egress = core.active
    faults = [fault for direction in Direction for fault in _slot_faults(core, direction)]
    if not isinstance(ingress, Policy) or not isinstance(egress, Policy):
        return None, faults
    if ingress.identity != egress.identity:
        faults.append(f"ingress runs {ingress.identity}, egress runs {egress.identity}")
    return (None, faults) if faults else ((ingress, egress), [])


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


def _idle_notes(core: Core) -> list[str]:
    if core.idle == core.active:
        return []
    names = sorted({_name(one) for one in core.idle})
    return [f"unfinished swap: bank {1 - bank_of(core.value)}, not in force, holds {', '.join(names)}"]


def _name(content: Slot) -> str:
    if content is None:
        return "nothing"
    return content.identity if isinstance(content, Policy) else f"program {content.program}"
