"""The listening socket."""

import socket

import pytest

from corallite.device.serve.server import open_socket
from corallite.device.system.errors import RequestError


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_send_small_packets_at_once(host):
    """Else the second packet of a response waits 40 ms for the client's ACK."""
    try:
        listener = open_socket(host, 0)
    except RequestError:
        pytest.skip("needs IPv6")
    with listener, socket.create_connection(listener.getsockname()[:2]):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
