"""Listens, and answers until told to stop."""

import contextlib
import logging as python_logging
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn

from corallite.device.serve.guard.connection import PatientProtocol
from corallite.device.serve.guard.gate import Gate
from corallite.device.system import log
from corallite.device.system.errors import RequestError

# For answers under way when the server is to end; whole seconds.
_GRACE_S = 1
_BACKLOG = 512


def open_socket(host: str, port: int) -> socket.socket:
    """Returns a socket that listens; port 0 takes any that is free.

    Raises:
        RequestError: There is no such host here, or the port is taken.
    """
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, address = found[0][0], found[0][4]
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise RequestError(
            f"--host={host} --port={port}: cannot listen there ({why}); choose another "
            "host or port."
        ) from error


def run_server(
    app: Gate,
    listener: socket.socket,
    stop: threading.Event,
    tls_cert: str | None = None,
    tls_key: str | None = None,
    on_tick: Callable[[], None] = lambda: None,
) -> None:
    """Answers requests until `stop` is set; then for a second more.

    Args:
        app: What answers.
        listener: Listens already; closed at the end.
        stop: Ends it, within a tenth of a second and what is under way.
        tls_cert: A file with a certificate; None: not encrypted.
        tls_key: A file with its key.
        on_tick: Called by the event loop, about ten times a second from when requests
            are answered until `stop` is set.
    """
    # Its other lines are of each request and each client's mistake.
    python_logging.getLogger("uvicorn.error").setLevel(python_logging.ERROR)
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_GRACE_S,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    _log_address(listener, bool(tls_cert))
    _Server(config, stop, on_tick).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends when our event is set; leaves the signals to whoever set it."""

    def __init__(
        self,
        config: uvicorn.Config,
        stop: threading.Event,
        on_tick: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._stop = stop
        self._on_tick = on_tick

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
