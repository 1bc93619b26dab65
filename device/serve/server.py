"""Runs the application with uvicorn until it is stopped."""

import contextlib
import logging as python_logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from corallite.device.serve.guard.connection import TimeLimitedProtocol
from corallite.device.serve.guard.gate import Gate
from corallite.device.serve.guard.handshake import TlsHandshake
from corallite.device.system import log
from corallite.device.system.errors import RequestError

# Time to finish responses when the server stops, in whole seconds.
_GRACE_S = 1
# Connections that the kernel accepts for us, and those that we take from it at once:
# each opens a file before it is counted.
_BACKLOG = 1024
_ACCEPTED_AT_ONCE = 64


def open_socket(host: str, port: int) -> socket.socket:
    """Returns a listening socket; port 0 takes any free port.

    Raises:
        RequestError: This machine has no such address, or the port is in use.
    """
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, address = found[0][0], found[0][4]
        listener = socket.create_server(address, family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise RequestError(
            f"--host={host} --port={port}: cannot listen there ({why}); choose another "
            "host or port."
        ) from error
    # Connections inherit this; asyncio sets it only on sockets that it opens. Else a
    # second small packet waits 40 ms, until the client acknowledges the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def run_server(
    app: Gate,
    listener: socket.socket,
    stop: threading.Event,
    tls_cert: str | None = None,
    tls_key: str | None = None,
    on_tick: Callable[[], None] = lambda: None,
) -> None:
    """Serves requests until `stop` is set, and finishes those under way within 1 s.

    Args:
        app: The application.
        listener: A listening socket; closed at the end.
        stop: Stops the server within 0.1 s plus the time above.
        tls_cert: File with a certificate; None: no encryption.
        tls_key: File with its key.
        on_tick: Called by the event loop about ten times a second, from the first
            request that can be served until `stop` is set.
    """
    # Below ERROR it logs every request and every mistake of a client.
    python_logging.getLogger("uvicorn.error").setLevel(python_logging.ERROR)
    config = uvicorn.Config(
        app,
        http=_choose_protocol(tls_cert, tls_key),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_ACCEPTED_AT_ONCE,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_GRACE_S,
    )
    _log_address(listener, bool(tls_cert))
    _Server(config, stop, on_tick).run(sockets=[listener])


def _choose_protocol(tls_cert: str | None, tls_key: str | None) -> Any:
    """Returns the function by which uvicorn makes the protocol of a connection."""
    if not tls_cert:
        return TimeLimitedProtocol
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls_cert, tls_key)

    def create(**state: Any) -> TlsHandshake:
        return TlsHandshake(context, TimeLimitedProtocol(**state))

    return create


class _Server(uvicorn.Server):
    """Stops when `stop` is set; leaves the signals to the program."""

    def __init__(
        self, config: uvicorn.Config, stop: threading.Event, on_tick: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._stop = stop
        self._on_tick = on_tick

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # asyncio has replaced it by the number that it accepts at once.
        for listener in sockets or ():
            listener.listen(_BACKLOG)

    async def on_tick(self, counter: int) -> bool:
        if self._stop.is_set():
            return True
        self._on_tick()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _log_address(listener: socket.socket, is_tls: bool) -> None:
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    log.info("Listening on http%s://%s:%d/", "s" if is_tls else "", name, port)
