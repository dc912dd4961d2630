"""A child that keeps to the protocol and misbehaves as it is told: `python impostor.py MANNER`.

Every revision is loaded with the endpoints a/one and a/two. MANNER: `stuck` never answers for a/one; `dies`
of it; `dies-reading` of the first file; `wrong` gives a/two's pair for a/one; `forged` one that was altered;
`one` a single object; `keeps` says that the right pair is held; `invents` says so of an endpoint that is not
there; `vague` tells of the same endpoints as before and told of none; `babbles` what is no frame; `huge` a
header of 4 GiB; `deaf` reads nothing.
"""

from __future__ import annotations

import os
import sys
import time

from polc.agent.protocol import (
    Answer,
    BeganFrame,
    Compile,
    Endpoint,
    FailedFrame,
    KeptFrame,
    LoadedFrame,
    MadeFrame,
    ReadingFrame,
    Revise,
    answer_bytes,
    read_request,
)
from polc.tests.pair.pairs import sealed

ONE, TWO = (Endpoint(namespace="a", name=name, kind="Pod") for name in ("one", "two"))


def send(answer: Answer, *blobs: bytes) -> None:
    sys.stdout.buffer.write(answer_bytes(answer, blobs))
    sys.stdout.buffer.flush()


def misbehave(manner: str, revision: int) -> None:
    """What it does when it is asked for a/one."""
    send(BeganFrame(revision=revision, endpoint=ONE))
    if manner == "stuck":
        time.sleep(1000)
    if manner == "dies":
        print("out of luck", file=sys.stderr, flush=True)
        os._exit(7)
    if manner == "babbles":
        os.write(1, b"hello, this is no frame at all, and long enough to be read as one")
    if manner == "huge":
        os.write(1, b"\xff\xff\xff\xff{}")
    if manner in ("keeps", "invents"):
        send(KeptFrame(revision=revision, numbers=(0 if manner == "keeps" else 2,)))
        return
    pair = list(sealed(endpoint="a/two" if manner == "wrong" else "a/one"))
    if manner == "forged":
        pair[1] = pair[1].replace(b"\x95\0\0\0\0\0\0\0", b"\xb7\0\0\0\0\0\0\0", 1)
    if manner == "one":
        pair.pop()
    send(MadeFrame(revision=revision, endpoint=ONE, seconds=0.0, emissions=0), *pair)


def main(manner: str) -> None:
    if manner == "deaf":
        time.sleep(1000)
    while (request := read_request(sys.stdin.buffer)) is not None:
        body, _ = request
        if isinstance(body, Revise):
            if manner == "dies-reading":
                send(ReadingFrame(revision=body.revision, path="bad.yaml"))
                os._exit(7)
            told = None if manner == "vague" else (ONE, TWO)
            send(LoadedFrame(revision=body.revision, endpoints=told, seconds=0.0))
            continue
        assert isinstance(body, Compile)
        for wanted in sorted(body.wanted, key=lambda wanted: (wanted.last, wanted.endpoint.name)):
            if wanted.endpoint == ONE:
                misbehave(manner, body.revision)
            else:
                send(FailedFrame(revision=body.revision, endpoint=TWO, findings=()))


if __name__ == "__main__":
    main(sys.argv[1])
