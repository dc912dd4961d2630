"""How many verdicts a second the native judges give, and what a verdict costs in the kernel.

Rounds of all contenders are interleaved; each line gives the minimum and the median over the rounds. Kernel
figures are the kernel's own for BPF_PROG_TEST_RUN, as a ratio to a two-instruction program of the same run.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from random import Random

from polc.compiler.backend import CompiledPair, build_native
from polc.compiler.pipeline import compile_endpoint, load_sources
from polc.compiler.source import Source
from polc.judge.native import NativeEngine
from polc.pair.layout import Config, Direction
from polc.pair.object import read_pair
from polc.runtime.bpf import Bpf, Fd
from polc.runtime.bpf.programs import TestRunner
from polc.runtime.bpf.requests import ProgramCode
from polc.runtime.loader import create_maps, load_pair
from polc.tests.scale.worlds import many_rules, net, port, syn

SIZES = (1, 10, 100, 1000)
PACKETS = 4096
ROUNDS = 9
REPEAT = 200_000


def compiled(rules: int) -> tuple[Source, CompiledPair]:
    source = Source.of("many.yaml", many_rules(rules))
    return source, compile_endpoint(load_sources([source]), "prod", "web")


def native(rules: int) -> Callable[[], float]:
    """Seconds a verdict, over packets of every rule in random order; half of them are denied, so that both
    ends are met. Every packet is the first of its flow or of one already allowed, as it falls."""
    source, pair = compiled(rules)
    engine = NativeEngine(*build_native([source], pair.resolved))
    rng = Random(rules)
    numbers = [rng.randrange(rules) for _ in range(PACKETS)]
    batch = engine.prepare([(Direction.INGRESS, syn(net(n), port(n)), 0.0) for n in numbers])

    def once() -> float:
        began = time.perf_counter()
        engine.judge(batch)
        return (time.perf_counter() - began) / PACKETS

    return once


class KernelCost:
    """Nanoseconds a run, by the kernel's clock, of the whole program on the last denying rule's packet."""

    def __init__(self) -> None:
        self._bpf = Bpf()
        self._own = ExitStack()

    def of(self, rules: int) -> Callable[[], float]:
        _, pair = compiled(rules)
        objects = read_pair(pair.ingress, pair.egress)
        maps = create_maps(self._bpf, objects)
        loaded = self._own.enter_context(load_pair(self._bpf, objects, Config(), maps))
        last = rules - 1 - rules % 2  # odd numbers deny, and nothing is remembered of a denied packet
        frame = syn(net(max(last, 0)), port(max(last, 0)) + (rules == 1))
        return self._timed(loaded.side(Direction.INGRESS).program, frame)

    def trivial(self) -> Callable[[], float]:
        """mov r0, 2; exit."""
        code = ProgramCode("polc_bench", bytes.fromhex("b7000000020000009500000000000000"), "GPL")
        program, _ = self._bpf.prog_load(code)
        return self._timed(self._own.enter_context(program), syn(net(0), 80))

    def _timed(self, program: Fd, frame: bytes) -> Callable[[], float]:
        runner = TestRunner(self._bpf, program)
        return lambda: float(runner.run(frame, REPEAT).nanoseconds)


def measure(contenders: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Every contender once a round, so that what disturbs the machine disturbs them alike."""
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, once in contenders.items():
            figures[name].append(once())
    return figures


def main() -> None:
    print(f"native: million verdicts a second on one core, {PACKETS} packets a batch, {ROUNDS} rounds")
    for name, seconds in measure({f"{n} rules": native(n) for n in SIZES}).items():
        best, middle = 1e-6 / min(seconds), 1e-6 / statistics.median(seconds)
        print(f"  {name:<12} best {best:6.2f}   median {middle:6.2f}")
    if os.geteuid() != 0:
        print("kernel: left out, it needs root")
        return
    cost = KernelCost()
    contenders = {"trivial": cost.trivial(), **{f"{n} rules": cost.of(n) for n in SIZES}}
    figures = measure(contenders)
    base = figures["trivial"]
    print(f"kernel: ns a run (flow look-up included, event ring full), {ROUNDS} rounds; ratios to `trivial`")
    for name, ns in figures.items():
        ratios = min(ns) / min(base), statistics.median(ns) / statistics.median(base)
        print(
            f"  {name:<12} min {min(ns):6.0f}   median {statistics.median(ns):6.0f}"
            f"   ratio {ratios[0]:5.1f} / {ratios[1]:5.1f}"
        )


if __name__ == "__main__":
    main()
