"""`make fuzz MINUTES=n`: fresh seeds until the time is over; what differs is shrunk and kept as a case.

    python -m polc.tests.fuzz.run --minutes 5 [--jobs 2] [--seed 1] [--verdicts 10000000] [--no-kernel]
    python -m polc.tests.fuzz.run --minutes 5 --no-native

Native = model on every seed, kernel = model too when root: on some, or on every seed without native. Exit 1
when engines differed.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path

from polc.tests.fuzz.shrinking import TRIES, small
from polc.tests.fuzz.worlds import Finding, Size, Tally, fuzz
from polc.tests.generators.honesty import DECIDED, KINDS, SHARE

CASES = Path(__file__).parents[1] / "regressions"
EVERY = 30.0  # seconds between two lines of progress
KERNEL_EVERY = 4  # one seed in so many is asked of the kernel too: loading takes longer than judging

Result = tuple[int, Tally, Finding | None]


def one(seed: int, kernel: bool, native: bool) -> Result:
    """A seed's result, in whatever process."""
    size = Size() if native else replace(Size(), steps=0)
    if not kernel or (native and seed % KERNEL_EVERY):
        size = replace(size, traced=0)
    return seed, *fuzz(seed, size)


def results(first: int, until: float, jobs: int, kernel: bool, native: bool) -> Iterator[Result]:
    """Seed after seed until the time is over, `jobs` at a time, in the order in which they end."""
    work, seeds = partial(one, kernel=kernel, native=native), count(first)
    if jobs == 1:
        while time.monotonic() < until:
            yield work(next(seeds))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        pending: set[Future[Result]] = {pool.submit(work, next(seeds)) for _ in range(jobs)}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                if time.monotonic() < until:
                    pending.add(pool.submit(work, next(seeds)))


def keep(finding: Finding, seed: int, folder: Path = CASES, tries: int = TRIES) -> Path:
    """Shrinks what was found and writes it among the regressions."""
    case = small(finding.case, finding.kind, tries)
    return case.write(folder, finding.kind.replace("/", "-"), seed)


def complaints(tally: Tally) -> list[str]:
    """What makes the run dishonest (design §9); empty when it is honest."""
    total = tally.kinds.total()
    low = [f"{kind}: under {SHARE:.0%}" for kind in KINDS if tally.kinds[kind] < SHARE * total]
    if tally.decided < DECIDED * tally.rules:
        low.append(f"{tally.decided} of {tally.rules} rules decided, under {DECIDED:.0%}")
    return low


def summary(tally: Tally, seeds: int, seconds: float) -> str:
    def shares(counts: Counter[str]) -> str:
        return ", ".join(f"{word} {number / counts.total():.1%}" for word, number in counts.most_common())

    frames = ", ".join(f"{kind} {number:,}" for kind, number in sorted(tally.frames.items()))
    lines = [f"{seeds} seeds in {seconds:.0f} s: {frames} verdicts"]
    if tally.kinds:
        lines += [f"  frames: {shares(tally.sorts)}", f"  policy: {shares(tally.kinds)}"]
        lines.append(
            f"  rules that decided: {tally.decided} of {tally.rules} ({tally.decided / tally.rules:.1%})"
        )
    return "\n".join(lines)


def drive(given: argparse.Namespace) -> int:
    began = told = time.monotonic()
    print(f"fuzz: seeds from {given.seed}, {given.jobs} at a time, kernel {'yes' if given.kernel else 'no'}")
    tally, seeds, found = Tally(), 0, 0
    until = began + 60 * given.minutes
    for seed, met, finding in results(given.seed, until, given.jobs, given.kernel, given.native):
        tally.add(met)
        seeds += 1
        if finding is not None:
            found += 1
            print(f"DIFFERENCE {finding.kind} {finding.what}", flush=True)
            print(f"shrunk into {keep(finding, seed, given.cases)}", flush=True)
        if time.monotonic() - told > EVERY:
            told = time.monotonic()
            print(f"… {seeds} seeds, last {seed}: {dict(tally.frames)}", flush=True)
        if given.verdicts and tally.frames["model/native"] >= given.verdicts:
            break
    print(summary(tally, seeds, time.monotonic() - began))
    low = complaints(tally)
    print(f"dishonest: {'; '.join(low)}" if low else "honest", f"{found} differences", sep="; ")
    return 1 if found or low else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1 << 32), help="the first; else a fresh one"
    )
    parser.add_argument("--verdicts", type=int, default=0, help="stop at so many native = model verdicts")
    parser.add_argument("--no-kernel", dest="kernel", action="store_false", default=os.geteuid() == 0)
    parser.add_argument("--no-native", dest="native", action="store_false", help="all for the kernel")
    parser.add_argument("--cases", type=Path, default=CASES, help="where a case goes that engines differ on")
    return drive(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
