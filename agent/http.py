"""The agent's port: `/healthz`, `/readyz`, `/metrics`, `/status`; read-only, bounded, on loopback by default.

What a client sends selects one of four answers and nothing else: the path is looked up whole in a table,
every header but Host is ignored, a body is never read. Limits: connections at once, bytes of a line and
number of headers (http.server), seconds a connection may last. On a loopback address a request that names
another host is refused, so that no web page reads the port through a name made to resolve to 127.0.0.1.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final

from ..runtime.errors import CannotError
from .board import Board
from .states import Readiness, readiness

DEFAULT_ADDRESS: Final = "127.0.0.1:9095"
CONNECTIONS: Final = 16  # at once; a further one is closed unanswered
LASTS: Final = 5.0  # seconds from accepting a connection to closing it, whatever the client does
_TEXT: Final = "text/plain; charset=utf-8"
_LOCAL_NAMES: Final = frozenset({"", "localhost"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. host: an IP address, never a name."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """`127.0.0.1:9095`, `[::1]:9095`. Raises ValueError, which says what was expected."""
        host, colon, port = text.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            number = int(port) if colon and port.isascii() and port.isdecimal() else -1
            if not 0 <= number <= 0xFFFF or (":" in bare) != (bare != host):
                raise ValueError
            return cls(str(ipaddress.ip_address(bare)), number)
        except ValueError:
            raise ValueError(f"{text!r} is not ADDRESS:PORT, such as 127.0.0.1:9095 or [::1]:9095") from None

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: HTTPStatus
    body: bytes
    kind: str = _TEXT


@dataclass(frozen=True, slots=True)
class Pages:
    """What each path answers. metrics: the exposition text. strict: `/readyz` fails when degraded.

    stuck_after: seconds without a heartbeat of the loop after which `/healthz` fails.
    """

    board: Board
    metrics: Callable[[], bytes]
    strict: bool = False
    stuck_after: float = 60.0

    def table(self) -> Mapping[str, Callable[[], Answer]]:
        return {
            "/healthz": self.healthz,
            "/readyz": self.readyz,
            "/metrics": self.exposition,
            "/status": self.status,
        }

    def healthz(self) -> Answer:
        """Whether the process should be restarted: only when its loop no longer comes round."""
        silence = self.board.silence()
        if silence <= self.stuck_after:
            return Answer(HTTPStatus.OK, b"ok\n")
        text = f"stuck: the loop last came round {silence:.0f} seconds ago\n"
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE, text.encode())

    def readyz(self) -> Answer:
        """Whether the node may take pods."""
        ready, reasons = readiness(self.board.read())
        bad = ready is Readiness.NOT_READY or (ready is Readiness.DEGRADED and self.strict)
        text = "\n".join((str(ready), *reasons)) + "\n"
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE if bad else HTTPStatus.OK, text.encode())

    def exposition(self) -> Answer:
        return Answer(HTTPStatus.OK, self.metrics(), "text/plain; version=0.0.4; charset=utf-8")

    def status(self) -> Answer:
        report = self.board.read().model_dump(mode="json")
        return Answer(HTTPStatus.OK, json.dumps(report).encode() + b"\n", "application/json")


class Server(ThreadingMixIn, TCPServer):
    """Serves `pages` on an address until `close`. CannotError when it cannot listen there."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, address: Address, pages: Pages, lasts: float = LASTS) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self.pages = pages.table()
        self.loopback = address.loopback
        self._lasts = lasts
        self._places = threading.BoundedSemaphore(CONNECTIONS)
        self._open: dict[socket.socket, float] = {}
        try:
            super().__init__((address.host, address.port), _Handler)
        except OSError as error:
            raise CannotError(
                f"cannot listen on {address}: {error.strerror}",
                "give another --http ADDRESS:PORT, or --http '' for none",
            ) from error

    @property
    def port(self) -> int:
        """The port it listens on: the kernel's choice when 0 was asked for."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Serves in a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(0.5,), name="http", daemon=True).start()

    def close(self) -> None:
        """Stops listening. After `start` only."""
        self.shutdown()
        self.server_close()

    # --- socketserver's hooks -----------------------------------------------------------------------

    def process_request(self, request: Any, client_address: Any) -> None:
        """One thread a connection, while there is a place."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._open[request] = time.monotonic() + self._lasts
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.pop(request, None)
            self._places.release()

    def service_actions(self) -> None:
        """Called some times a second: cuts off the connections whose time is over."""
        now = time.monotonic()
        for request, until in tuple(self._open.items()):
            if now > until:
                try:
                    request.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # closed meanwhile

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    """One request, then the connection ends. Echoes nothing of what it was sent."""

    server: Server
    server_version = "polc"
    sys_version = ""
    default_request_version = "HTTP/1.0"  # of what is no request: with status line and headers
    timeout = LASTS

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self.close_connection = True
        if self.command != "GET":
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
            return False
        if self.server.loopback and not _local(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return False
        return True

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path)
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._send(page())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        status = HTTPStatus(code)
        self.close_connection = True
        self._send(Answer(status, f"{status.phrase}\n".encode()))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes come several times a minute: they are no news."""


def _local(host: str) -> bool:
    """Whether a Host header names this machine's loopback."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    bare = name.strip("[]").lower()
    try:
        return bare in _LOCAL_NAMES or ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False
