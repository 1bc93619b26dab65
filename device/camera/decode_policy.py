"""Predicts when the consumer asks for a frame, so that other frames are not decoded.

It uses no camera, thread or clock: the caller passes in every event and its time.
"""

from collections import deque

# The policy expects the shortest of this many intervals between two requests, and the
# longest of this many between two frames. If it errs, it decodes a frame too many.
_HISTORY = 8
# A frame that arrives a little later than predicted must find a decoded one.
_MARGIN = 1.5


class DecodePolicy:
    """Selects the frames to decode: those that may be the newest at a request.

    A camera may send 30 frames per second, while a slow board classifies 5, the thermal
    throttle allows 2, or `--max_fps` 1. Decoding the others would be most of the work.

    One thread calls `note_request` and `note_taken`, another one `should_decode`.

    Attributes:
        is_requested: The consumer is waiting for a frame.
    """

    def __init__(self) -> None:
        """Decodes every frame until there is enough history."""
        self.is_requested = False
        self._taken_s: float | None = None
        self._between_takes_s: deque[float] = deque(maxlen=_HISTORY)
        # The earliest time of the next request.
        self._expected_s: float | None = None
        self._frame_s: float | None = None
        self._between_frames_s: deque[float] = deque(maxlen=_HISTORY)
        self._was_decoded = False
        # From a decoded frame to the next one.
        self._decoding_s = 0.0

    def note_request(self) -> None:
        """Records that the consumer waits for a frame."""
        self.is_requested = True

    def note_taken(self, now_s: float) -> None:
        """Records that the consumer got a frame."""
        if self._taken_s is not None:
            self._between_takes_s.append(now_s - self._taken_s)
        if len(self._between_takes_s) == _HISTORY:
            self._expected_s = now_s + min(self._between_takes_s)
        self._taken_s, self.is_requested = now_s, False

    def should_decode(self, now_s: float) -> bool:
        """Records that a frame arrived; returns whether to decode it."""
        if self._frame_s is not None:
            self._between_frames_s.append(now_s - self._frame_s)
            if self._was_decoded:
                self._decoding_s = now_s - self._frame_s
        self._frame_s = now_s
        self._was_decoded = self.is_requested or self._is_request_near(now_s)
        return self._was_decoded

    def _is_request_near(self, now_s: float) -> bool:
        """Returns whether the frame after this one may be decoded too late."""
        if self._expected_s is None or not self._between_frames_s:
            return True
        next_s = max(*self._between_frames_s, self._decoding_s)
        return now_s + _MARGIN * next_s >= self._expected_s
