"""Averages probabilities over time, and switches labels with hysteresis."""

from collections import deque

import numpy as np

from corallite.device.engine.base import Probabilities

# Limits memory and work if a source's time does not advance.
_MAX_FRAMES = 256


class Smoother:
    """Averages over the last seconds, and tells which labels are active.

    A label becomes active when its average reaches `threshold`, and inactive when the
    average falls below `release`. Any number of labels may be active.
    """

    def __init__(
        self,
        window_s: float = 0.0,
        threshold: float | None = None,
        release: float | None = None,
    ) -> None:
        """Starts without frames.

        Args:
            window_s: Length of the average, by the frames' own times; 0: no averaging.
                At most 256 frames are averaged.
            threshold: 0 to 1; None: no label is ever active.
            release: 0 to `threshold`; default, `threshold`.

        Raises:
            ValueError: An argument is out of its range.
        """
        release = threshold if release is None else release
        if window_s < 0:
            raise ValueError(f"Expected `window_s` to be at least 0, got {window_s!r}.")
        if release is not None and (
            threshold is None or not 0 <= release <= threshold <= 1
        ):
            raise ValueError(
                "Expected 0 <= `release` <= `threshold` <= 1, got "
                f"{release!r} and {threshold!r}."
            )
        self._window_s = window_s
        self._threshold = threshold
        self._release = release
        self._recent: deque[tuple[float, Probabilities]] = deque()
        self._labels: tuple[str, ...] = ()
        # One per label after the first frame; before, one False for all labels.
        self._active = np.zeros(1, bool)

    def begin(self, labels: tuple[str, ...]) -> None:
        """Sets the labels of what follows; a change of them resets everything."""
        if labels != self._labels:
            self._labels = labels
            self._recent.clear()
            self._active = np.zeros(1, bool)

    def add(self, probabilities: Probabilities, time_s: float) -> Probabilities:
        """Adds a frame's probabilities; returns the average including them.

        Args:
            probabilities: float32 [classes].
            time_s: The frame's time. If it is before that of the last frame, as when a
                video restarts, the average restarts.
        """
        average = self._average(probabilities, time_s)
        if self._threshold is not None and self._release is not None:
            stays = self._active & (average >= np.float32(self._release))
            self._active = stays | (average >= np.float32(self._threshold))
        return average

    def name_active(self, labels: tuple[str, ...]) -> list[str] | None:
        """Returns the active ones of `labels`, in order; None without a threshold."""
        if self._threshold is None:
            return None
        return [label for label, on in zip(labels, self._active, strict=False) if on]

    def _average(self, probabilities: Probabilities, time_s: float) -> Probabilities:
        if not self._window_s:
            return probabilities
        recent = self._recent
        if recent and time_s < recent[-1][0]:
            recent.clear()
        while recent and time_s - recent[0][0] >= self._window_s:
            recent.popleft()
        if len(recent) == _MAX_FRAMES:
            recent.popleft()
        recent.append((time_s, probabilities))
        # Not a running sum, in which a NaN would stay.
        return np.mean([past for _, past in recent], axis=0, dtype=np.float32)
