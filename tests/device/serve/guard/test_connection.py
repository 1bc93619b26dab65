"""Timeouts and limits of connections, shortened for the tests."""

import contextlib
import os
import re
import socket
import time

import numpy as np
import pytest
from fixtures.serving import serving

from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.serve.guard import connection
from corallite.device.serve.guard.refusal import Limits
from corallite.device.serve.live.camera import Snapshot

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
STREAM = b"GET /stream.mjpg HTTP/1.1\r\nHost: x\r\n\r\n"
LIMIT_S = 60


class Still:
    """A camera with one frame."""

    counter = None

    def __init__(self):
        result = Result(0, 0.0, "still", [Prediction("red", 1.0)], "red", 1.0)
        image_rgb_u8 = np.zeros((48, 64, 3), np.uint8)
        self.newest = Snapshot(image_rgb_u8, result, time.monotonic())


@pytest.fixture
def limits():
    """The limits of the server; a test may set others."""
    return Limits()


@pytest.fixture
def connect(make_client, limits):
    """A function that connects to a server in a thread of this process."""
    app = make_client(limits, camera=Still()).app
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(serving(app))
        yield lambda: stack.enter_context(socket.create_connection(address, LIMIT_S))


def answer_to(client, raw):
    """Returns everything received until the connection is closed or reset."""
    answer = b""
    with contextlib.suppress(ConnectionError):
        client.sendall(raw)
        while block := client.recv(4096):
            answer += block
    return answer


SLOW_UPLOAD = (
    b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
    b"Content-Length: 100\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
)


@pytest.mark.parametrize(("begin", "end"), [(b"", HEALTH), (SLOW_UPLOAD, bytes(100))])
@pytest.mark.parametrize("limits", [Limits(body_s=LIMIT_S, silence_s=LIMIT_S)])
def test_new_connection_takes_the_place_of_the_one_silent_longest(
    connect, monkeypatch, begin, end
):
    monkeypatch.setattr(connection, "_MAX_CONNECTIONS", 2)
    monkeypatch.setattr(connection, "IDLE_TIMEOUT_S", LIMIT_S)
    held = [connect(), connect()]
    for client in held:
        client.sendall(begin)
        # Shows that the server has it.
        assert not begin or client.recv(4096).startswith(b"HTTP/1.1 ")
    assert answer_to(connect(), HEALTH).startswith(b"HTTP/1.1 200 ")
    assert answer_to(held[0], b"") == b""
    assert answer_to(held[1], end).startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize("limits", [Limits(body_s=LIMIT_S, silence_s=LIMIT_S)])
def test_many_new_connections_at_once_leave_the_newest(connect, monkeypatch):
    monkeypatch.setattr(connection, "_MAX_CONNECTIONS", 2)
    monkeypatch.setattr(connection, "IDLE_TIMEOUT_S", LIMIT_S)
    held = [connect() for _ in range(20)]
    assert answer_to(connect(), HEALTH).startswith(b"HTTP/1.1 200 ")
    assert [answer_to(client, b"") for client in held[:-1]] == [b""] * 19
    assert answer_to(held[-1], HEALTH).startswith(b"HTTP/1.1 200 ")


def test_connections_with_a_response_keep_their_places(
    connect, monkeypatch, wait_until
):
    monkeypatch.setattr(connection, "_MAX_CONNECTIONS", 2)
    watching = [connect(), connect()]
    for client in watching:
        client.sendall(STREAM)
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert answer_to(connect(), HEALTH) == b""
    watching[0].close()
    wait_until(lambda: answer_to(connect(), HEALTH).startswith(b"HTTP/1.1 200 "))


@pytest.mark.parametrize(
    ("files", "expected"), [(1024, 512), (256, 64), (10, 1), (-1, 512)]
)
def test_connections_fit_into_the_limit_of_open_files(monkeypatch, files, expected):
    monkeypatch.setattr(connection.resource, "getrlimit", lambda _: (files, files))
    assert connection.max_connections() == expected


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", b"GET / HTTP/1.1\r\nA: b"])
def test_incomplete_request_is_closed(connect, monkeypatch, begun):
    monkeypatch.setattr(connection, "IDLE_TIMEOUT_S", 0.05)
    # The server closes the connection; the client does not.
    assert answer_to(connect(), begun) == b""


