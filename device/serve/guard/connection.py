"""Uvicorn's HTTP connection with the timeouts that it lacks."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# Timeout for the headers of a request, and for the rest of a refused body.
_IDLE_TIMEOUT_S = 10.0
# Timeout for the client to read when the connection's buffers are full.
_WRITE_TIMEOUT_S = 30.0
# Most systems limit a process to 1,024 open files.
_MAX_CONNECTIONS = 512


class TimeLimitedProtocol(H11Protocol):
    """Closes connections that would otherwise stay open without doing anything.

    These are headers that arrive byte by byte, a refused body that never ends, and a
    stream whose client does not read.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accepts a connection, or closes it if there are too many."""
        super().connection_made(transport)
        self._idle_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        if len(self.connections) > _MAX_CONNECTIONS:
            transport.abort()
            return
        self._update_idle_timer()

    def data_received(self, data: bytes) -> None:
        """Processes data; the idle timer runs while no response is under way."""
        super().data_received(data)
        self._update_idle_timer()

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


def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancels a timer; returns None to take its place."""
    if timer is not None:
        timer.cancel()
    return None
