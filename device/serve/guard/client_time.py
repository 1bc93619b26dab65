"""Limits the time that a client takes to send a body."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from corallite.device.serve.guard.refusal import Limits, Refusal

Message = MutableMapping[str, Any]


class ClientTime:
    """The time that a client may still take for a body.

    Only waits for the client count. So the rate is that of the client, also if the
    server itself makes it wait.
    """

    def __init__(self, limits: Limits) -> None:
        """Starts with the whole time."""
        self._limits = limits
        self._left_s = limits.body_s
        # Each byte adds the time that it may take, up to the longest silence.
        self._silence_s = limits.silence_s

    async def receive(self, receive: Callable[[], Awaitable[Message]]) -> Message:
        """Returns the next ASGI message of a request.

        Raises:
            Refusal: 408: the client is too slow.
        """
        start_s = time.monotonic()
        limit_s = min(self._left_s, self._silence_s)
        try:
            message = await asyncio.wait_for(receive(), limit_s)
        except asyncio.TimeoutError:
            raise self._too_slow() from None
        taken_s = time.monotonic() - start_s
        self._left_s -= taken_s
        earned_s = len(message.get("body", b"")) / self._limits.min_bytes_s
        self._silence_s = min(
            self._limits.silence_s, self._silence_s - taken_s + earned_s
        )
        return message

    def _too_slow(self) -> Refusal:
        limits = self._limits
        if self._left_s <= self._silence_s:
            why = f"took more than {limits.body_s:g} seconds"
        else:
            why = f"arrived at less than {limits.min_bytes_s / 1000:g} kB per second"
        return Refusal(408, f"The body {why}; send it faster.")
