"""Limits the requests in memory, and those that wait."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from corallite.device.serve.guard.refusal import Limits, busy


class Admission:
    """Admits a limited number of requests at once, in the order of their arrival.

    A waiting request costs only its connection: its body is not read yet, and TCP makes
    the client wait.

    Attributes:
        running: Requests that were admitted.
        waiting: Requests that wait to be admitted.
    """

    def __init__(self, limits: Limits) -> None:
        """Starts with no requests."""
        self.running = 0
        self.waiting = 0
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.bodies)

    @contextlib.asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Waits for admission, and frees the slot after the block.

        Raises:
            Refusal: The queue is full, or the wait took too long.
        """
        if self._slots.locked() and self.waiting >= self._limits.waiting:
            raise busy("Too many requests are waiting; try again in a second.")
        await self._wait()
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._slots.release()

    async def _wait(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()  # Returns at once: not counted as waiting.
            return
        self.waiting += 1
        try:
            await asyncio.wait_for(self._slots.acquire(), self._limits.wait_s)
        except asyncio.TimeoutError:
            raise busy("Other requests took too long; try again in a second.") from None
        finally:
            self.waiting -= 1
