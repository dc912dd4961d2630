"""What attaching has to do: from the standing of an interface and a wish to the smallest set of changes.

Pure. The same standing and wish give the same change, and a wish that is fulfilled gives the empty one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from ..pair.layout import Config, Direction
from .errors import CannotError
from .hooks import Mechanism, Mode, TcHook, hook_of
from .policy import Policy
from .readback import Core, Gate
from .standing import Standing

_WORD_MASK: Final = 0xFFFFFFFF  # generations are 32 bits in config and flow entries


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for. provenance: each direction's section bytes. mechanism: None = auto.

    config: with generation 0. closed: a first attachment drops everything until the policy is in force.
    """

    identity: str
    provenance: tuple[bytes, bytes]
    config: Config
    mode: Mode
    mechanism: Mechanism | None = None
    refresh: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """core: reused, None = a new one. generation: to load and put in force, 0 = the policy stays.

    missing: gates to attach. surplus: gates to take away at the end. settle: the bank not in force is to be
    overwritten with the pair in force. first_closed: word 1 before the first gate. heir_of: whose flow table
    and event ring go on in a new core.
    """

    core: Core | None
    generation: int
    mechanism: Mechanism
    missing: tuple[tuple[Direction, TcHook], ...]
    surplus: tuple[Gate, ...]
    settle: bool = False
    first_closed: bool = False
    notes: tuple[str, ...] = ()
    heir_of: Core | None = None

    @property
    def quiet(self) -> bool:
        return not (self.generation or self.missing or self.surplus or self.settle)

    def lines(self) -> tuple[str, ...]:
        """What would be done, in order, for --dry-run."""
        out = []
        if self.generation:
            out.append(f"load both programs for generation {self.generation} and fill a bank")
        out += [
            f"attach the {direction.word} gate to {self.mechanism} {hook.word}"
            for direction, hook in self.missing
        ]
        if self.generation:
            out.append(f"put both directions in force with one store: {self.generation}")
        if self.settle:
            out.append("overwrite the bank that is not in force with the pair that is")
        out += [f"remove the surplus gate on {gate.runner.place}" for gate in self.surplus]
        return tuple(out)


def next_word(word: int) -> int:
    """The word after `word`: never 0, and always of the other bank."""
    return (word + 1) & _WORD_MASK or 2


def decide(standing: Standing, wish: Wish, has_tcx: Callable[[], bool]) -> Change:
    """The change that fulfils the wish. Raises CannotError for a wish that contradicts what is attached."""
    _refuse_other_mode(standing, wish)
    mechanism = _mechanism(standing, wish, has_tcx)
    kept = _kept(standing, wish)
    core = standing.core if standing.gates and standing.mode is wish.mode else None
    missing = tuple((one, hook_of(wish.mode, one)) for one in Direction if one not in kept)
    surplus = (*standing.surplus, *(one for one in standing.gates.values() if one not in kept.values()))
    generation, notes = _generation(standing, wish) if core else (_first(standing, wish), ())
    return Change(
        core,
        generation,
        mechanism,
        missing,
        surplus,
        settle=bool(generation) or (core is not None and core.idle != core.active),
        first_closed=core is None and wish.closed and standing.elder is None,
        notes=notes,
        heir_of=None if core is not None else standing.elder,
    )


def _first(standing: Standing, wish: Wish) -> int:
    """The first generation of a new core: later than those that stamped the flows it takes over."""
    if standing.elder is not None and standing.elder.value:
        return next_word(standing.elder.value)
    return 2 if wish.closed else 1


def _refuse_other_mode(standing: Standing, wish: Wish) -> None:
    if standing.mode in (None, wish.mode) or len(standing.gates) < len(Direction):
        return
    raise CannotError(
        f"the interface is attached in {standing.mode} mode, and {wish.mode} mode was asked for",
        "run `polc detach` first, or give the mode it is in",
    )


def _kept(standing: Standing, wish: Wish) -> dict[Direction, Gate]:
    """The gates that stay: those of the core, on the right hook, by the mechanism asked for."""
    return {
        direction: gate
        for direction, gate in standing.gates.items()
        if gate.runner.hook is hook_of(wish.mode, direction)
        and wish.mechanism in (None, gate.runner.mechanism)
    }


def _mechanism(standing: Standing, wish: Wish, has_tcx: Callable[[], bool]) -> Mechanism:
    if wish.mechanism is not None:
        return wish.mechanism
    present = [gate.runner.mechanism for gate in (*standing.gates.values(), *standing.surplus)]
    if present:
        return present[0]
    return Mechanism.TCX if has_tcx() else Mechanism.CLSACT


def _generation(standing: Standing, wish: Wish) -> tuple[int, tuple[str, ...]]:
    """(generation to put in force or 0, notes)."""
    assert standing.core is not None
    following = next_word(standing.core.value)
    if standing.core.value == 0:
        return following, ()
    found = [one for one in standing.core.active if isinstance(one, Policy)]
    if [one.identity for one in found] != [wish.identity] * len(Direction):
        return following, ()
    if any(one.config.generation != standing.core.value for one in found):
        return following, ()
    if any(not one.is_for(direction) for one, direction in zip(found, Direction, strict=True)):
        return following, ()
    if any(replace(one.config, generation=0) != wish.config for one in found):
        return following, ("same identity with other settings: swapped",)
    if tuple(one.provenance for one in found) == wish.provenance:
        return 0, ()
    if wish.refresh:
        return following, ("same identity from other text: swapped, as --refresh says",)
    return 0, ("same identity from other text: lines refer to the text in force (--refresh changes that)",)
