"""TLS handshakes that do not end, and those that do."""

import contextlib
import socket
import ssl

import pytest
from fixtures.serving import serving

from corallite.device.serve.guard import connection

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LIMIT_S = 60
# The header of a record with a ClientHello, whose 100 bytes do not arrive.
BEGUN = b"\x16\x03\x01\x00\x64\x01"


@pytest.fixture
def connect(make_client, certificate):
    """A function that connects, without TLS, to a server that expects it."""
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(serving(make_client().app, *certificate))
        yield lambda: stack.enter_context(socket.create_connection(address, LIMIT_S))


@pytest.fixture
def get_health(connect, certificate):
    """A function that sends a request with TLS and returns the response."""
    trusting = ssl.create_default_context(cafile=certificate[0])

    def get():
        with trusting.wrap_socket(connect(), server_hostname="127.0.0.1") as client:
            client.sendall(HEALTH)
            return b"".join(iter(lambda: client.recv(4096), b""))

    return get


def is_closed(client):
    """Reads until the server ends the connection; returns True."""
    with contextlib.suppress(ConnectionError):
        while client.recv(4096):
            pass
    return True


@pytest.mark.parametrize("begun", [b"", BEGUN])
def test_incomplete_handshake_is_closed(connect, get_health, monkeypatch, begun):
    assert get_health().startswith(b"HTTP/1.1 200 ")
    monkeypatch.setattr(connection, "IDLE_TIMEOUT_S", 0.05)
    client = connect()
    client.sendall(begun)
    assert is_closed(client)


def test_incomplete_handshakes_give_their_places_to_new_connections(
    connect, get_health, monkeypatch
):
    monkeypatch.setattr(connection, "_MAX_CONNECTIONS", 2)
    monkeypatch.setattr(connection, "IDLE_TIMEOUT_S", LIMIT_S)
    held = [connect() for _ in range(20)]
    for client in held:
        client.sendall(BEGUN)
    assert get_health().startswith(b"HTTP/1.1 200 ")
    assert all(is_closed(client) for client in held[:-1])


def test_clients_without_tls_do_not_disturb_others(connect, get_health):
    for sent in (HEALTH, b"\x16\x03\x01\xff\xff" + bytes(100)):
        client = connect()
        client.sendall(sent)
        assert is_closed(client)
        connect().close()
    assert get_health().startswith(b"HTTP/1.1 200 ")


def test_incomplete_handshake_does_not_delay_the_end(make_client, certificate):
    with serving(make_client().app, *certificate) as address:
        client = socket.create_connection(address, LIMIT_S)
    with client:
        assert is_closed(client)


def test_request_may_arrive_with_the_end_of_the_handshake(connect, certificate):
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.create_default_context(cafile=certificate[0])
    encrypted = trusting.wrap_bio(received, to_send, server_hostname="127.0.0.1")
    client = connect()
    while True:
        with contextlib.suppress(ssl.SSLWantReadError):
            encrypted.do_handshake()
            break
        client.sendall(to_send.read())
        received.write(client.recv(65536))
    encrypted.write(HEALTH)
    client.sendall(to_send.read())
    answer = b""
    while b"alive" not in answer:
        try:
            answer += encrypted.read()
        except ssl.SSLWantReadError:
            block = client.recv(65536)
            assert block, answer
            received.write(block)
    assert answer.startswith(b"HTTP/1.1 200 ")
