"""Hit counters in the kernel: reading them, and carrying them over to the pair that takes a pair's place.

A program counts into a map of its own, whose indices are its rules'. What the programs before it had counted
for the same rules (by their stable key in `.rodata.prov`) stands in a second, frozen map that is bound to it
once, after the grace period of the swap: by then nothing counts in the old map any more. One call makes all
of it visible, so that at no moment a packet is counted twice or not at all; see `standing_hits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ..pair import layout
from ..pair.layout import HIT, HIT_REASONS, MAP_HITS_BEFORE, Direction, Hit, hits_map
from ..pair.provenance import ProvenanceTable
from .bpf import Bpf, Fd, Object
from .errors import CannotError
from .policy import Policy
from .readback import Core, Slot
from .section import section_data, section_map

_NOTHING: Final = Hit()
_SIGN: Final = 1 << 31


class Vanished(CannotError):
    """A program or a map went while it was read: another one took its place meanwhile."""


Hits = tuple[Hit, ...]  # by counter: reasons, then rule indices


def live_hits(bpf: Bpf, map_: Fd) -> Hits:
    """What one map of counters holds, summed over the CPUs. Raises BpfError."""
    rows = bpf.map_every_cpu(map_, bpf.map_info(map_).max_entries, HIT.size)
    return tuple(_summed(row) if any(row) else _NOTHING for row in rows)


def _summed(row: bytes) -> Hit:
    return sum((Hit(*one) for one in HIT.iter_unpack(row)), _NOTHING)


def program_hits(bpf: Bpf, policy: Policy) -> Hits:
    """What a program has counted, and those before it as far as it was told; empty when it does not count.

    Raises CannotError when it went meanwhile, BpfError."""
    number = policy.maps.get(_map_of(policy))
    if number is None:
        return ()
    with _opened(bpf, number) as map_:
        return _sum(live_hits(bpf, map_), _before(bpf, policy) or ())


def standing_hits(bpf: Bpf, active: Policy, idle: Policy | None) -> Hits:
    """The counts of a program in force; idle: what its direction's other slot holds. While a swap is under
    way the program was not yet told what the older one there had counted: then it is added here."""
    found = program_hits(bpf, active)
    if idle is None or not _older(idle, active) or _before(bpf, active) is not None:
        return found
    return _sum(found, _translated(program_hits(bpf, idle), idle.table(), active.table(), len(found)))


def owed(bpf: Bpf, old: Policy, new: Policy, older: Hits = (), fresh: bool = False) -> Hits | None:
    """What `old` and those before it counted, at the places of `new`; None when `new` was told, or judged
    before `old`, or does not count. Both are of one direction.

    older: what `old` itself is owed and was not told. fresh: nobody can have told `new` anything. Raises as
    `program_hits`.
    """
    number = new.maps.get(_map_of(new))
    if number is None or not _older(old, new) or (not fresh and _before(bpf, new) is not None):
        return None
    with _opened(bpf, number) as map_:
        size = bpf.map_info(map_).max_entries
    return _translated(_sum(program_hits(bpf, old), older), old.table(), new.table(), size)


def tell(bpf: Bpf, new: Policy, counted: Hits) -> None:
    """Gives a program the counts of those before it, once and for good. Raises BpfError, CannotError."""
    data = b"".join(hit.pack() for hit in counted)
    with section_map(bpf, MAP_HITS_BEFORE, data) as before, _program(bpf, new.program) as program:
        bpf.prog_bind_map(program, before)


class Handover:
    """The counts in one change of an interface: from the programs that judged to those that are to judge.

    At first the old programs are those of a swap that was not finished; they go when their bank is filled, so
    that `look` comes before. `follow` when a pair is loaded to take the place of the one in force; the counts
    of both are then handed over together, after the store: nothing is changed before it. (Who dies between
    the two loses the counts of that unfinished swap, no others.) core: as the change found it, None for none.
    """

    def __init__(self, bpf: Bpf, core: Core | None) -> None:
        self._bpf = bpf
        armed = core is not None and core.value != 0
        self._old: Sequence[Slot] = core.idle if core is not None and armed else ()
        self._new: Sequence[Slot] = core.active if core is not None and armed else ()
        self._older: Sequence[Hits] = [()] * len(self._old)
        self._due: list[Hits | None] = [None] * len(self._old)
        self._fresh = False

    def look(self) -> None:
        """Reads what the new programs are owed; no packet may be on its way to the old ones any more. Raises
        as `owed`."""
        self._due = [
            owed(self._bpf, old, new, older, self._fresh)
            if isinstance(old, Policy) and isinstance(new, Policy)
            else None
            for old, new, older in zip(self._old, self._new, self._older, strict=True)
        ]

    def follow(self, bank: Sequence[Slot]) -> None:
        """The programs of `bank` are loaded, just now, to take the place of those in force."""
        if self._new:
            self._fresh = True
            self._old, self._new, self._older = self._new, bank, [due or () for due in self._due]

    def hand_over(self) -> None:
        """Looks, and tells the new programs. Raises as `tell` and `look`."""
        self.look()
        for new, counted in zip(self._new, self._due, strict=True):
            if isinstance(new, Policy) and counted is not None:
                tell(self._bpf, new, counted)


def _older(old: Policy, new: Policy) -> bool:
    """Whether `old` judged before `new`: by the sign of the 32-bit difference, as flows are compared."""
    return (old.config.generation - new.config.generation) % (2 * _SIGN) >= _SIGN


def _map_of(policy: Policy) -> str:
    ingress = policy.is_for(Direction.INGRESS)
    return hits_map(Direction.INGRESS if ingress else Direction.EGRESS)


def _before(bpf: Bpf, policy: Policy) -> Hits | None:
    """What a program was told, None when it was not; the map may be younger than `policy`."""
    for number in _bound(bpf, policy):
        with _opened(bpf, number) as map_:
            if bpf.map_info(map_).name == MAP_HITS_BEFORE and (data := section_data(bpf, map_)) is not None:
                return tuple(Hit(*one) for one in HIT.iter_unpack(data))
    return None


def _bound(bpf: Bpf, policy: Policy) -> Iterable[int]:
    if MAP_HITS_BEFORE in policy.maps:
        return (policy.maps[MAP_HITS_BEFORE],)
    loaded_with = set(policy.maps.values())
    with _program(bpf, policy.program) as program:
        return [number for number in bpf.prog_info(program).map_ids if number not in loaded_with]


def _translated(hits: Hits, old: ProvenanceTable | None, new: ProvenanceTable | None, size: int) -> Hits:
    """The counts of one program's rules at the places of another's; what the other does not have is left."""
    found = [*hits[:HIT_REASONS], *[_NOTHING] * (size - HIT_REASONS)] if hits else [_NOTHING] * size
    places = {rule.key: layout.hit_of_rule(rule.index) for rule in new.rules} if new else {}
    for rule in old.rules if old and hits else ():
        if rule.key in places:
            found[places[rule.key]] = hits[layout.hit_of_rule(rule.index)]
    return tuple(found)


def _sum(first: Hits, second: Hits) -> Hits:
    return tuple(one + other for one, other in zip(first, second, strict=True)) if second else first


def _opened(bpf: Bpf, number: int) -> Fd:
    return _by_id(bpf, Object.MAP, number)


def _program(bpf: Bpf, number: int) -> Fd:
    return _by_id(bpf, Object.PROG, number)


def _by_id(bpf: Bpf, kind: Object, number: int) -> Fd:
    fd = bpf.fd_by_id(kind, number)
    if fd is None:
        raise Vanished(f"{kind.name.lower()} {number} left while its counters were read", "try again")
    return fd
