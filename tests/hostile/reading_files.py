"""Reads each given file as `polc check` does, in a process of its own whose memory and work can be measured.

    python -m polc.tests.hostile.reading_files FILE…

A line of JSON a file: the codes found, the calls it took, and the most MiB the process ever had.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from resource import RLIMIT_AS, RUSAGE_SELF, getrusage, setrlimit

from polc.cli.diagnostics import render
from polc.compiler.parse import parse
from polc.compiler.reading import read_sources
from polc.compiler.source import Diagnostics
from polc.tests.calls import calls

ROOM = 2 << 30  # bytes of addresses, above what is asserted: a runaway ends here and not the machine


def _checked(path: str) -> tuple[list[str], str]:
    """The codes found in a file, and what a person is shown."""
    diagnostics = Diagnostics()
    sources = read_sources([path], diagnostics)
    parse(sources, diagnostics)
    return sorted({item.code for item in diagnostics}), render(diagnostics, sources, color=False)


def main() -> None:
    setrlimit(RLIMIT_AS, (ROOM, ROOM))
    for path in sys.argv[1:]:
        (found, shown), count = calls(partial(_checked, path))
        print(
            json.dumps(
                {
                    "codes": found,
                    "calls": count,
                    "mib": getrusage(RUSAGE_SELF).ru_maxrss >> 10,
                    "shown": len(shown),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
