"""Real packets between real sockets: answering ends, single probes, and a stream that runs on.

A socket stays in the network namespace in which it was made, so each is made inside `netns.run` and used
from any thread afterwards.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

PATIENCE: Final = 3.0  # seconds an answer that is expected may take on a busy machine
SILENCE: Final = 0.4  # seconds without an answer that count as denied

_ECHO_REQUEST: Final = {4: 8, 6: 128}
_ECHO_REPLY: Final = {4: 0, 6: 129}
_ICMP_PROTOCOL: Final = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}


@dataclass(frozen=True, slots=True)
class Probe:
    """One question from an address to another. port: the destination's, or the ICMP type asked."""

    protocol: str  # "TCP", "UDP" or "ICMP"
    source: str
    destination: str
    port: int = 0

    @property
    def version(self) -> int:
        return ip_address(self.destination).version


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a probe. source_port tells its packets from others' (for ICMP the identifier)."""

    answered: bool
    source_port: int
    seconds: float


class Responder:
    """Echoes on TCP and UDP ports of the namespace that it is made in, until closed."""

    def __init__(self, tcp: Iterable[int], udp: Iterable[int]) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        for kind, ports in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
            for port in ports:
                self._listen(kind, port)
        self._thread = threading.Thread(target=self._serve, name="responder")
        self._thread.start()

    def _listen(self, kind: int, port: int) -> None:
        end = socket.socket(socket.AF_INET6, kind)
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.bind(("::", port))
        end.setblocking(False)
        if kind == socket.SOCK_STREAM:
            end.listen()
        self._selector.register(end, selectors.EVENT_READ, kind == socket.SOCK_STREAM)

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is self._wake:
                    return
                with contextlib.suppress(OSError):
                    self._answer(end, accepts=bool(key.data))

    def _answer(self, end: socket.socket, *, accepts: bool) -> None:
        if accepts:
            connection, _ = end.accept()
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ, False)
        elif end.type == socket.SOCK_DGRAM:
            data, sender = end.recvfrom(2048)
            end.sendto(data, sender)
        else:
            try:
                data = end.recv(2048)
            except OSError:
                data = b""
            if data:
                end.sendall(data)
            else:
                self._selector.unregister(end)
                end.close()

    def close(self) -> None:
        self._waker.send(b".")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
        self._waker.close()


def ask(probe: Probe, patience: float) -> Answer:
    """Sends one question from the namespace of the calling thread and waits for its echo."""
    family = socket.AF_INET if probe.version == 4 else socket.AF_INET6
    begin = time.monotonic()
    if probe.protocol == "ICMP":
        answered, port = _ping(probe, family, patience)
    else:
        kind = socket.SOCK_STREAM if probe.protocol == "TCP" else socket.SOCK_DGRAM
        with socket.socket(family, kind) as end:
            end.settimeout(patience)
            end.bind((probe.source, 0))
            port = int(end.getsockname()[1])
            answered = _echo(end, (probe.destination, probe.port))
    return Answer(answered, port, time.monotonic() - begin)


def _echo(end: socket.socket, target: tuple[str, int]) -> bool:
    try:
        end.connect(target)
        end.send(b"polc demo")
        return end.recv(64) == b"polc demo"
    except OSError:
        return False


def _ping(probe: Probe, family: int, patience: float) -> tuple[bool, int]:
    identifier = int.from_bytes(os.urandom(2), "big")
    request = _echo_message(_ECHO_REQUEST[probe.version], identifier)
    with socket.socket(family, socket.SOCK_RAW, _ICMP_PROTOCOL[probe.version]) as end:
        end.bind((probe.source, 0))
        end.sendto(request, (probe.destination, 0))
        until = time.monotonic() + patience
        while (left := until - time.monotonic()) > 0:
            end.settimeout(left)
            try:
                data = end.recv(2048)
            except TimeoutError:
                break
            # A raw IPv4 socket hands the IP header over too, an IPv6 one does not (raw(7), RFC 3542).
            message = data[(data[0] & 0xF) * 4 :] if probe.version == 4 else data
            kind, _, _, found, _ = struct.unpack_from("!BBHHH", message)
            if kind == _ECHO_REPLY[probe.version] and found == identifier:
                return True, identifier
    return False, identifier


def _echo_message(kind: int, identifier: int) -> bytes:
    """An echo request (RFC 792, RFC 4443); the kernel itself fills in ICMPv6's checksum."""
    body = struct.pack("!BBHHH", kind, 0, 0, identifier, 1) + b"polc demo!"
    words = struct.unpack(f"!{len(body) // 2}H", body)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHHH", kind, 0, ~total & 0xFFFF, identifier, 1) + b"polc demo!"


class Stream:
    """One conversation that asks and is answered over and over, from the namespace that it is made in.

    It ends at the first question that stays unanswered for `SILENCE` seconds.
    """

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.answers = 0
        self.longest = 0.0  # seconds: the longest time between a question and its answer
        self._stop = threading.Event()
        family = socket.AF_INET if probe.version == 4 else socket.AF_INET6
        kind = socket.SOCK_STREAM if probe.protocol == "TCP" else socket.SOCK_DGRAM
        self._end = socket.socket(family, kind)
        self._end.settimeout(PATIENCE)
        self._end.bind((probe.source, 0))
        self._end.connect((probe.destination, probe.port))
        self._end.settimeout(SILENCE)
        self.source_port = int(self._end.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name=f"stream {probe.port}")
        self._thread.start()

    def _run(self) -> None:
        question = b"still there?"
        while not self._stop.is_set():
            begin = time.monotonic()
            try:
                self._end.send(question)
                if self._end.recv(64) != question:
                    return
            except OSError:
                return
            self.longest = max(self.longest, time.monotonic() - begin)
            self.answers += 1
            time.sleep(0.001)

    @property
    def alive(self) -> bool:
        """Whether every question so far was answered."""
        return self._thread.is_alive()

    def reach(self, answers: int) -> bool:
        """Waits until so many answers came; False when the conversation ends or dawdles before."""
        until = time.monotonic() + PATIENCE
        while self.answers < answers and self.alive and time.monotonic() < until:
            time.sleep(0.002)
        return self.answers >= answers

    def end(self) -> None:
        """Waits until the conversation has broken off by itself, for at most `PATIENCE` seconds."""
        self._thread.join(PATIENCE)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._end.close()
