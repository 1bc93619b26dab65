"""Counts boxes of some labels in each result."""

from collections.abc import Sequence
from typing import NamedTuple

from corallite.device.engine.base import Box
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.count.areas import Line, Point, Zone
from corallite.device.loop.count.tracker import Track, Tracker

INSIDE, TO_LEFT, TO_RIGHT = "inside", "to_left", "to_right"
# How far beyond the line a box must be, as a share of its height: boxes jitter, those
# of large objects more, and one that stands on the line crosses it once.
_MARGIN = 0.1


class _Side(NamedTuple):
    """Where an object was when it was last clearly beside the line."""

    is_right: bool
    place: Point


class BoxCounter:
    """Counts boxes whose lower edge has its middle in a zone, and crossings of a line.

    Attributes:
        zone: None: the whole frame.
        line: None: crossings are not counted.
    """

    def __init__(
        self, labels: Sequence[str], zone: Zone | None = None, line: Line | None = None
    ) -> None:
        """Starts with 0.

        Args:
            labels: Which boxes to count.
            zone: Where; default, everywhere.
            line: Counts what crosses it, by direction; default, nothing.
        """
        self.zone = zone
        self.line = line
        directions = (TO_LEFT, TO_RIGHT) if line else ()
        self._crossed = {label: dict.fromkeys(directions, 0) for label in labels}
        self._tracker = Tracker()
        self._time_s = float("-inf")

    def add(self, result: Result) -> Result:
        """Returns a result with its counts; as it is if the model gives no boxes."""
        if result.boxes is None or result.size is None:
            return result
        boxes = [box for box in result.boxes if box.label in self._crossed]
        inside = dict.fromkeys(self._crossed, 0)
        for box in boxes:
            inside[box.label] += self._is_inside(box, result.size)
        # No inference: such a frame is not one in which a box was missed or stopped.
        if self.line is not None and not result.repeated:
            self._follow(boxes, self.line.scale(*result.size), result.time_s)
        counts = {
            label: {INSIDE: inside[label], **crossed}
            for label, crossed in self._crossed.items()
        }
        return result._replace(counts=counts)

    def _is_inside(self, box: Box, size: tuple[int, int]) -> bool:
        x, y = _foot(box)
        place = Point(x / size[0], y / size[1])
        return self.zone is None or self.zone.contains(place)

    def _follow(self, boxes: Sequence[Box], line: Line, time_s: float) -> None:
        if time_s < self._time_s:
            self._tracker = Tracker()  # A video has begun again.
        self._time_s = time_s
        for track in self._tracker.update(boxes):
            self._note(track, line)

    def _note(self, track: Track, line: Line) -> None:
        box, before = track.box, track.memory
        place = _foot(box)
        distance = line.distance(place)
        if abs(distance) <= _MARGIN * (box.bottom - box.top):
            return
        now = track.memory = _Side(distance > 0, place)
        if before is None or before.is_right == now.is_right:
            return
        if line.is_passed(before.place, place):
            self._crossed[box.label][TO_RIGHT if now.is_right else TO_LEFT] += 1


def _foot(box: Box) -> Point:
    """Returns the middle of the lower edge, where an object stands on the ground."""
    return Point((box.left + box.right) / 2, box.bottom)
