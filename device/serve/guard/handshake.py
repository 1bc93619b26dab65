"""TLS handshakes, which count as connections."""

import asyncio
import contextlib
import ssl

from corallite.device.serve.guard import connection
from corallite.device.serve.guard.connection import TimeLimitedProtocol


class TlsHandshake(asyncio.Protocol):
    """A new connection until its TLS handshake is complete.

    asyncio's own server shows a connection only then, so that clients which do not
    complete it could use up the open files.

    Attributes:
        transport: The connection without TLS.
        last_data_s: When it was made, by the time of the event loop.
        waits_for_client: It can always be closed for a new one.
    """

    waits_for_client = True
    transport: asyncio.Transport

    def __init__(self, context: ssl.SSLContext, protocol: TimeLimitedProtocol) -> None:
        """Prepares a connection.

        Args:
            context: Has the certificate.
            protocol: Gets the connection after the handshake.
        """
        self._context = context
        self._protocol = protocol
        self._loop = protocol.loop
        self._connections: set[connection.Connection] = protocol.connections  # type: ignore[assignment]
        self._early_data: list[bytes] = []
        self.last_data_s = self._loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Counts the connection, and begins the handshake."""
        self.transport = transport
        self._connections.add(self)
        # It begins before anything is read. Here, Python 3.10 cannot pause reading yet.
        self._task = self._loop.create_task(self._run())
        connection.make_room(self._connections, self)

    def data_received(self, data: bytes) -> None:
        """Keeps data of a request that arrives with the end of the handshake."""
        self._early_data.append(data)

    def shutdown(self) -> None:
        """Ends the handshake; uvicorn calls it for all connections when it stops."""
        self.transport.abort()

    async def _run(self) -> None:
        encrypted = None
        try:
            if not self.transport.is_closing():
                # The client left, took too long, or does not speak TLS.
                with contextlib.suppress(OSError):
                    encrypted = await self._start_tls()
        finally:
            self._connections.discard(self)
        if encrypted and not self.transport.is_closing():
            self._pass_on(encrypted)

    async def _start_tls(self) -> asyncio.Transport | None:
        return await self._loop.start_tls(
            self.transport,
            self,
            self._context,
            server_side=True,
            ssl_handshake_timeout=connection.IDLE_TIMEOUT_S,
        )

    def _pass_on(self, encrypted: asyncio.Transport) -> None:
        encrypted.set_protocol(self._protocol)
        self._protocol.connection_made(encrypted)
        for data in self._early_data:
            self._protocol.data_received(data)
