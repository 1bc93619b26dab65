"""Limits the bytes of request bodies in memory, however many requests there are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from corallite.device.serve.guard.refusal import Limits, busy

# A body of this size never waits for memory: slow or large ones do not delay it. The
# buffers of its connection take as much.
_FREE_BYTES = 2**16


@dataclass(eq=False)
class HeldBytes:
    """What one body takes.

    Attributes:
        count: Bytes received so far.
    """

    count: int = 0


class BodyMemory:
    """Lets bodies grow while all of them together are below a limit.

    At the limit they wait, and TCP makes their clients wait. One of them may grow
    nevertheless: else all of them could wait for each other.

    Attributes:
        count: Bytes of all bodies.
        bodies: How many bodies are being read or classified.
    """

    def __init__(self, limits: Limits) -> None:
        """Starts without bodies."""
        self.count = 0
        self.bodies = 0
        self._limit_bytes = limits.bodies * limits.body_bytes
        self._wait_s = limits.wait_s
        self._beyond_limit: HeldBytes | None = None
        # Without a lock: cancelled requests could wait for one forever.
        self._freed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def hold(self) -> AsyncIterator[HeldBytes]:
        """Yields the account of a body, and frees its bytes after the block."""
        held = HeldBytes()
        self.bodies += 1
        try:
            yield held
        finally:
            self.bodies -= 1
            self.count -= held.count
            if self._beyond_limit is held:
                self._beyond_limit = None
            self._wake()

    def add(self, held: HeldBytes, count: int) -> None:
        """Counts bytes that were received."""
        held.count += count
        self.count += count

    async def wait_for_room(self, held: HeldBytes) -> None:
        """Waits until a body may grow.

        Raises:
            Refusal: The wait took too long.
        """
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._wait_s
        while not self._has_room(held):
            if loop.time() >= end_s:
                raise busy("Other bodies fill the memory; try again in a second.")
            timer = loop.call_at(end_s, self._wake)
            try:
                await self._freed.wait()
            finally:
                timer.cancel()

    def _wake(self) -> None:
        self._freed.set()
        self._freed = asyncio.Event()

    def _has_room(self, held: HeldBytes) -> bool:
        if held.count < _FREE_BYTES or self.count < self._limit_bytes:
            return True
        if self._beyond_limit is None:
            self._beyond_limit = held
        return self._beyond_limit is held