def test_incomplete_body_of_a_refused_request_is_closed(connect, monkeypatch):
    head = b"POST /v1/model HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    client = connect()
    client.sendall(head)
    assert client.recv(4096).startswith(b"HTTP/1.1 405 ")
    # Only now: the timeout must not end the connection before its first response.
    monkeypatch.setattr(connection, "IDLE_TIMEOUT_S", 0.05)
    answer_to(client, b"x")


def test_unread_responses_end_the_connection(connect, monkeypatch, wait_until):
    monkeypatch.setattr(connection, "_WRITE_TIMEOUT_S", 0.05)
    client = connect()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    # The responses to many requests fill the connection as a stream would.
    raw = b"GET /page/page.js HTTP/1.1\r\nHost: x\r\n\r\n"

    def is_cut():
        try:
            client.sendall(raw)
        except ConnectionError:
            return True
        return False

    wait_until(is_cut)


def test_rest_of_a_response_that_is_not_read_ends_the_connection(
    make_client, monkeypatch, wait_until
):
    """Up to 64 KiB, asyncio would not tell the server that the client does not read."""
    monkeypatch.setattr(connection, "_WRITE_TIMEOUT_S", 0.05)
    script = b"GET /page/page.js HTTP/1.1\r\nHost: x\r\n"
    app = make_client().app
    with serving(app, send_buffer_bytes=4096) as address, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address)
        client.sendall((script + b"\r\n") * 4 + script + b"Connection: close\r\n\r\n")
        assert client.recv(4, socket.MSG_PEEK) == b"HTTP"
        open_files = len(os.listdir("/dev/fd"))
        wait_until(lambda: len(os.listdir("/dev/fd")) < open_files)


def test_ninth_client_of_the_stream_is_refused_until_another_leaves(
    connect, wait_until
):
    def begin():
        client = connect()
        client.sendall(STREAM)
        return client, client.recv(4096)

    clients = [begin() for _ in range(8)]
    assert all(head.startswith(b"HTTP/1.1 200 ") for _, head in clients)
    refused = begin()[1]
    assert refused.startswith(b"HTTP/1.1 503 ") and b"retry-after: 1" in refused
    clients[0][0].close()
    wait_until(lambda: begin()[1].startswith(b"HTTP/1.1 200 "))


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(body_s=0.1), b"took more than 0.1 seconds"),
        (Limits(silence_s=0.1), b"arrived at less than 16 kB per second"),
    ],
)
def test_slow_body_is_refused(connect, why):
    head = (
        b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        b"Content-Length: 100\r\n\r\n"
    )
    client = connect()
    client.sendall(head + b"begun")
    answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408 ")
    while why not in answer:
        block = client.recv(4096)
        assert block, answer
        answer += block


def test_body_that_waits_for_memory_is_dropped_when_its_client_leaves(
    make_client, wait_until
):
    times = {"wait_s": LIMIT_S, "body_s": LIMIT_S, "silence_s": LIMIT_S}
    app = make_client(Limits(body_bytes=70_000, bodies=1, **times)).app
    head = SLOW_UPLOAD.replace(b"Length: 100", b"Length: 70000")
    with serving(app) as address, contextlib.ExitStack() as stack:

        def connect():
            return stack.enter_context(socket.create_connection(address, LIMIT_S))

        def read_metrics():
            raw = HEALTH.replace(b"healthz", b"metrics")
            return answer_to(connect(), raw).decode()

        def read(name):
            found = re.search(rf"(?m)^corallite_request_{name} (\S+)", read_metrics())
            assert found
            return float(found[1])

        clients = [connect() for _ in range(3)]
        for number, client in enumerate(clients, 1):
            client.sendall(head)
            assert client.recv(4096).startswith(b"HTTP/1.1 100 ")
            client.sendall(bytes(69_000))
            wait_until(lambda n=number: read("bytes") >= 65536 * n)
        # The first has room, the second may exceed the limit, and the third waits.
        clients[2].close()
        wait_until(lambda: read("bodies") == 2)
        wait_until(lambda: 'code="499"' in read_metrics())


@pytest.mark.parametrize("limits", [Limits(body_s=LIMIT_S, silence_s=LIMIT_S)])
def test_slow_bodies_do_not_delay_others(connect):
    for _ in range(8):
        slow = connect()
        slow.sendall(SLOW_UPLOAD)
        # The server waits for the body: it does not only queue the request.
        assert slow.recv(4096).startswith(b"HTTP/1.1 100 ")
    honest = connect()
    honest.sendall(SLOW_UPLOAD + bytes(100))
    answer = answer_to(honest, b"")
    assert b"HTTP/1.1 400 " in answer and b"not an image" in answer
