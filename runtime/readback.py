"""What the kernel holds on one interface: hook → gate → slot map and commit word → programs → identity.

The kernel is the only witness: nothing here is remembered, and no pin path, handle or preference is trusted.
By-id reads need CAP_SYS_ADMIN.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from ..pair.layout import SLOT_COUNT, Direction, bank_of, slot
from .bpf import Fd, Object
from .errors import GoneError, cannot
from .gate import FoundGate, Gates
from .hooks import Runner, TcHook, runners
from .kernel import Kernel
from .netlink import Link
from .policy import Policy, Stranger, read_policy
from .section import KnownMaps

_TRIES: Final = 64
_WORD_BYTES: Final = 8
_ID_BYTES: Final = 4
_BANKS: Final = [(slot(bank, Direction.INGRESS), slot(bank, Direction.EGRESS)) for bank in (0, 1)]

Slot = Policy | Stranger | None


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate of ours on a hook. slots, word: the ids of the two maps behind it."""

    runner: Runner
    direction: Direction
    slots: int
    word: int

    @property
    def core(self) -> tuple[int, int]:
        return self.slots, self.word


@dataclass(frozen=True, slots=True)
class Core:
    """A slot map and a commit word as gates refer to them. contents: by slot index."""

    slots: int
    word: int
    value: int
    contents: tuple[Slot, ...]

    def bank(self, bank: int) -> tuple[Slot, Slot]:
        ingress, egress = _BANKS[bank]
        return self.contents[ingress], self.contents[egress]

    @property
    def active(self) -> tuple[Slot, Slot]:
        return self.bank(bank_of(self.value))

    @property
    def idle(self) -> tuple[Slot, Slot]:
        return self.bank(1 - bank_of(self.value))


@dataclass(frozen=True, slots=True)
class Reading:
    """One interface as read. hooks: everything that runs, in order. gates: ours among it, hook by hook.

    elders: gates of ours that another version of polc attached. cores: behind gates and elders.
    """

    link: Link
    hooks: Mapping[TcHook, tuple[Runner, ...]]
    gates: tuple[Gate, ...]
    cores: Mapping[tuple[int, int], Core]
    elders: tuple[Gate, ...] = ()

    def before(self, gate: Gate) -> tuple[Runner, ...]:
        """Foreign programs and classifiers that run before the gate on its hook and can decide instead."""
        ours = {one.runner for one in (*self.gates, *self.elders)}
        order = self.hooks[gate.runner.hook]
        earlier = order[: order.index(gate.runner)]
        return tuple(one for one in earlier if one not in ours and not (one.filter and one.filter.chain))


@dataclass(frozen=True, slots=True)
class Known:
    """What programs say of themselves, by id: it cannot change while they live, and no id comes twice in the
    moment that a pass takes (the kernel counts them up). For several readings in one pass, never longer.

    maps: those of their maps that cannot change. before: what earlier passes read, which is asked whether it
    is of the same program still.
    """

    gates: dict[int, FoundGate] = field(default_factory=dict)
    policies: dict[int, Policy] = field(default_factory=dict)
    maps: KnownMaps = field(default_factory=dict)
    before: dict[int, FoundGate | Policy] = field(default_factory=dict)


def read(
    kernel: Kernel,
    link: Link,
    gates: Gates | None = None,
    held: ExitStack | None = None,
    known: Known | None = None,
) -> Reading:
    """Reads one interface. Raises CannotError when the kernel does not let us look: unknown is not absent.

    GoneError when there is no such device any more. held: keeps the program arrays open longer than the
    reading, for who is going to fill one: where no pin holds it, closing it has the kernel empty it later.
    Within a reading each is opened and closed once: two closes while the kernel's work is pending lose a
    reference for ever (kernel/bpf/arraymap.c of Linux 6.18, prog_array_map_clear: it counts the map up before
    schedule_work, whose answer it ignores).
    """
    try:
        with ExitStack() as own:
            look = _Look(kernel, gates or Gates(), own if held is None else held, known or Known())
            return look.read(link)
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise GoneError(f"{link.name} went away while it was looked at", "see `ip link`") from error
        raise cannot(error, f"read what is attached to {link.name}") from error


