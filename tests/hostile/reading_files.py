"""Reads each given file as `polc check` does, in a process of its own whose memory and time can be measured.

    python -m polc.tests.hostile.reading_files FILE…

A line of JSON a file: the codes found, the seconds of CPU it took, and the most MiB the process ever had.
"""

from __future__ import annotations

import json
import sys
import time
from resource import RLIMIT_AS, RUSAGE_SELF, getrusage, setrlimit

from polc.cli.diagnostics import render
from polc.compiler.parse import parse
from polc.compiler.reading import read_sources
from polc.compiler.source import Diagnostics

ROOM = 2 << 30  # bytes of addresses, above what is asserted: a runaway ends here and not the machine


def main() -> None:
    setrlimit(RLIMIT_AS, (ROOM, ROOM))
    for path in sys.argv[1:]:
        began = time.process_time()
        diagnostics = Diagnostics()
        sources = read_sources([path], diagnostics)
        parse(sources, diagnostics)
        shown = render(diagnostics, sources, color=False)
        print(
            json.dumps(
                {
                    "codes": sorted({item.code for item in diagnostics}),
                    "seconds": time.process_time() - began,
                    "mib": getrusage(RUSAGE_SELF).ru_maxrss >> 10,
                    "shown": len(shown),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
