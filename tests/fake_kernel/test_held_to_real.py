"""The fake is held to the real kernel: the same scripts, the same errno, the same read-back.

`errnos.json` is what the real kernel answers; `make golden-update` (as root) writes it anew.
"""

from __future__ import annotations

import json
from functools import partial

import pytest
from polc.tests.fake_kernel import refused_hooks, refused_objects
from polc.tests.fake_kernel.errnos import PATH, TABLE, name_of
from polc.tests.fake_kernel.situations import SITUATIONS, outcome
from polc.tests.fake_kernel.stages import RealStages, on_fake

_FILLING = (refused_hooks, refused_objects)  # importing them fills SITUATIONS


@pytest.mark.kernel
def test_the_real_kernel_gives_the_errnos_of_the_table(real: RealStages, golden_update: bool) -> None:
    found = {}
    for situation in sorted(SITUATIONS):
        number = real.run(partial(outcome, name=situation))
        assert number, f"the real kernel refuses: {situation}"
        found[situation] = name_of(number)
    if golden_update:
        PATH.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert found == (found if golden_update else TABLE)


@pytest.mark.parametrize("situation", sorted(SITUATIONS))
def test_the_fake_refuses_what_the_real_kernel_refuses(situation: str) -> None:
    number = on_fake(lambda stage: outcome(stage, situation))
    assert number, "the fake refuses it too"
    assert name_of(number) == TABLE[situation]
