"""How many requests may be in memory, and how many may wait to be."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from corallite.device.serve.refusal import Limits, busy


class Admission:
    """Lets so many requests in at once, first come, first served.

    A request that waits costs its connection and no more: its body stays with the
    client, which the network tells to send no further.

    Attributes:
        running: Requests that were let in.
        waiting: Requests that wait for it.
    """

    def __init__(self, limits: Limits) -> None:
        """Is empty."""
        self.running = 0
        self.waiting = 0
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.bodies)

    @contextlib.asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Waits to be let in, and leaves after the block.

        Raises:
            Refusal: Too many wait already, or it took too long.
        """
        if self._slots.locked() and self.waiting >= self._limits.waiting:
            raise busy("Too many requests wait already; try again in a second.")
        await self._wait()
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._slots.release()

    async def _wait(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()  # At once: it takes no place in the queue.
            return
        self.waiting += 1
        try:
            await asyncio.wait_for(self._slots.acquire(), self._limits.wait_s)
        except asyncio.TimeoutError:
            raise busy("Others took too long; try again in a second.") from None
        finally:
            self.waiting -= 1
