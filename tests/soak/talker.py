"""One end of constant traffic: sends to the other end and counts what arrives; run in a network namespace.

    talker.py OWN-ADDRESS OTHER-ADDRESS OPEN-PORT CLOSED-PORT

To OPEN go one flow that never changes and one packet each from ever other source ports; to CLOSED both kinds
too. Nobody waits for an answer. It says "ready" when it listens; a line on standard input starts it, the next
stops the sending, the next has it print its counts as JSON and end. It imports nothing of polc.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import sys

SO_RCVBUFFORCE = 33  # include/uapi/asm-generic/socket.h
FIRST, LAST = 20000, 52000  # source ports of new flows
PACE = 0.004  # seconds between two rounds of four packets


def udp(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    made.bind((address, port))
    made.setblocking(False)
    return made


def send(out: socket.socket, target: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):  # dropped on its way out: it counts as sent, and does not arrive
        out.sendto(b"packet", target)


def drained(listening: socket.socket) -> int:
    found = 0
    while True:
        try:
            listening.recv(16)
        except BlockingIOError:
            return found
        found += 1


def main() -> None:
    own, other, ports = sys.argv[1], sys.argv[2], (int(sys.argv[3]), int(sys.argv[4]))
    listening = [udp(own, port) for port in ports]
    lasting = udp(own, FIRST - 1)
    counts = {"sent": 0, "open": 0, "closed": 0}
    lines = selectors.DefaultSelector()
    lines.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    sys.stdin.readline()
    source = FIRST
    while not lines.select(PACE):
        source = FIRST if source == LAST else source + 1
        with udp(own, source) as new:
            for out in (lasting, new):
                for port in ports:
                    send(out, (other, port))
        counts["sent"] += 2
        counts["open"] += drained(listening[0])
        counts["closed"] += drained(listening[1])
    sys.stdin.readline()
    print("silent", flush=True)
    sys.stdin.readline()
    counts["open"] += drained(listening[0])
    counts["closed"] += drained(listening[1])
    print(json.dumps(counts))


main()
