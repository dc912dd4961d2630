"""`make mutants`: every mutant through the battery, and the report of who survived.

    python -m polc.tests.mutants.run [--jobs 2] [--only NAME …] [--report tests/mutants/report.md]

Exit 1 when fewer than 95 % were caught, or when the battery fails without any mutant.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from polc.tests.mutants.catalogue import MUTANTS, WHY_ALIVE
from polc.tests.mutants.mutant import Fate, Mutant, fate_of

SHARE = 0.95
REPORT = Path(__file__).parent / "report.md"


def fate(mutant: Mutant | None) -> Fate:
    with TemporaryDirectory(prefix="polc-mutant-") as folder:
        found = fate_of(mutant, Path(folder))
    name = mutant.name if mutant else "(no mutant)"
    print(f"{found.seconds:5.0f} s  {name}: {found.caught or 'SURVIVED'}", flush=True)
    return found


def report(fates: Sequence[Fate], command: str) -> str:
    """Markdown; nothing in it depends on the machine or the day."""
    caught = [one for one in fates if one.caught]
    lines = [
        "# Mutants",
        "",
        f"`{command}`: {len(caught)} of {len(fates)} mutants caught ({len(caught) / len(fates):.1%}).",
        "",
        "A mutant is one small change of the source; the battery (`battery.py`) must fail with it. Seeds are",
        "fixed, so the same mutants survive on every machine.",
        "",
        "## Survivors",
        "",
    ]
    alive = [one.mutant for one in fates if one.mutant and not one.caught]
    lines += [f"- **{one.name}** ({one.file}): {WHY_ALIVE.get(one.name, 'not explained')}" for one in alive]
    lines += ["" if alive else "None.\n", "## All", "", "| mutant | file | caught by |", "|---|---|---|"]
    lines += [
        f"| {m.name} | {m.file} | {one.caught or '**survives**'} |" for one in fates if (m := one.mutant)
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], help="names; the report is not written then")
    parser.add_argument("--report", type=Path, default=REPORT)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    if fate(None).caught:
        print("the battery fails without a mutant: nothing can be said")
        return 1
    chosen = [one for one in MUTANTS if not given.only or one.name in given.only]
    with ThreadPoolExecutor(given.jobs) as pool:
        fates = list(pool.map(fate, chosen))
    caught = sum(bool(one.caught) for one in fates)
    print(f"{caught} of {len(fates)} caught in {time.monotonic() - began:.0f} s")
    if not given.only:
        given.report.write_text(report(fates, "make mutants"))
    return 0 if caught >= SHARE * len(fates) else 1


if __name__ == "__main__":
    sys.exit(main())
