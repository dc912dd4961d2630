"""The port answers four paths and nothing else, whatever is sent to it and however slowly."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from polc.agent.board import Board
from polc.agent.http import CONNECTIONS, Address, Pages, Server
from polc.agent.states import AgentReport
from polc.runtime.errors import CannotError
from polc.tests.agent_health.reports import BROKEN, GOOD, Clock, interface, report

STUCK_AFTER = 60.0


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def board(clock: Clock) -> Board:
    return Board(clock, report(interface(GOOD)))


@pytest.fixture(scope="module")
def server(board: Board) -> Iterator[Server]:
    made = Server(Address("127.0.0.1", 0), Pages(board, lambda: b"polc_x 1\n", stuck_after=STUCK_AFTER), 0.5)
    made.start()
    yield made
    made.close()


def ask(server: Server, sent: bytes) -> tuple[int, str, str]:
    """(status, head, body) of the answer; status 0 when the connection was closed unanswered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(sent)
        raw = b""
        while part := client.recv(65536):
            raw += part
    head, _, body = raw.decode().partition("\r\n\r\n")
    return int(head.split()[1]) if head else 0, head, body


def get(server: Server, path: str, host: str = "localhost") -> tuple[int, str, str]:
    return ask(server, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


def test_each_path_gives_its_page(server: Server) -> None:
    assert get(server, "/healthz")[::2] == (200, "ok\n")
    assert get(server, "/readyz")[::2] == (200, "ready\n")
    assert get(server, "/metrics")[::2] == (200, "polc_x 1\n")
    status, head, body = get(server, "/status")
    assert (status, "application/json" in head) == (200, True)
    assert AgentReport.model_validate(json.loads(body)).interfaces == (interface(GOOD),)


def test_only_a_stuck_loop_is_unhealthy(server: Server, board: Board, clock: Clock) -> None:
    board.pin(report(interface(BROKEN)))
    assert get(server, "/healthz")[0] == 200
    clock.now += STUCK_AFTER + 1
    assert get(server, "/healthz")[::2] == (503, "stuck: the loop last came round 61 seconds ago\n")
    board.pin(report(interface(GOOD)))
    assert get(server, "/healthz")[0] == 200


@pytest.mark.parametrize(("strict", "code"), [(False, 200), (True, 503)])
def test_one_bad_endpoint_fails_readiness_only_when_strict(*, strict: bool, code: int) -> None:
    board = Board(Clock(), report(interface(GOOD, "good"), interface(BROKEN, "bad")))
    answer = Pages(board, bytes, strict=strict).readyz()
    assert int(answer.status) == code
    assert answer.body.decode().splitlines()[0] == "degraded"
    assert "bad: not enforcing" in answer.body.decode()
    board.pin(report(phase="starting"))
    assert int(Pages(board, bytes, strict=strict).readyz().status) == 503


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/status/",
        "/status?x=1",
        "/../status",
        "/%73tatus",
        "/etc/passwd",
        "*",
        "/{0.pages}",
        "/%s%n",
    ],
)
def test_no_other_path_reaches_anything_or_comes_back(server: Server, path: str) -> None:
    status, head, body = get(server, path)
    assert (status, body) == (404, "Not Found\n")
    assert path == "/" or path not in head


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "get", "GETX"]
)
def test_every_other_method_is_refused(server: Server, method: str) -> None:
    status, head, _ = ask(server, f"{method} /status HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert status == 405
    assert "Allow: GET" in head


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.0.0.1:9095", "[::1].x", "127.1.evil"]
)
def test_a_request_to_loopback_under_another_name_is_refused(server: Server, host: str) -> None:
    status, head, body = get(server, "/status", host)
    assert (status, body) == (421, "Misdirected Request\n")
    assert host not in head


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9095", "127.0.0.1:9095", "[::1]:9095", "127.0.0.2"])
def test_the_names_of_loopback_are_taken(server: Server, host: str) -> None:
    assert get(server, "/healthz", host)[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
        b"GET /status HTTP/1.1\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        b"GET /status HTTP/1.1\r\nX: " + b"a" * 70000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /status HTTP/9.9\r\n\r\n",
        b"one two three four\r\n\r\n",
    ],
    ids=["long path", "many headers", "long header", "tls", "version", "words"],
)
def test_what_is_no_request_is_refused_and_the_server_goes_on(server: Server, sent: bytes) -> None:
    assert 400 <= ask(server, sent)[0] < 600
    assert get(server, "/healthz")[0] == 200


def test_silent_clients_are_cut_off_and_never_fill_the_port_for_good(server: Server) -> None:
    silent = [
        socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(CONNECTIONS + 4)
    ]
    try:
        for one in silent:
            try:
                assert one.recv(1) == b""
            except ConnectionResetError:
                continue
    finally:
        for one in silent:
            one.close()
    assert get(server, "/healthz")[0] == 200


def test_an_address_in_use_is_a_clear_error(server: Server, board: Board) -> None:
    with pytest.raises(
        CannotError, match=f"cannot listen on 127.0.0.1:{server.port}: Address already in use"
    ):
        Server(Address("127.0.0.1", server.port), Pages(board, bytes))


def test_addresses_are_read_strictly() -> None:
    assert Address.parse("127.0.0.1:9095") == Address("127.0.0.1", 9095)
    assert Address.parse("[::1]:9095") == Address("::1", 9095)
    assert str(Address.parse("[::1]:9095")) == "[::1]:9095"
    assert not Address.parse("0.0.0.0:9095").loopback
    for wrong in (
        "",
        "9095",
        "localhost:9095",
        "127.0.0.1",
        "127.0.0.1:",
        "::1:9095",
        "1.2.3.4:99999",
        "[1.2.3.4]:1",
    ):
        with pytest.raises(ValueError, match="is not ADDRESS:PORT"):
            Address.parse(wrong)
