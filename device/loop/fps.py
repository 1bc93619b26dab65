"""Measures frames per second."""

import time
from collections.abc import Callable


class Rate:
    """Frames per second over a whole run, in constant memory.

    Attributes:
        frames: Number of frames.
        seconds: Time from the first to the last frame.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Starts without frames; `clock_s` is a monotonic clock in seconds."""
        self.frames = 0
        self.seconds = 0.0
        self._clock_s = clock_s
        self._first_s = 0.0

    def tick(self) -> None:
        """Counts a frame."""
        now_s = self._clock_s()
        if not self.frames:
            self._first_s = now_s
        self.frames += 1
        self.seconds = now_s - self._first_s

    @property
    def fps(self) -> float:
        """Intervals per second; 0 with fewer than two frames."""
        return (self.frames - 1) / self.seconds if self.seconds else 0.0
