"""Each kind of drift has a name, told from a reading alone; a wish that is fulfilled has none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from polc.pair.layout import Config, Direction
from polc.runtime.change import Wish, decide
from polc.runtime.drift import Drift, Origin, Sight, drifts
from polc.runtime.hooks import Mechanism, Runner, TcHook
from polc.runtime.readback import Reading
from polc.runtime.standing import judge
from polc.tests.runtime.test_standing import TEXT, WISH, Y, bank, both, clsact, core, policy, reading, slots

GOOD = core(1, slots(bank(), bank()))
OTHER = core(1, slots(bank(), bank()), number=90)
MIXED = (policy(Direction.INGRESS), policy(Direction.EGRESS, Y))
IN, OUT = clsact(Direction.INGRESS, GOOD), clsact(Direction.EGRESS, GOOD)
THEIRS = clsact(Direction.EGRESS, OTHER)
STRANGER = Runner(TcHook.INGRESS, Mechanism.TCX, 99, "cali")
TWO = reading(IN, THEIRS, cores=(GOOD, OTHER))
ELDERS = replace(reading(cores=(GOOD,)), elders=(IN, OUT))


def sight(found: Reading, wish: Wish = WISH, **more: object) -> Sight:
    foreign = frozenset({(OTHER.slots, OTHER.word)}) if found is TWO else frozenset()
    standing = judge(found, foreign)
    seen = Sight(found, standing, wish, decide(standing, wish, lambda: False), foreign)
    return replace(seen, **more)  # type: ignore[arg-type]


def swapped(**changes: object) -> Wish:
    return replace(WISH, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "names"),
    [
        (sight(both(GOOD)), []),
        (sight(reading(cores=())), [Drift.BOTH_MISSING]),
        (sight(reading(cores=()), origin=Origin("1-2", here=True)), [Drift.DEVICE_RECREATED]),
        (sight(reading(cores=()), origin=Origin("9-2", here=False)), [Drift.DEVICE_MOVED]),
        (sight(reading(IN, cores=(GOOD,))), [Drift.ONE_HOOK_MISSING]),
        (sight(ELDERS), [Drift.GATE_VERSION, Drift.GATE_VERSION]),
        (sight(TWO), [Drift.FOREIGN_MAP]),
        (sight(both(core(1, slots(bank(), MIXED)))), [Drift.MIXED_IDENTITY]),
        (sight(reading(IN, clsact(Direction.INGRESS, GOOD, 2), OUT, cores=(GOOD,))), [Drift.STALE_DUPLICATE]),
        (sight(reading(IN, OUT, cores=(GOOD,), before=(STRANGER,))), [Drift.FOREIGN_FIRST]),
        (sight(both(GOOD), wrong=("slots",)), [Drift.PIN_LOST]),
        (sight(both(GOOD), wrong=("slots",), twins=("9-2",)), [Drift.DEVICE_MOVED]),
        (sight(both(core(1, slots()))), [Drift.SLOTS_EMPTIED]),
        (sight(both(core(0, slots(bank(), bank())))), [Drift.NOT_ARMED]),
        (sight(both(core(1, slots(bank(Y, 0), bank())))), [Drift.IDLE_BANK]),
        (sight(both(GOOD), swapped(identity=Y)), [Drift.OTHER_POLICY]),
        (sight(both(GOOD), swapped(config=Config(hz=100))), [Drift.SETTINGS]),
        (sight(both(GOOD), swapped(mechanism=Mechanism.TCX)), [Drift.SETTINGS, Drift.SETTINGS]),
        (sight(both(GOOD), swapped(provenance=(b"{1}", TEXT), refresh=True)), [Drift.SETTINGS]),
    ],
)
def test_what_is_not_as_wanted_has_its_own_name_and_repair(seen: Sight, names: list[Drift]) -> None:
    found = drifts(seen)
    assert [one.drift for one in found] == names
    assert [one.drift for one in found if not one.repair] == [
        one for one in names if one is Drift.FOREIGN_FIRST
    ]


def test_the_interface_whose_maps_they_are_is_not_written_to() -> None:
    """Of two cores on one interface, the one that gates elsewhere read is never chosen, filled or armed."""
    assert sight(TWO).change.core == GOOD
    everything = judge(TWO, {(one.slots, one.word) for one in (GOOD, OTHER)})
    change = decide(everything, WISH, lambda: False)
    assert (change.core, len(change.missing), len(change.surplus)) == (None, 2, 2)


def test_flows_behind_gates_of_another_version_go_on_under_a_later_generation() -> None:
    change = sight(ELDERS, swapped(closed=True)).change
    assert (change.heir_of, change.generation, change.first_closed) == (GOOD, 2, False)


def test_every_kind_is_shown_here() -> None:
    shown = {one for names in _cases() for one in names}
    assert shown == set(Drift)


def _cases() -> list[list[Drift]]:
    marks = test_what_is_not_as_wanted_has_its_own_name_and_repair.pytestmark  # type: ignore[attr-defined]
    return [names for _, names in marks[0].args[1]]
