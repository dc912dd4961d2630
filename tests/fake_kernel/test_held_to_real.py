"""The fake is held to the real kernel: the same scripts, the same errno, the same read-back.

`errnos.json` is what the real kernel answers; `--golden-update` writes it anew (as root).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest
from polc.runtime.hooks import Mechanism
from polc.tests.fake_kernel import refused_hooks, refused_objects
from polc.tests.fake_kernel.errnos import PATH, TABLE, name_of
from polc.tests.fake_kernel.scripts import SCRIPTS, Seen, commands, random_moves
from polc.tests.fake_kernel.situations import SITUATIONS, Stage, outcome
from polc.tests.fake_kernel.stages import RealStages, on_fake

_FILLING = (refused_hooks, refused_objects)  # importing them fills SITUATIONS
_SEEDS = 60


@pytest.mark.kernel
def test_the_real_kernel_gives_the_errnos_of_the_table(real: RealStages, golden_update: bool) -> None:
    found = {}
    for situation in sorted(SITUATIONS):
        number = real.run(partial(outcome, name=situation))
        assert number, f"the real kernel refuses: {situation}"
        found[situation] = name_of(number)
    if golden_update:
        PATH.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        TABLE.clear()
        TABLE.update(found)
    assert found == TABLE


@pytest.mark.parametrize("situation", sorted(SITUATIONS))
def test_the_fake_refuses_what_the_real_kernel_refuses(situation: str) -> None:
    number = on_fake(lambda stage: outcome(stage, situation))
    assert number, "the fake refuses it too"
    assert name_of(number) == TABLE[situation]


def whole(script: Callable[[Stage], Seen], stage: Stage) -> Seen:
    """What the script saw, with everything it opened closed again."""
    with stage.held:
        return script(stage)


@pytest.mark.kernel
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_script_sees_the_same_on_both_kernels(script: Callable[[Stage], Seen], real: RealStages) -> None:
    assert on_fake(partial(whole, script)) == real.run(partial(whole, script))


@pytest.mark.kernel
@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_the_commands_do_the_same_on_both_kernels(mechanism: Mechanism, real: RealStages) -> None:
    script = partial(whole, partial(commands, mechanism))
    assert on_fake(script) == real.run(script)


@pytest.mark.kernel
def test_random_calls_see_the_same_on_both_kernels(real: RealStages) -> None:
    for seed in range(_SEEDS):
        moves = partial(whole, partial(random_moves, seed))
        assert on_fake(moves) == real.run(moves), f"{seed=}"
