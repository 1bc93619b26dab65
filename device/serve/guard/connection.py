"""Uvicorn's HTTP connection with the timeouts that it lacks."""

import asyncio
import heapq
import resource
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# Timeout for a TLS handshake, for headers, and for the rest of a refused body.
IDLE_TIMEOUT_S = 10.0
# Timeout for the client to read when the connection's buffers are full.
_WRITE_TIMEOUT_S = 30.0
# Set in the scope of a request that is cancelled because its client has left.
CLIENT_LEFT = "corallite.client_left"
# Most systems limit a process to 1,024 open files, some to 256.
_MAX_CONNECTIONS = 512
# For the camera, the model, and connections that were accepted and not counted yet.
_OTHER_FILES = 192
# A quarter of what asyncio reads at once: a body that waits keeps that much.
_READ_BYTES = 2**16


def max_connections() -> int:
    """Returns how many connections fit into the limit of open files."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return max(1, min(_MAX_CONNECTIONS, files - _OTHER_FILES))


class Connection(Protocol):
    """What counts as a connection.

    Attributes:
        transport: Carries it.
        last_data_s: When the client sent something, by the time of the event loop.
    """

    transport: asyncio.Transport
    last_data_s: float

    @property
    def waits_for_client(self) -> bool:
        """Whether it could be closed for a new one."""


class TimeLimitedProtocol(H11Protocol):
    """Closes connections that would otherwise stay open without doing anything.

    These are headers that arrive byte by byte, a refused body that never ends, and a
    stream whose client does not read. If there are too many, a new connection takes the
    place of that whose client has sent nothing for the longest time.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accepts a connection, and closes another if there are too many."""
        super().connection_made(transport)
        self._task: asyncio.Task[Any] | None = None
        self.app = partial(self._respond, self.app)
        if hasattr(transport, "max_size"):  # Not with TLS.
            transport.max_size = _READ_BYTES
        self._idle_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        # Else the timer below would ignore the last 64 KiB of a response.
        transport.set_write_buffer_limits(high=1)
        self.last_data_s = self.loop.time()
        self._update_idle_timer()
        make_room(self.connections, self)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Processes data; the idle timer runs while no response is under way."""
        self.last_data_s = self.loop.time()
        super().data_received(data)
        self._update_idle_timer()

    @property
    def waits_for_client(self) -> bool:
        """Whether the client must send more of a request, or the end of TLS."""
        is_incomplete = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        is_made_to_wait = self.flow.read_paused
        return self.transport.is_closing() or (is_incomplete and not is_made_to_wait)

    def _update_idle_timer(self) -> None:
        is_waiting = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        if self._is_responding() or not is_waiting:
            self._idle_timer = _cancel(self._idle_timer)
        elif self._idle_timer is None:
            self._idle_timer = self.loop.call_later(IDLE_TIMEOUT_S, self._close_idle)

    def _close_idle(self) -> None:
        self._idle_timer = None
        if not self._is_responding():
            self.transport.close()

    def _is_responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def pause_writing(self) -> None:
        """Starts the timer for the client to read."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(_WRITE_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Stops the timer: the client reads."""
        super().resume_writing()
        self._write_timer = _cancel(self._write_timer)

    async def _respond(
        self, app: Callable[..., Awaitable[None]], *arguments: Any
    ) -> None:
        self._task = asyncio.current_task()
        await app(*arguments)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timers, and a request whose client has left."""
        self._idle_timer = _cancel(self._idle_timer)
        self._write_timer = _cancel(self._write_timer)
        super().connection_lost(exc)
        # A body that waits for memory does not see it. A stream sees it itself.
        if self._task and self._is_responding() and not self.cycle.response_started:
            self.scope[CLIENT_LEFT] = True  # type: ignore[literal-required]
            self._task.cancel()


def make_room(connections: set[Connection], newest: Connection) -> None:
    """Closes those that wait longest for their clients, else the newest, if needed."""
    if len(connections) > max_connections():
        waiting = [one for one in connections if one.waits_for_client] or [newest]
        # Some more make room for the next ones: the search takes half a millisecond.
        count = 1 + len(connections) // 32
        for oldest in heapq.nsmallest(count, waiting, lambda one: one.last_data_s):
            oldest.transport.abort()
            connections.discard(oldest)


def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancels a timer; returns None to take its place."""
    if timer is not None:
        timer.cancel()
    return None
