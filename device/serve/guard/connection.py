"""An HTTP connection that nobody can keep open by doing nothing."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# For a request's headers to arrive, and for the rest of a body that was refused.
_IDLE_LIMIT_S = 10.0
# For a client to take what fills its connection.
_WRITE_LIMIT_S = 30.0
# Files that may be open are limited to 1,024 on most systems.
_MAX_CONNECTIONS = 512


class PatientProtocol(H11Protocol):
    """Uvicorn's connection, with the limits that it does not have.

    Headers that come byte by byte, a body that never ends after its refusal, and a
    stream that nobody reads would each hold a connection for ever.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection, or closes it if there are too many."""
        super().connection_made(transport)
        self._idle_limit: asyncio.TimerHandle | None = None
        self._write_limit: asyncio.TimerHandle | None = None
        if len(self.connections) > _MAX_CONNECTIONS:
            transport.abort()
            return
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Takes what has come; while no request is answered, only for some time."""
        super().data_received(data)
        self._await_request()

    def _await_request(self) -> None:
        is_answering = self.cycle is not None and not self.cycle.response_complete
        is_waiting = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        if is_answering or not is_waiting:
            self._idle_limit = _cancelled(self._idle_limit)
        elif self._idle_limit is None:
            self._idle_limit = self.loop.call_later(_IDLE_LIMIT_S, self._hang_up)

    def _hang_up(self) -> None:
        self._idle_limit = None
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if not is_answering:
            self.transport.close()

    def pause_writing(self) -> None:
        """Begins to wait for the client to take what was written."""
        super().pause_writing()
        self._write_limit = self.loop.call_later(_WRITE_LIMIT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Has the client's attention again."""
        super().resume_writing()
        self._write_limit = _cancelled(self._write_limit)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self._idle_limit = _cancelled(self._idle_limit)
        self._write_limit = _cancelled(self._write_limit)
        super().connection_lost(exc)


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancels a timer; returns the one to have instead, which is none."""
    if timer is not None:
        timer.cancel()
    return None
