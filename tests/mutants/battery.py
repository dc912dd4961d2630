"""The fixed checks that a mutant must fail: random worlds on oracle, model and native, then verdicts by hand.

    python -m polc.tests.mutants.battery FILE

The mutated file only says which checks come first: a survivor has passed them all. Exits 0 when every check
holds, `CAUGHT` after the first that does not, whose name is the last line printed.
Seeds are fixed, so that a mutant's fate does not depend on luck.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from random import Random

import pytest
from polc.compiler.model import Model, parse_packet
from polc.compiler.passes import run_passes
from polc.tests.differential.subjects import DIRECTIONS, decider, oracle_decider, oracle_logs
from polc.tests.differential.traces import Step
from polc.tests.fuzz.engines import Policy, on_native
from polc.tests.fuzz.worlds import LARGE, Size, fuzz
from polc.tests.generators.frames import frame_of
from polc.tests.generators.styles import plain_text
from polc.tests.generators.worlds import build_world
from polc.tests.mutants.mutant import CAUGHT
from polc.tests.scale.worlds import many_rules, net, port, syn

SEEDS = (1, 7, 2, 3)  # of whole fuzzing; 7 is a large world
ORACLE_SEEDS = range(20, 32)
PACKETS = 30  # a direction
SIZE = Size(talks=100, steps=2000, traced=0)
FLOWS_BY_HAND = ("regressions", "model", "differential/test_host_access.py")
VERDICTS_BY_HAND = ("golden/test_golden_verdicts.py", "plan", "resolve")
PASSES_BY_HAND = ("passes",)
LEFT_OUT = "not oracle"  # its own verdicts by hand tell nothing of a mutant


def oracle_agrees(seed: int) -> None:
    """Oracle, model, and model of the optimised IR on lone packets."""
    world, rng = build_world(seed, LARGE if seed % 8 == 7 else 1), Random(seed)
    resolved = Policy(plain_text(world.objects), world.subject).resolved
    model, optimised = Model(resolved.program), Model(run_passes(resolved.program))
    for word, direction in DIRECTIONS.items():
        for packet in world.packets(rng, word, PACKETS):
            parsed = parse_packet(frame_of(packet))
            said = model.judge(direction, parsed)
            assert optimised.judge(direction, parsed) == said, f"the passes change {said}"
            if said.rule is None:  # ICMPv6 that finds neighbours, on which no policy has a word
                assert (packet.family, packet.protocol) == (6, 58), said
                continue
            decision = world.readings[word].judge(packet)
            logs = [decider(resolved, direction, index) for index in said.logs]
            told = said.verdict == "allow", decider(resolved, direction, said.rule), logs
            assert told == (decision.allowed, oracle_decider(decision), oracle_logs(decision)), packet


def native_agrees(seed: int) -> None:
    _, finding = fuzz(seed, SIZE)
    assert finding is None, finding and finding.what


def many_rules_agree(rules: int) -> None:
    """As many rules in one tier as take the verdict table instead of an instruction each."""
    policy, rng = Policy(many_rules(rules), ("prod", "web")), Random(rules)
    numbers = [rng.randrange(rules) for _ in range(PACKETS * 10)]
    steps = [Step("frame", f"rule {n}", "ingress", syn(net(n), port(n))) for n in numbers]
    assert on_native([policy], steps) is None


def by_hand(name: str) -> None:
    tests = Path(__file__).parents[1]
    shown = StringIO()
    with redirect_stdout(shown), redirect_stderr(shown):
        options = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not kernel",
            "-k",
            LEFT_OUT,
            "--rootdir",
            str(tests.parent),
        ]
        code = pytest.main([*options, str(tests / name)])
    assert code == 0, shown.getvalue()[-2000:]


def checks(file: str) -> list[tuple[str, Callable[[], None]]]:
    """Name and check, those that are quick to tell a mutant of the file first."""

    def bound(check: Callable[[int], None], seed: int) -> Callable[[], None]:
        return lambda: check(seed)

    def read(name: str) -> Callable[[], None]:
        return lambda: by_hand(name)

    oracle = [("oracle = model = passes", bound(oracle_agrees, seed)) for seed in ORACLE_SEEDS]
    native = [("model = native", bound(native_agrees, seed)) for seed in SEEDS]
    native.insert(2, ("model = native, many rules", bound(many_rules_agree, 600)))
    flows = [(f"by hand: tests/{name}", read(name)) for name in FLOWS_BY_HAND]
    verdicts = [(f"by hand: tests/{name}", read(name)) for name in VERDICTS_BY_HAND]
    passes = [(f"by hand: tests/{name}", read(name)) for name in PASSES_BY_HAND]
    if file.startswith("pair/"):
        return [*flows, *native, *oracle, *verdicts, *passes]
    if file.startswith(("compiler/plan/", "compiler/codegen/")):
        return [*native, *verdicts, *flows, *oracle, *passes]
    if file.startswith("compiler/passes/"):
        return [*passes, *oracle, *verdicts, *native, *flows]
    return [*oracle[:5], *verdicts, *oracle[5:], *native, *flows, *passes]


def main() -> int:
    for name, check in checks(sys.argv[1] if len(sys.argv) > 1 else ""):
        try:
            check()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            traceback.print_exc()
            how = "" if isinstance(error, AssertionError) else f" ({type(error).__name__})"
            print(f"{name}{how}")
            return CAUGHT
    return 0


if __name__ == "__main__":
    sys.exit(main())
