"""From a look at one interface and what is asked of it to what there is to do; nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from ..pair.layout import SECTION_PROVENANCE, Config, ConfigFlag, Direction
from ..pair.object import ObjectPair
from .change import Change, Wish, decide
from .drift import Finding, Origin, Sight, drifts
from .errors import CannotError
from .gate import Gates
from .hooks import Mechanism, Mode
from .install import wanted_pins
from .kernel import Kernel
from .link_layer import header_length
from .netlink import Link
from .pins import SLOTS, WORD, Pins
from .policy import Policy
from .readback import Known, Reading, read
from .request import AttachRequest
from .standing import Standing, judge
from .surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Decision:
    """plan: what there is to do, in order, a line each. wrong: names of pins to be set right. stale: pins
    elsewhere to be removed: of devices that are gone, and of this one before it was moved."""

    reading: Reading
    standing: Standing
    wish: Wish
    change: Change
    plan: tuple[str, ...]
    drifts: tuple[Finding, ...]
    wrong: tuple[str, ...]
    stale: tuple[Pins, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """One interface and what is asked of it. around: looked up only after the interface itself was read."""

    kernel: Kernel
    link: Link
    pair: ObjectPair
    request: AttachRequest
    gates: Gates
    known: Known
    around: Callable[[], Surroundings]


def look(asked: Asked, held: ExitStack) -> Decision:
    """Reads and decides. held: see readback.read. Raises CannotError, GoneError and OSError."""
    reading = read(asked.kernel, asked.link, asked.gates, held, asked.known)
    sight = _sight(asked, reading, judge(reading))
    around = asked.around()
    pins = around.pins(asked.link.index)
    sight = replace(sight, wrong=_wrong(pins, sight))
    if _is_odd(sight):
        foreign = around.foreign(reading)
        if foreign:
            sight = _sight(asked, reading, judge(reading, foreign), foreign)
            sight = replace(sight, wrong=_wrong(pins, sight))
    _refuse_missing_tcx(sight.change, around)
    sight, twins = _placed(asked, sight, around)
    stale = around.stale(asked.link.index, elsewhere=not sight.change.quiet or bool(sight.wrong))
    lines = (
        *sight.change.lines(),
        *(f"set pin {name} right" for name in sight.wrong if _keeps_gates(sight.change)),
        *(f"remove the pins under {one.directory.name}" for one in (*twins, *stale)),
    )
    return Decision(
        reading,
        sight.standing,
        sight.wish,
        sight.change,
        lines,
        drifts(sight),
        sight.wrong,
        (*twins, *stale),
    )


def _sight(
    asked: Asked, reading: Reading, standing: Standing, foreign: frozenset[tuple[int, int]] = frozenset()
) -> Sight:
    wish = _wish(asked, standing)
    change = decide(standing, wish, lambda: asked.around().tcx)
    return Sight(reading, standing, wish, change, foreign)


def _wrong(pins: Pins, sight: Sight) -> tuple[str, ...]:
    """Where gates come or go, a pin that is not wanted goes with its gate."""
    if sight.standing.core is None:
        return ()
    wanted = wanted_pins(sight.standing)
    return tuple(one for one in pins.wrong(wanted) if one in wanted or _keeps_gates(sight.change))


def _is_odd(sight: Sight) -> bool:
    """Whether something says that a gate may read maps of another interface: that takes a look around."""
    return len({one.core for one in sight.reading.gates}) > 1 or not {SLOTS, WORD}.isdisjoint(sight.wrong)


def _keeps_gates(change: Change) -> bool:
    return change.core is not None and not change.missing and not change.surplus


def _placed(asked: Asked, sight: Sight, around: Surroundings) -> tuple[Sight, tuple[Pins, ...]]:
    """With where the device came from; and the directories of its gates from before a move."""
    core = sight.change.core
    if core is not None:
        busy = not sight.change.quiet or bool(sight.wrong)
        twins = around.twins(sight.reading, core.slots) if busy else ()
        return replace(sight, twins=tuple(one.directory.name for one in twins)), twins
    if sight.reading.gates or sight.reading.elders:
        return sight, ()
    left = around.left_by(lambda policy: _is_same_endpoint(policy, asked.pair))
    origin = Origin(left.directory.name, around.is_here(left)) if left is not None else None
    return replace(sight, origin=origin), ()


def _is_same_endpoint(policy: Policy, pair: ObjectPair) -> bool:
    table = policy.table()
    known = table.endpoint if table is not None else ""
    return known == pair.endpoint if pair.endpoint else policy.identity == pair.identity.hex()


def _wish(asked: Asked, standing: Standing) -> Wish:
    link, request, pair = asked.link, asked.request, asked.pair
    l2_header = header_length(link.hardware)
    if l2_header is None:
        raise CannotError(
            f"{link.name} is a device of hardware type {link.hardware}, whose frames polc cannot read",
            "attach to an Ethernet-like or a bare-IP device",
        )
    flags = ConfigFlag.HOST if request.mode is Mode.HOST else ConfigFlag(0)
    if request.host_access and request.mode is Mode.WORKLOAD:
        flags |= ConfigFlag.HOST_ACCESS
    if request.keep_established:
        flags |= ConfigFlag.KEEP_ESTABLISHED
    config = Config(l2_header=l2_header, hz=_hz(asked.kernel, standing), flags=flags)
    sections = [pair.side(direction).elf.section(SECTION_PROVENANCE).data for direction in Direction]
    return Wish(
        pair.identity.hex(),
        (sections[0], sections[1]),
        config,
        request.mode,
        request.mechanism,
        request.refresh,
        request.closed,
    )


def _hz(kernel: Kernel, standing: Standing) -> int:
    """A running kernel's tick does not change: what is in force says it without measuring again."""
    core = standing.core
    known = [one.config.hz for one in core.active if isinstance(one, Policy)] if core else []
    return known[0] if known and known[0] else kernel.host.jiffies_hz(kernel.bpf)


def _refuse_missing_tcx(change: Change, around: Surroundings) -> None:
    if change.mechanism is Mechanism.TCX and change.missing and not around.tcx:
        raise CannotError("this kernel has no tcx hooks", "tcx needs Linux 6.6 or newer; use --hook clsact")
