"""What the fake kernel really does with a packet, read from its objects and not through the doors.

The witness against which the runtime's own words are held: per hook the gates of ours in running order, and
for each whether a packet passes unjudged, is dropped, or is judged by which program of which generation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from polc.pair import layout
from polc.pair.layout import Config, Direction, Rodata, bank_of, slot
from polc.runtime.hooks import Mode, TcHook, hook_of
from polc.tests.fake_kernel.devices import Device, Namespace
from polc.tests.fake_kernel.machine import ROOT, FakeKernel
from polc.tests.fake_kernel.objects import Link, Map, Program, Thing

GATE: Final = "polc_gate_"
HOOKS: Final = tuple(TcHook)  # walking an enum itself takes ten times as long
_KEY: Final = bytes(4)


@dataclass(frozen=True, slots=True)
class Policy:
    identity: str
    direction: str
    generation: int


class Fate(NamedTuple):
    """What one gate does with a packet. word 0: passes unjudged. policy None: dropped. core: its slot map."""

    core: int
    direction: str
    word: int
    policy: Policy | None

    @property
    def enforced(self) -> bool:
        return self.word != 0


Hooks = dict[TcHook, tuple[Fate, ...]]


def is_gate(program: Program | None) -> bool:
    return program is not None and program.owner == "polc" and program.name.startswith(GATE)


def policy_of(program: Program) -> Policy:
    """From the sections its maps hold, which are frozen: read once."""
    if isinstance(program.meaning, Policy):
        return program.meaning
    sections = {one.name.partition(".")[2]: one.values[_KEY] for one in program.maps if ".rodata" in one.name}
    said = Rodata.unpack(sections["rodata"])
    generation = Config.unpack(sections["rodata.config"]).generation
    program.meaning = Policy(said.identity, said.direction, generation)
    return program.meaning


@dataclass(frozen=True, slots=True)
class Gate:
    """The two maps behind a gate."""

    slots: Map
    word: Map
    direction: str
    indices: tuple[int, int]  # into the slots, by bank


def gate_of(program: Program) -> Gate:
    if isinstance(program.meaning, Gate):
        return program.meaning
    maps = {one.name: one for one in program.maps}
    direction = next(one for one in Direction if program.name == f"{GATE}{one.word[:2]}")
    indices = slot(0, direction), slot(1, direction)
    program.meaning = Gate(maps[layout.MAP_SLOTS], maps[layout.MAP_WORD], direction.word, indices)
    return program.meaning


def fate(program: Program) -> Fate:
    gate = gate_of(program)
    word = gate.word.word
    judge = gate.slots.programs.get(gate.indices[bank_of(word)]) if word else None
    policy = policy_of(judge) if judge is not None else None
    return Fate(gate.slots.id, gate.direction, word, policy)


def gates_of(device: Device, hook: TcHook) -> list[Program]:
    """Ours on one hook, in running order."""
    return [one for one, _ in device.everything(hook) if one is not None and is_gate(one)]


def hooks_of(device: Device) -> Hooks:
    return {hook: tuple([fate(one) for one in gates_of(device, hook)]) for hook in HOOKS}


def before_gates(device: Device) -> tuple[str, ...]:
    """Owners of foreign programs that run before the first gate of ours, hook by hook."""
    found: list[str] = []
    for hook in HOOKS:
        everything = device.everything(hook)
        gates = [at for at, (program, _) in enumerate(everything) if is_gate(program)]
        found += [owner for _, owner in everything[: gates[0] if gates else 0]]
    return tuple(found)


def in_force(hooks: Hooks) -> str | None:
    """The one identity that judges both directions in one generation over one core, else None."""
    fates = [one for hook in HOOKS for one in hooks[hook]]
    policies = {(one.core, one.policy.identity, one.policy.generation) for one in fates if one.policy}
    if len(policies) != 1 or any(one.policy is None for one in fates):
        return None
    if any(_crossed(hooks, mode) for mode in Mode):
        return policies.pop()[1]
    return None


def _crossed(hooks: Hooks, mode: Mode) -> bool:
    """Whether each hook has gates, and only of the direction that the mode puts there."""
    found = {one: {fate.direction for fate in hooks[hook_of(mode, one)]} for one in Direction}
    return all(found[one] == {one.word} for one in Direction)


def leaked(
    kernel: FakeKernel, spaces: list[Namespace], here: Namespace, held: Iterable[Thing] = ()
) -> tuple[str, ...]:
    """polc's objects and pins that no gate on a living device's hook needs, but for what is `held` open.

    A device that was moved away leaves its pins under its old namespace, where only a command that runs there
    can tell that they serve nobody: pins of other namespaces than `here` are not held against anybody.
    """
    needed: set[Thing] = set()
    for thing in held:
        _reach(thing, needed)
    places: set[str] = set()
    for space in spaces:
        for device in space.devices.values():
            for hook in HOOKS:
                for program, _ in device.everything(hook):
                    if program is not None and is_gate(program):
                        _reach(program, needed)
                        places.add(f"{space.cookie}-{device.index}")
                for entry in device.tcx[hook].entries:
                    if entry.link is not None:
                        needed.add(entry.link)
    elsewhere = {path for path in kernel.pins if not path.parent.name.startswith(f"{here.cookie}-")}
    for path in elsewhere:
        _reach(kernel.pins[path], needed)
        places.add(path.parent.name)
    out = [
        f"{type(thing).__name__} {thing.id} {getattr(thing, 'name', '')}"
        for things in kernel.objects.living.values()
        for thing in things.values()
        if thing.owner == "polc" and thing not in needed
    ]
    ours = [path for path in kernel.pins if path not in kernel.foreign_pins]
    out += [f"pin {path}" for path in ours if path.parent.name not in places]
    kept = {*ROOT.parents, ROOT, *(one for path in kernel.pins for one in path.parents)}
    left = {path for path in kernel.directories - kept if path.name.startswith(f"{here.cookie}-")}
    out += [f"directory {path}" for path in left]
    return tuple(out)


def _reach(thing: Thing, found: set[Thing]) -> None:
    if thing in found:
        return
    found.add(thing)
    held: list[Thing | None] = []
    if isinstance(thing, Program):
        held = [*thing.maps, thing.btf]
    elif isinstance(thing, Map):
        held = [*thing.programs.values(), thing.inner, thing.btf]
    elif isinstance(thing, Link):
        held = [thing.program]
    for one in held:
        if one is not None:
            _reach(one, found)
