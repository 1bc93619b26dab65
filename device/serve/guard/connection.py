"""Uvicorn's HTTP connection with the timeouts that it lacks."""

import asyncio
import resource
from collections.abc import Iterable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# Timeout for the headers of a request, and for the rest of a refused body.
_IDLE_TIMEOUT_S = 10.0
# Timeout for the client to read when the connection's buffers are full.
_WRITE_TIMEOUT_S = 30.0
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


class TimeLimitedProtocol(H11Protocol):
    """Closes connections that would otherwise stay open without doing anything.

    These are headers that arrive byte by byte, a refused body that never ends, and a
    stream whose client does not read. If there are too many, a new connection takes the
    place of that whose client has sent nothing for the longest time.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accepts a connection, and closes another if there are too many."""
        super().connection_made(transport)
        if hasattr(transport, "max_size"):  # Not with TLS.
            transport.max_size = _READ_BYTES
        self._idle_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self.last_data_s = self.loop.time()
        self._update_idle_timer()
        if len(self.connections) > max_connections():
            _close_one(self.connections, self)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Processes data; the idle timer runs while no response is under way."""
        self.last_data_s = self.loop.time()
        super().data_received(data)
        self._update_idle_timer()

    @property
    def waits_for_client(self) -> bool:
        """Whether the client could send more of a request, and is not made to wait."""
        is_incomplete = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        return is_incomplete and not self.flow.read_paused

    def _update_idle_timer(self) -> None:
        is_waiting = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        if self._is_responding() or not is_waiting:
            self._idle_timer = _cancel(self._idle_timer)
        elif self._idle_timer is None:
            self._idle_timer = self.loop.call_later(_IDLE_TIMEOUT_S, self._close_idle)

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

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timers."""
        self._idle_timer = _cancel(self._idle_timer)
        self._write_timer = _cancel(self._write_timer)
        super().connection_lost(exc)


def _close_one(
    connections: Iterable[TimeLimitedProtocol], newest: TimeLimitedProtocol
) -> None:
    """Closes the connection that waits longest for its client, else the newest."""
    open_ones = [one for one in connections if not one.transport.is_closing()]
    if len(open_ones) > max_connections():
        waiting = [one for one in open_ones if one.waits_for_client]
        oldest = min(waiting, key=lambda one: one.last_data_s, default=newest)
        oldest.transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancels a timer; returns None to take its place."""
    if timer is not None:
        timer.cancel()
    return None