@dataclass(frozen=True, slots=True)
class _Look:
    """One reading and what it needs."""

    kernel: Kernel
    gates: Gates
    held: ExitStack
    known: Known

    def read(self, link: Link) -> Reading:
        hooks = {hook: runners(self.kernel, link.index, hook) for hook in TcHook}
        found: dict[bool, list[Gate]] = {False: [], True: []}
        for runner in (*hooks[TcHook.INGRESS], *hooks[TcHook.EGRESS]):
            gate = self._recognised(runner)
            if gate is not None and (gate.genuine or gate.elder) and gate.direction is not None:
                found[gate.elder].append(Gate(runner, gate.direction, gate.slots, gate.word))
        ours, elders = found[False], found[True]
        numbers = dict.fromkeys(gate.core for gate in (*ours, *elders))
        cores = {core: read_core(self.kernel, *core, self.known) for core in numbers}
        return Reading(link, hooks, tuple(ours), cores, tuple(elders))

    def _recognised(self, runner: Runner) -> FoundGate | None:
        if not runner.program or (runner.filter is not None and not runner.filter.direct):
            return None
        if runner.program in self.known.gates:
            return self.known.gates[runner.program]
        program = self.kernel.bpf.fd_by_id(Object.PROG, runner.program)
        if program is None:
            return None
        with program:
            before = self.known.before.get(runner.program)
            met = before if isinstance(before, FoundGate) else None
            gate = self.gates.recognise(self.kernel.bpf, program, self.held, met)
        if gate is not None and gate.genuine:
            self.known.gates[runner.program] = gate
        return gate


def read_core(kernel: Kernel, slots_id: int, word_id: int, known: Known) -> Core:
    """Reads word, slots, word again; once more when the word moved or a program left meanwhile."""
    with _map(kernel, slots_id) as slots, _map(kernel, word_id) as word:
        for _ in range(_TRIES):
            before = _word(kernel, word)
            found = contents(kernel, slots, known)
            if before == _word(kernel, word) and not any(one is _GONE for one in found):
                return Core(slots_id, word_id, before, found)
    raise OSError(errno.EAGAIN, "the slots kept changing while they were read")


def _map(kernel: Kernel, number: int) -> Fd:
    map_ = kernel.bpf.fd_by_id(Object.MAP, number)
    if map_ is None:
        raise OSError(errno.EAGAIN, f"map {number} left while it was read")
    return map_


def _word(kernel: Kernel, word: Fd) -> int:
    return int.from_bytes(kernel.bpf.map_lookup(word, bytes(4), _WORD_BYTES) or b"", "little")


_GONE: Final = Stranger(0, "")  # the slot was overwritten between reading its id and opening the program


def contents(kernel: Kernel, slots: Fd, known: Known) -> tuple[Slot, ...]:
    """What is in each slot of a slot map; a program that is in several is read once. Raises BpfError."""
    raw = [kernel.bpf.map_lookup(slots, n.to_bytes(4, "little"), _ID_BYTES) for n in range(SLOT_COUNT)]
    ids = [int.from_bytes(one, "little") if one is not None else 0 for one in raw]
    read = {number: _program(kernel, number, known) for number in dict.fromkeys(ids) if number}
    return tuple(read.get(number) for number in ids)


def _program(kernel: Kernel, number: int, known: Known) -> Slot:
    if number in known.policies:
        return known.policies[number]
    program = kernel.bpf.fd_by_id(Object.PROG, number)
    if program is None:
        return _GONE
    before = known.before.get(number)
    with program:
        found = read_policy(kernel.bpf, program, known.maps, before if isinstance(before, Policy) else None)
    if isinstance(found, Policy):
        known.policies[number] = found
    return found
