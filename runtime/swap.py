"""The swap: fill the bank that is not in force, one store, grace, overwrite the other bank.

No tc operation, no netlink, no lock. Once any hook has judged a packet under generation N+1, no later packet
at either hook is judged under N: the word gives one order to both, and a bank is not filled for a later
generation while a packet that read an earlier word may still be on its way to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final

from ..pair.layout import Direction, bank_of, slot
from .bpf import Bpf, Fd, Object
from .rollback import Rollback
from .word import Word

_ID_BYTES: Final = 4

Programs = Mapping[Direction, Fd]


class Banks:
    """The slot map and the word of one interface. The descriptors stay the caller's; raises BpfError.

    A swap of an interface at rest is `fill` of the bank of the new generation, what there is to check,
    `put_in_force`, a grace period, `settle`; the programs are loaded for that generation.
    """

    def __init__(self, bpf: Bpf, slots: Fd, word: Word) -> None:
        self._bpf = bpf
        self._slots = slots
        self._word = word

    def fill(self, bank: int, programs: Programs) -> None:
        for direction, program in programs.items():
            self._bpf.map_update(self._slots, _key(bank, direction), program.number.to_bytes(4, "little"))

    def put_in_force(self, generation: int) -> None:
        """The one store: both directions at once, for every packet whose gate reads the word from now on."""
        self._word.store(generation)

    def settle(self, programs: Programs) -> None:
        """Overwrites the other bank, a grace period after the store: no packet is on its way to it."""
        self.fill(1 - bank_of(self._word.read()), programs)

    def note(self, bank: int, undo: Rollback, held: ExitStack) -> None:
        """Has `undo` put back what the bank holds now; `held` keeps those programs alive until then."""
        for direction in Direction:
            undo.add(f"restore slot {slot(bank, direction)}", self._restorer(_key(bank, direction), held))

    def _restorer(self, key: bytes, held: ExitStack) -> Callable[[], object]:
        raw = self._bpf.map_lookup(self._slots, key, _ID_BYTES)
        before = self._bpf.fd_by_id(Object.PROG, int.from_bytes(raw, "little")) if raw is not None else None
        if before is None:
            return partial(self._bpf.map_delete, self._slots, key)
        held.enter_context(before)
        return partial(self._bpf.map_update, self._slots, key, before.number.to_bytes(4, "little"))


def _key(bank: int, direction: Direction) -> bytes:
    return slot(bank, direction).to_bytes(4, "little")
