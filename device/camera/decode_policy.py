"""Foresees when a camera's next frame is asked for: others need not be decoded.

No camera, thread or clock is in here: what happens is told, with the time.
"""

from collections import deque

# The shortest of so many last times between two takes is expected, and the longest of
# as many between two frames: either errs towards a frame that is decoded for nothing.
_REMEMBERED = 8
# A frame that comes a little later than expected must find one that is ready.
_MARGIN = 1.5


class Demand:
    """Says which frames to decode: those that may be the newest when one is asked for.

    A camera sends 30 frames a second, whether a slow board classifies 5 of them, heat
    allows 2, or `--max_fps` 1. To decode the others would be most of the work.

    One thread calls `note_asked` and `note_taken`, one other `wants`.

    Attributes:
        is_asked: Somebody waits for a frame.
    """

    def __init__(self) -> None:
        """Wants every frame until it knows better."""
        self.is_asked = False
        self._taken_s: float | None = None
        self._between_takes_s: deque[float] = deque(maxlen=_REMEMBERED)
        # When the next one may be asked for at the earliest.
        self._expected_s: float | None = None
        self._came_s: float | None = None
        self._between_frames_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._was_wanted = False
        # From a frame that was decoded to the next one.
        self._decoding_s = 0.0

    def note_asked(self) -> None:
        """Notes that somebody waits for a frame."""
        self.is_asked = True

    def note_taken(self, now_s: float) -> None:
        """Notes that somebody got a frame."""
        if self._taken_s is not None:
            self._between_takes_s.append(now_s - self._taken_s)
        if len(self._between_takes_s) == _REMEMBERED:
            self._expected_s = now_s + min(self._between_takes_s)
        self._taken_s, self.is_asked = now_s, False

    def wants(self, now_s: float) -> bool:
        """Notes that a frame came; tells whether to decode it."""
        if self._came_s is not None:
            self._between_frames_s.append(now_s - self._came_s)
            if self._was_wanted:
                self._decoding_s = now_s - self._came_s
        self._came_s = now_s
        self._was_wanted = self.is_asked or self._is_near(now_s)
        return self._was_wanted

    def _is_near(self, now_s: float) -> bool:
        """Tells whether the next frame may be too late to be decoded in time."""
        if self._expected_s is None or not self._between_frames_s:
            return True
        next_s = max(*self._between_frames_s, self._decoding_s)
        return now_s + _MARGIN * next_s >= self._expected_s
