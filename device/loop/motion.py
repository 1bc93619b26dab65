"""Finds the frames in which nothing has moved, and keeps the prediction for them.

A frame is still if it looks like the frame of the last inference, so slow movements
add up until one is noticed.
"""

from collections import deque
from typing import Any

import numpy as np

from corallite.device.camera.frame import Frame
from corallite.device.engine.base import Answer
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image
from corallite.device.model.manifest import Manifest

# How many times the noise a cell must change by. In a still picture of Gaussian noise
# without compression, one of 700,000 frames has such a cell.
THRESHOLD = 6.0
# Seconds of the source after which a still frame is classified all the same.
LONGEST_S = 10.0
# Of the small grey picture.
_SIZE_WH = (32, 24)
# Each cell averages at least 8 x 8 pixels, if the frame has that many; all pixels of a
# 1920 x 1080 frame would take four times as long.
_PIXELS_PER_CELL = 8
# The noise in grey levels is kept to this range: below it, rounding and compression
# matter more; above it, the whole picture moves, as on a vehicle.
_NOISE_RANGE = (0.7, 5.0)
# The least noise of this many frames counts, because movements increase it.
_NOISE_FRAMES = 32
# The mean of the smaller half of |x| for x of a normal distribution of sigma 1.
_LOWER_HALF_MEAN = 0.3243

_Cells = np.ndarray[Any, np.dtype[np.float32]]


class MotionGate:
    """Decides which frames are classified; the others repeat the last prediction.

    Attributes:
        has_moved: Whether the last frame was not still; may be read by any thread.
        repeated: How many frames were still so far.
    """

    def __init__(
        self, threshold: float = THRESHOLD, longest_s: float = LONGEST_S
    ) -> None:
        """Starts without frames.

        Args:
            threshold: How many times the noise a cell of the small grey picture must
                change by. The noise counts as 0.7 to 5 grey levels of 255.
            longest_s: Seconds of the source after which even a still frame is
                classified.
        """
        self.has_moved = True
        self.repeated = 0
        self._frames = 0
        self._counted = (0, 0)
        self._threshold = threshold
        self._longest_s = longest_s
        self._noises: deque[float] = deque(maxlen=_NOISE_FRAMES)
        self._last: _Cells | None = None
        self._last_hw = (0, 0)
        self._time_s = 0.0
        # Of the last inference; its manifest tells whether the model was replaced.
        self._cells: _Cells | None = None
        self._size_hw = (0, 0)
        self._manifest: Manifest | None = None
        self._answer: Answer | None = None
        self._classified_s = 0.0

    def recall(self, frame: Frame, manifest: Manifest | None) -> Answer | None:
        """Returns the last prediction if `frame` is still; None if it has moved.

        Args:
            frame: Each frame of the source, in order.
            manifest: Of the model in use; another one than before has no prediction.
                None: the model of the next prediction is a new one.
        """
        self._frames += 1
        cells = _shrink(frame.image_rgb_u8)
        if self._last is not None:
            self._noises.append(_measure_noise(cells - self._last))
        height, width = frame.image_rgb_u8.shape[:2]
        self._last, self._last_hw = cells, (height, width)
        self._time_s = frame.time_s
        self.has_moved = manifest is not self._manifest or not self._is_still(cells)
        if self.has_moved:
            return None
        self.repeated += 1
        return self._answer

    def remember(self, answer: Answer, manifest: Manifest) -> None:
        """Keeps the prediction for the frame that `recall` was called with last."""
        self._cells, self._size_hw = self._last, self._last_hw
        self._classified_s = self._time_s
        self._answer, self._manifest = answer, manifest

    def read_load(self) -> float:
        """Returns the share of frames that were not still since the last call.

        For one thread, any; 1 if there was no frame.
        """
        now, before = (self._frames, self.repeated), self._counted
        frames, repeated = now[0] - before[0], now[1] - before[1]
        self._counted = now
        return 1 - repeated / frames if frames else 1.0

    def _is_still(self, cells: _Cells) -> bool:
        # A video that restarts goes back in time.
        waited_s = self._time_s - self._classified_s
        if self._cells is None or not 0 <= waited_s < self._longest_s:
            return False
        if self._last_hw != self._size_hw:
            return False  # Boxes are in pixels of a frame of the former size.
        noise = float(np.clip(min(self._noises), *_NOISE_RANGE))
        change = np.abs(cells - self._cells).max()
        return bool(change < self._threshold * noise)


def _shrink(image_rgb_u8: Image) -> _Cells:
    """Returns grey levels, float32 [24, 32]."""
    width, height = _SIZE_WH
    rows, columns = (
        max(1, pixels // (cells * _PIXELS_PER_CELL))
        for pixels, cells in zip(image_rgb_u8.shape, (height, width), strict=False)
    )
    sample = np.ascontiguousarray(image_rgb_u8[::rows, ::columns])
    small = cv2.resize(sample, _SIZE_WH, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _measure_noise(difference: _Cells) -> float:
    """Returns the standard deviation of a difference of which at least half is noise.

    A change of the light is subtracted. The smaller half is averaged: a median of
    rounded grey levels would jump.
    """
    changes = np.sort(np.abs(difference - np.median(difference)), axis=None)
    return float(changes[: len(changes) // 2].mean()) / _LOWER_HALF_MEAN
