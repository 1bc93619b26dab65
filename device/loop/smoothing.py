"""Probabilities averaged over time, and labels that do not flicker."""

from collections import deque

import numpy as np
import numpy.typing as npt

# Bounds memory and work if a source's time stands still.
_MAX_FRAMES = 256


class Smoother:
    """Averages over the last seconds, and tells which labels are on.

    A label goes on when its average reaches `threshold`, and off only when it falls
    below `release`. Several may be on at once, or none.
    """

    def __init__(
        self,
        window_s: float = 0.0,
        threshold: float | None = None,
        release: float | None = None,
    ) -> None:
        """Has seen nothing yet.

        Args:
            window_s: A frame counts for so long, by the frames' own times; 0: each
                frame stands for itself. At most 256 frames are averaged.
            threshold: 0 to 1; None: no label is ever on.
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
        self._recent: deque[tuple[float, npt.NDArray[np.float32]]] = deque()
        self._labels: tuple[str, ...] = ()
        # Of each label once there is one; False stands for all of them.
        self._active: npt.NDArray[np.bool_] = np.zeros(1, bool)

    def begin(self, labels: tuple[str, ...]) -> None:
        """Says whose probabilities come; of other labels, everything starts again."""
        if labels != self._labels:
            self._labels = labels
            self._recent.clear()
            self._active = np.zeros(1, bool)

    def add(
        self, probabilities: npt.NDArray[np.float32], time_s: float
    ) -> npt.NDArray[np.float32]:
        """Takes a frame's probabilities; returns the average with those before it.

        Args:
            probabilities: float32 [classes].
            time_s: The frame's time. If it lies before the last one's, as when a film
                starts again, the average starts again.
        """
        average = self._average(probabilities, time_s)
        if self._threshold is not None and self._release is not None:
            stays = self._active & (average >= np.float32(self._release))
            self._active = stays | (average >= np.float32(self._threshold))
        return average

    def name_active(self, labels: tuple[str, ...]) -> list[str] | None:
        """Returns those of `labels` that are on, in order; None without threshold."""
        if self._threshold is None:
            return None
        return [label for label, on in zip(labels, self._active, strict=False) if on]

    def _average(
        self, probabilities: npt.NDArray[np.float32], time_s: float
    ) -> npt.NDArray[np.float32]:
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
        # Anew each time: a running sum would keep a NaN for ever.
        return np.mean([past for _, past in recent], axis=0, dtype=np.float32)
