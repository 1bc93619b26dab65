"""Follows boxes from frame to frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from corallite.device.engine.base import Box

_Matrix = np.ndarray[Any, np.dtype[np.float64]]
# Frames without its box after which a track ends: detectors miss a few.
_MOST_MISSED = 5


@dataclass
class Track:
    """One object.

    Attributes:
        box: Its newest box.
        missed: Frames since then.
        speed: Pixels per frame to the right and down, averaged.
        memory: What the caller keeps with the track; None at first.
    """

    box: Box
    missed: int = 0
    speed: tuple[float, float] = (0.0, 0.0)
    memory: Any = None

    def predict(self) -> Box:
        """Returns where its box is in the next frame, if it moves on as before."""
        x, y = (speed * (self.missed + 1) for speed in self.speed)
        label, score, left, top, right, bottom = self.box
        return Box(label, score, left + x, top + y, right + x, bottom + y)

    def move(self, box: Box) -> None:
        """Takes its box in the next frame."""
        old, frames = self.box, self.missed + 1
        x = (box.left + box.right - old.left - old.right) / 2 / frames
        y = (box.top + box.bottom - old.top - old.bottom) / 2 / frames
        self.speed = (self.speed[0] + x) / 2, (self.speed[1] + y) / 2
        self.box, self.missed = box, 0


class Tracker:
    """Assigns boxes to tracks, the best pairs first.

    A pair has the same label, and boxes that overlap; or else, centres that are closer
    to each other than half the sum of their diagonals. A track's box is where it would
    be if it moved on as before. So an object's movement may change by its own size from
    frame to frame.
    """

    def __init__(self) -> None:
        """Starts without tracks."""
        self.tracks: list[Track] = []

    def update(self, boxes: Sequence[Box]) -> list[Track]:
        """Takes the boxes of the next frame; returns the tracks of these.

        Tracks that have no box for more than five frames end.
        """
        affinity = _compare([track.predict() for track in self.tracks], boxes)
        assigned: dict[int, int] = {}
        while affinity.size and affinity.max() > -1:
            row, column = divmod(int(affinity.argmax()), affinity.shape[1])
            assigned[column] = row
            affinity[row, :] = affinity[:, column] = -np.inf
        seen: list[Track] = []
        for column, box in enumerate(boxes):
            if column not in assigned:
                self.tracks.append(Track(box))
                seen.append(self.tracks[-1])
                continue
            seen.append(self.tracks[assigned[column]])
            seen[-1].move(box)
        for track in self.tracks:
            if not any(track is other for other in seen):
                track.missed += 1
        self.tracks = [track for track in self.tracks if track.missed <= _MOST_MISSED]
        return seen


def _compare(known: Sequence[Box], found: Sequence[Box]) -> _Matrix:
    """Returns how well each pair fits, float64 `[known, found]`.

    It is intersection over union, above 0; without an intersection, minus the distance
    of the centres, divided by half the sum of the diagonals; of two labels, -inf.
    """
    if not known or not found:
        return np.zeros((0, 0))
    one = np.array([box[2:] for box in known])[:, None]
    other = np.array([box[2:] for box in found])[None]
    low = np.maximum(one[..., :2], other[..., :2])
    high = np.minimum(one[..., 2:], other[..., 2:])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    size, other_size = one[..., 2:] - one[..., :2], other[..., 2:] - other[..., :2]
    union = size.prod(-1) + other_size.prod(-1) - common
    centres = (one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]) / 2
    reach = (
        np.hypot(*np.moveaxis(size, -1, 0)) + np.hypot(*np.moveaxis(other_size, -1, 0))
    ) / 2
    distance = np.hypot(*np.moveaxis(centres, -1, 0)) / np.maximum(reach, 1e-9)
    affinity = np.where(common > 0, common / np.maximum(union, 1e-9), -distance)
    is_same = np.array(
        [[old.label == new.label for new in found] for old in known], bool
    )
    return np.where(is_same, affinity, -np.inf)
