"""Carrying out a change on one interface: everything is made and read back first, then one store.

    maps → load both programs → pins → fill a bank → both gates → read back → the store → grace → settle

Before the store, a failure at any step takes back every step before it. After it, the new pair is in force
and the rest only tidies: what could not be tidied is said, and the next attach finishes it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from ..pair import layout
from ..pair.layout import Config, Direction, bank_of
from ..pair.object import ObjectPair
from . import hooks
from .bpf import Bpf, Fd, Object
from .change import Change
from .errors import CannotError, cannot
from .gate import Gates, create_slots
from .hits import Handover
from .hooks import FILTER_NAME, FILTER_NAME_OWN_CLSACT, Mechanism, TcHook
from .kernel import Kernel
from .loader import LoadedPair, Loading
from .netlink import Link
from .pins import SLOTS, WORD, Pins, Target, gate_pin
from .policy import Policy
from .readback import Core as Filled
from .readback import Known, Reading, read, read_core
from .rollback import Rollback
from .section import Frozen
from .standing import Standing
from .surroundings import Surroundings
from .swap import Banks
from .word import Word, create_word

_SHARED: Final = (layout.MAP_FLOWS, layout.MAP_EVENTS)  # state and events outlive a swap


@dataclass(frozen=True, slots=True)
class Site:
    """Where the work is done, and with what."""

    kernel: Kernel
    link: Link
    gates: Gates
    around: Surroundings
    known: Known
    frozen: Frozen

    @property
    def pins(self) -> Pins:
        return self.around.pins(self.link.index)

    @property
    def bpf(self) -> Bpf:
        return self.kernel.bpf


@dataclass(frozen=True, slots=True)
class Core:
    """The two maps behind the gates, held open."""

    slots: Fd
    word: Fd
    slots_id: int
    word_id: int


class Work:
    """One change, in the order of its methods. held: keeps open what is needed until the end. pinned: the
    pins of the gates that stay were just seen to be right.

    `begin`, `prepare` and `commit` raise CannotError, ObjectFault and OSError; what was done is then `undo`'s
    to take back. After `commit` nothing is taken back any more.
    """

    def __init__(
        self, site: Site, standing: Standing, change: Change, held: ExitStack, pinned: bool = False
    ) -> None:
        self._site = site
        self._standing = standing
        self._change = change
        self._held = held
        self._loading: Loading | None = None
        self._pair: LoadedPair | None = None
        self._filled: set[int] = set()
        # Where gates stay as they are, in sight a moment ago and under the lock, there is nothing to do but
        # to swap. A gate that goes meanwhile is missed when all is read back, a pin at the next look.
        self._swaps_only = bool(change.core) and not change.missing and not change.surplus
        self._pinned = self._swaps_only and pinned
        self._hits = Handover(site.bpf, change.core)
        self._core = self._open_core()
        self._word = Word(site.bpf, self._core.word, writable=True)
        held.callback(self._word.close)
        self._banks = Banks(site.bpf, self._core.slots, self._word)

    @property
    def at_rest(self) -> bool:
        """Whether no packet that read an earlier word can still be on its way to the bank to be filled; if
        one can, a grace period has to pass before `prepare`."""
        core = self._change.core
        return not self._change.generation or core is None or (core.value != 0 and core.idle == core.active)

    @property
    def settles(self) -> bool:
        """Whether a grace period has to pass between `commit` and `tidy`."""
        return self._change.settle and self._filled != {0, 1}

    # --- before the store ---------------------------------------------------------------------------

    def begin(self, pair: ObjectPair, config: Config) -> None:
        """Hands the programs to the verifier, which nobody has to wait for until `prepare`."""
        if self._change.generation:
            settings = replace(config, generation=self._change.generation)
            shared = {layout.MAP_SLOTS: self._core.slots, **self._shared_maps()}
            loading = Loading(self._site.bpf, pair, settings, shared, self._site.frozen)
            self._loading = self._held.enter_context(closing(loading))

    def prepare(self, undo: Rollback, until: ExitStack) -> None:
        """Everything but the store. until: keeps open what only taking back needs."""
        change = self._change
        if self._loading is not None:
            self._pair = self._held.enter_context(self._loading.finish())
        if not self._pinned:
            self._site.pins.put_if_wrong({SLOTS: self._core.slots, WORD: self._core.word}, undo, self._held)
        if change.first_closed:
            self._word.store(1)
        if self._pair is not None:
            self._hits.look()
            self._filled = self._banks_to_fill()
            for bank in sorted(self._filled):
                self._banks.note(bank, undo, until)
                self._banks.fill(bank, self._programs())
        if not self._pinned:
            self._attach_gates(undo)
        self._check()

    def commit(self) -> None:
        """The one store that puts both directions in force."""
        if self._change.generation:
            self._banks.put_in_force(self._change.generation)

    def _open_core(self) -> Core:
        bpf, core = self._site.bpf, self._change.core
        if core is None:
            slots, word = create_slots(bpf), create_word(bpf)
        else:
            slots, word = self._by_id(Object.MAP, core.slots), self._by_id(Object.MAP, core.word)
        for fd in (slots, word):
            self._held.enter_context(fd)
        if core is not None:
            return Core(slots, word, core.slots, core.word)
        return Core(slots, word, bpf.map_info(slots).id, bpf.map_info(word).id)

    def _by_id(self, kind: Object, number: int) -> Fd:
        fd = self._site.bpf.fd_by_id(kind, number)
        if fd is None:
            raise CannotError(f"{kind.name.lower()} {number} vanished while it was worked on", "try again")
        return fd

    def _shared_maps(self) -> dict[str, Fd]:
        """The flow table and event ring of the pair in force, so that a swap keeps them."""
        core = self._change.core or self._change.heir_of
        if core is None or core.value == 0:
            return {}
        known = next((one for one in core.active if isinstance(one, Policy)), None)
        ids = {name: known.maps[name] for name in _SHARED if name in known.maps} if known else {}
        return {
            name: self._held.enter_context(self._by_id(Object.MAP, number)) for name, number in ids.items()
        }

    def _banks_to_fill(self) -> set[int]:
        """Nothing reads either bank while the word is 0: then both are filled at once."""
        return {0, 1} if self._word.read() == 0 else {bank_of(self._change.generation)}

    def _programs(self) -> dict[Direction, Fd]:
        """The programs that are to be in force in the end."""
        if self._pair is not None:
            return {direction: self._pair.side(direction).program for direction in Direction}
        core = self._change.core
        found = core.active if core is not None else ()
        return {
            direction: self._held.enter_context(self._by_id(Object.PROG, one.program))
            for direction, one in zip(Direction, found, strict=True)
            if one is not None
        }

    def _attach_gates(self, undo: Rollback) -> None:
        own = self._ensure_clsact(undo)
        for direction, hook in self._change.missing:
            gate = self._site.gates.load(self._site.bpf, direction, self._core.slots, self._core.word)
            with gate:
                number = self._site.bpf.prog_info(gate).id
                undo.add(f"remove the gate on {hook.word}", partial(self._remove_gate, hook, number))
                try:
                    self._attach_gate(hook, gate, own, undo)
                except OSError as error:
                    where = f"{self._change.mechanism} {hook.word} of {self._site.link.name}"
                    raise cannot(error, f"attach the {direction.word} gate to {where}") from error
        for gate_kept in self._standing.gates.values():
            runner = gate_kept.runner
            if runner.link and gate_kept not in self._change.surplus:
                link = self._held.enter_context(self._by_id(Object.LINK, runner.link))
                self._site.pins.put_if_wrong({gate_pin(runner.hook): link}, undo, self._held)

    def _attach_gate(self, hook: TcHook, gate: Fd, own_clsact: bool, undo: Rollback) -> None:
        if self._change.mechanism is Mechanism.CLSACT:
            name = FILTER_NAME_OWN_CLSACT if own_clsact else FILTER_NAME
            hooks.attach_clsact(self._site.kernel, self._site.link.index, hook, gate, name)
            return
        link = hooks.attach_tcx(self._site.kernel, self._site.link.index, hook, gate)
        self._held.enter_context(link)
        self._site.pins.put(gate_pin(hook), link, undo, self._held)

    def _ensure_clsact(self, undo: Rollback) -> bool:
        """Makes the clsact that the missing gates need; whether the one there is of our making."""
        if self._change.mechanism is not Mechanism.CLSACT or not self._change.missing:
            return False
        kernel, index = self._site.kernel, self._site.link.index
        if kernel.net.has_clsact(index):
            present = (*self._standing.gates.values(), *self._standing.surplus)
            return any(one.runner.name == FILTER_NAME_OWN_CLSACT for one in present)
        try:
            kernel.net.add_clsact(index)
        except OSError as error:
            if error.errno == errno.EEXIST and kernel.net.has_clsact(index):
                return False  # somebody else made one since we looked: it is theirs
            raise cannot(error, f"make the clsact qdisc of {self._site.link.name}") from error
        undo.add("remove the clsact", partial(hooks.drop_empty_clsact, kernel, index))
        return True

    def _remove_gate(self, hook: TcHook, program: int) -> None:
        hooks.remove_program(self._site.kernel, self._site.link.index, hook, program)

    def _check(self) -> None:
        """Reads back before the store: both gates over our maps, the bank filled with our pair."""
        site, ours = self._site, (self._core.slots_id, self._core.word_id)
        if self._swaps_only:
            self._check_bank(read_core(site.kernel, *ours, site.known))
            return
        reading = read(site.kernel, site.link, site.gates, known=site.known)
        self._check_gates(reading, ours)
        if self._pair is not None:
            self._check_bank(reading.cores[ours])

    def _check_gates(self, reading: Reading, ours: tuple[int, int]) -> None:
        wanted = self._change
        places = {(gate.direction, gate.runner.hook) for gate in reading.gates if gate.core == ours}
        kept = {
            (gate.direction, gate.runner.hook)
            for gate in self._standing.gates.values()
            if gate not in wanted.surplus
        }
        if not places >= {*wanted.missing, *kept}:
            raise CannotError("a gate left its hook while it was being attached", "try again")

    def _check_bank(self, core: Filled) -> None:
        if self._pair is None:
            return
        generation = self._change.generation
        bank = core.bank(bank_of(generation))
        for direction, found in zip(Direction, bank, strict=True):
            if (
                not isinstance(found, Policy)
                or found.identity != self._pair.identity.hex()
                or not found.is_for(direction)
                or found.config.generation != generation
            ):
                raise CannotError(
                    f"the {direction.word} program read back from the kernel is not the one loaded",
                    "try again",
                )
        self._hits.follow(bank)

    # --- after the store ------------------------------------------------------------------------------

    def tidy(self, late: str = "") -> tuple[str, ...]:
        """Overwrites the other bank and removes surplus gates. Returns what failed.

        late: why no grace period could be waited for; then the other bank stays.
        """
        return _tried(
            ("overwrite the bank that is not in force", partial(self._settle, late)),
            ("remove surplus gates", self._remove_surplus),
        )

    def tidy_pins(self, standing: Standing, stale: Sequence[Pins]) -> tuple[str, ...]:
        """Removes pins that are not wanted: here, as read back, and `stale` elsewhere."""
        if self._pinned and not stale:
            return ()
        return _tried(("remove stale pins", partial(self._drop_stale_pins, standing, stale)))

    def _settle(self, late: str) -> None:
        if self.settles:
            if late:
                raise CannotError(late)
            self._hits.hand_over()
            self._banks.settle(self._programs())

    def _remove_surplus(self) -> None:
        kernel, index = self._site.kernel, self._site.link.index
        removed = [gate.runner for gate in self._change.surplus]
        for runner in removed:
            hooks.remove(kernel, index, runner)
        hooks.drop_own_clsact(kernel, index, removed)

    def _drop_stale_pins(self, standing: Standing, stale: Sequence[Pins]) -> None:
        pins, around = self._site.pins, self._site.around
        wanted = wanted_pins(standing)
        for name in pins.wrong(wanted):
            if name not in wanted:
                pins.drop(name)
        for other in stale:
            around.clear(other, self._core.slots_id)


def _tried(*steps: tuple[str, Callable[[], object]]) -> tuple[str, ...]:
    failures = []
    for what, step in steps:
        try:
            step()
        except (OSError, CannotError) as error:
            failures.append(f"could not {what}: {error}")
    return tuple(failures)


def wanted_pins(standing: Standing) -> dict[str, Target]:
    """The pins an interface should have: slot map, word, and the links of its tcx gates."""
    if standing.core is None:
        return {}
    links = {
        gate_pin(gate.runner.hook): Target(Object.LINK, gate.runner.link)
        for gate in standing.gates.values()
        if gate.runner.link
    }
    maps = {SLOTS: Target(Object.MAP, standing.core.slots), WORD: Target(Object.MAP, standing.core.word)}
    return {**maps, **links}
