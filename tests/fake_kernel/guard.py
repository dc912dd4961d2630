"""The promises that hold at every single moment, checked after each change of the fake kernel's state.

- One pair: what judges packets through one core is one identity of one generation, in its own direction.
- Never open: a hook that enforces stays so while polc attaches or swaps.
- Both or neither: a first attachment puts both directions in force by one store.
- No default deny: a swap leads from the old pair to the new one with nothing in between.
- No reuse in flight: a bank is not filled while a packet may still be on its way to it.
"""

from __future__ import annotations

from polc.pair.layout import bank_of
from polc.tests.fake_kernel.devices import Device
from polc.tests.fake_kernel.machine import FakeKernel
from polc.tests.fake_kernel.objects import Map
from polc.tests.fake_kernel.truth import (
    HOOKS,
    Fate,
    Gate,
    Hooks,
    fate,
    gate_of,
    gates_of,
    hooks_of,
    in_force,
)


class Broken(AssertionError):
    """A promise is broken at this moment."""


class Guard:
    """Watches one device of one kernel. `disturbed`: another actor acted since `start`."""

    def __init__(self, kernel: FakeKernel, device: Device) -> None:
        self._kernel = kernel
        self.device = device
        self.disturbed = False
        self._before: Hooks = dict.fromkeys(HOOKS, ())
        self._allowed: set[str] | None = None
        self._may_open = True
        self._may_drop = True
        self._contents: dict[int, dict[int, int]] = {}
        self._flying: dict[int, set[int]] = {}
        kernel.watcher = self.check
        kernel.stored = self._stored
        kernel.grace = self._grace

    def start(self, identity: str | None = None, closed: bool = False, also: str = "") -> None:
        """A command begins: attach of `identity` (or of `also`), or (None) one that may open the hooks."""
        self.disturbed = False
        self._before = hooks_of(self.device)
        held = in_force(self._before)
        self._allowed = {identity, held, also} if identity is not None and held is not None else None
        self._may_open = identity is None
        self._may_drop = closed or held is None
        self.check()

    def check(self) -> None:
        gates = {hook: gates_of(self.device, hook) for hook in HOOKS}
        now = {hook: tuple([fate(one) for one in gates[hook]]) for hook in HOOKS}
        fates = [one for hook in HOOKS for one in now[hook]]
        self._one_pair(fates)
        self._banks([gate_of(one) for hook in HOOKS for one in gates[hook]])
        if self.disturbed or self._may_open:
            return
        for hook in HOOKS:
            if any(one.enforced for one in self._before[hook]) and not any(one.enforced for one in now[hook]):
                raise Broken(f"{hook.word} was enforced and is open now")
        if not self._may_drop and any(one.enforced and one.policy is None for one in fates):
            raise Broken("an enforced hook drops everything during a swap")
        if self._allowed is not None:
            judged = {one.policy.identity for one in fates if one.policy is not None}
            if not judged <= self._allowed:
                raise Broken(f"judged by {judged - self._allowed}, neither old nor new")
        if not any(one.enforced for hook in HOOKS for one in self._before[hook]):
            enforced = [any(one.policy for one in now[hook]) for hook in HOOKS]
            if len(set(enforced)) != 1:
                raise Broken(f"one direction is judged and the other not: {enforced}")

    def _one_pair(self, fates: list[Fate]) -> None:
        by_core: dict[int, set[tuple[str, int]]] = {}
        for one in fates:
            if one.policy is None:
                continue
            if one.policy.direction != one.direction or one.policy.generation != one.word:
                raise Broken(f"a gate for {one.direction} at word {one.word} runs {one.policy}")
            by_core.setdefault(one.core, set()).add((one.policy.identity, one.policy.generation))
        for core, pairs in by_core.items():
            if len(pairs) > 1:
                raise Broken(f"core {core} judges by {pairs}")

    # --- packets in flight ----------------------------------------------------------------------------

    def _stored(self, word: Map, value: int) -> None:
        """Packets that read the word before this store may be anywhere until a grace period."""
        if word.word != value:
            self._flying.setdefault(word.id, set()).add(word.word)

    def _grace(self) -> None:
        self._flying.clear()

    def _banks(self, gates: list[Gate]) -> None:
        """A slot that packets may be on their way to changes only after a grace period."""
        for slots, word in {(one.slots, one.word) for one in gates}:
            contents = {index: program.id for index, program in slots.programs.items()}
            before = self._contents.get(slots.id, {})
            self._contents[slots.id] = contents
            flying = {bank_of(value) for value in self._flying.get(word.id, ()) if value}
            if not flying or not word.word or contents == before:
                continue
            changed = {index for index in contents if before.get(index, contents[index]) != contents[index]}
            if any(index // 2 in flying for index in changed):
                raise Broken(f"slots {sorted(changed)} filled while packets are on their way to them")
