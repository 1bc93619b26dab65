"""Limits the images that are classified at once, and those that wait."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from corallite.device.serve.guard.refusal import Limits, busy

# A smaller image may overtake one that came earlier by at most this time for each pixel
# of difference: one second per megapixel, about ten times what decoding takes on a
# board. So no large image waits forever.
_S_PER_PIXEL = 1e-6


@dataclass(eq=False)
class _Turn:
    """A waiting request.

    Attributes:
        due_s: The earliest is next, by `time.monotonic`.
        admitted: Done when it is admitted, or refused.
    """

    due_s: float
    admitted: asyncio.Future[None]


class Admission:
    """Admits a limited number of images at once, small ones first.

    Attributes:
        running: Images that were admitted.
    """

    def __init__(self, limits: Limits) -> None:
        """Starts with no requests."""
        self.running = 0
        self._limits = limits
        self._turns: list[_Turn] = []

    @property
    def waiting(self) -> int:
        """Images that wait to be admitted."""
        return len(self._turns)

    def refuse_if_full(self) -> None:
        """Refuses a request that would have to wait, if too many do.

        Raises:
            Refusal: The queue is full.
        """
        is_busy = self.running >= self._limits.running
        if is_busy and self.waiting >= self._limits.waiting:
            raise busy("Too many requests are waiting; try again in a second.")

    @contextlib.asynccontextmanager
    async def enter(self, pixels: int = 0) -> AsyncIterator[None]:
        """Waits for admission, and admits the next image after the block.

        Args:
            pixels: The size of the image.

        Raises:
            Refusal: The queue is full, or the wait took too long.
        """
        self.refuse_if_full()
        if self.running < self._limits.running:
            self.running += 1
        else:
            await self._wait(time.monotonic() + pixels * _S_PER_PIXEL)
        try:
            yield
        finally:
            self._leave()

    async def _wait(self, due_s: float) -> None:
        loop = asyncio.get_running_loop()
        turn = _Turn(due_s, loop.create_future())
        self._turns.append(turn)
        timer = loop.call_later(self._limits.wait_s, _refuse, turn)
        try:
            await turn.admitted
        except BaseException:
            # It may have been cancelled after its admission.
            if turn not in self._turns:
                self._leave()
            raise
        finally:
            timer.cancel()
            if turn in self._turns:
                self._turns.remove(turn)

    def _leave(self) -> None:
        self.running -= 1
        ready = [turn for turn in self._turns if not turn.admitted.done()]
        if ready:
            turn = min(ready, key=lambda turn: turn.due_s)
            self._turns.remove(turn)
            self.running += 1
            turn.admitted.set_result(None)


def _refuse(turn: _Turn) -> None:
    if not turn.admitted.done():
        turn.admitted.set_exception(
            busy("Other requests took too long; try again in a second.")
        )
