"""`python -m polc.agent.worker`: requests on standard input, answers on standard output, no privilege.

Its options are the agent's settings that decide what a pair is: failsafe ports, the same as long as it lives.
Reads in a thread of its own, so that a newer request is seen between two files or two endpoints, and so that
the end of the agent ends this process at once, whatever it is doing.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from queue import Empty, SimpleQueue
from typing import IO, Final

from ...pair.failsafes import OPTION_INBOUND, OPTION_OUTBOUND, Failsafes, read_failsafes
from ...runtime.privilege import become_powerless
from ..garbage import patient, sweep
from ..protocol import Answer, Compile, ProtocolError, Revise, answer_bytes, read_request
from .desk import Desk

_QUIET: Final = 1.0  # seconds without a request
Requests = SimpleQueue[tuple[Revise | Compile, tuple[bytes, ...]]]


def main() -> None:
    """Never returns: the reader's end is the process's."""
    failsafes = _failsafes()
    become_powerless()
    answers = _answers()
    requests: Requests = SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, requests), daemon=True).start()

    def send(answer: Answer, *blobs: bytes) -> None:
        answers.write(answer_bytes(answer, blobs))
        answers.flush()

    desk = Desk(send, lambda: not requests.empty(), failsafes)
    with patient():
        while True:
            desk.take(*_next(requests))
            while not requests.empty():
                desk.take(*requests.get())
            desk.work()


def _next(requests: Requests) -> tuple[Revise | Compile, tuple[bytes, ...]]:
    try:
        return requests.get(timeout=_QUIET)
    except Empty:
        sweep()
        return requests.get()


def _failsafes() -> Failsafes:
    words = argparse.ArgumentParser()
    words.add_argument(OPTION_INBOUND, dest="inbound")
    words.add_argument(OPTION_OUTBOUND, dest="outbound")
    given = words.parse_args()
    return read_failsafes(given.inbound, given.outbound)


def _answers() -> IO[bytes]:
    """Standard output, for answers alone: whatever else prints there goes to standard error."""
    own = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(own, "wb")


def _read(stream: IO[bytes], requests: Requests) -> None:
    code = 0
    try:
        while (request := read_request(stream)) is not None:
            requests.put(request)
    except (ProtocolError, OSError) as error:
        print(error, file=sys.stderr, flush=True)
        code = 1
    os._exit(code)


if __name__ == "__main__":
    main()
