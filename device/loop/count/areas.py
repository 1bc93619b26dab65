"""A zone and a line in a frame, by points as shares of its width and height."""

import itertools
import math
from typing import NamedTuple

from corallite.device.system.errors import RequestError

_MOST_POINTS = 100
# So that a point on the lower or right border is inside of a zone that ends there.
_BELOW_1 = 1 - 1e-6


class Point(NamedTuple):
    """A place: x from the left, y from the top."""

    x: float
    y: float


class Zone(NamedTuple):
    """A polygon.

    Attributes:
        points: Three or more, 0 to 1.
    """

    points: tuple[Point, ...]

    def contains(self, place: Point) -> bool:
        """Returns whether a place, 0 to 1, is inside (even-odd rule)."""
        x, y = min(place.x, _BELOW_1), min(place.y, _BELOW_1)
        crossed = 0
        for one, other in _edges(self.points):
            if (one.y > y) != (other.y > y):
                at = one.x + (y - one.y) * (other.x - one.x) / (other.y - one.y)
                crossed += x < at
        return crossed % 2 == 1


class Line(NamedTuple):
    """A line between two points, 0 to 1, with a left and a right seen from `start`."""

    start: Point
    end: Point

    def scale(self, width: float, height: float) -> "Line":
        """Returns it in pixels of a frame."""
        return Line(*(Point(x * width, y * height) for x, y in self))

    def distance(self, place: Point) -> float:
        """Returns how far right of the line a place is; negative: left.

        The line has no ends here. Both are in the same unit.
        """
        return _turn(*self, place) / math.dist(*self)

    def is_passed(self, before: Point, after: Point) -> bool:
        """Returns whether a movement meets the line between its ends."""
        return _meet((before, after), (self.start, self.end))


def parse_zone(text: str) -> Zone:
    """Parses the value of --zone, such as "0,0 1,0 1,1".

    Raises:
        RequestError: It is not a polygon.
    """
    points = _parse_points(text, "zone")
    if not 3 <= len(points) <= _MOST_POINTS:
        raise RequestError(
            f"--zone={text}: has {len(points)} points; give three or more, such as "
            '--zone="0,0.5 1,0.5 1,1 0,1" for the lower half.'
        )
    edges = list(_edges(points))
    is_crossed = any(
        _meet(one, other)
        for one, other in itertools.combinations(edges, 2)
        if not set(one) & set(other)
    )
    if len(set(points)) < len(points) or is_crossed or not _area(points):
        raise RequestError(
            f"--zone={text}: its edges cross or enclose nothing; give the corners in "
            "the order in which they follow each other around the zone."
        )
    return Zone(points)


def parse_line(text: str) -> Line:
    """Parses the value of --line, such as "0.5,1 0.5,0".

    Raises:
        RequestError: It is not a line.
    """
    points = _parse_points(text, "line")
    if len(points) != 2 or points[0] == points[1]:
        raise RequestError(
            f"--line={text}: is not two different points; give them as in "
            '--line="0.5,1 0.5,0" for the middle, from the lower to the upper edge.'
        )
    return Line(*points)


def _parse_points(text: str, flag: str) -> tuple[Point, ...]:
    try:
        points = [Point(*map(float, word.split(","))) for word in text.split()]
    except (TypeError, ValueError) as error:
        raise RequestError(
            f"--{flag}={text}: is not X,Y X,Y ...; give points as shares of the "
            "frame's width and height, such as 0.5,1."
        ) from error
    if not all(0 <= number <= 1 for point in points for number in point):
        raise RequestError(
            f"--{flag}={text}: has a number that is not from 0 to 1; give shares of "
            "the frame's width and height, not pixels."
        )
    return tuple(points)


def _edges(points: tuple[Point, ...]) -> list[tuple[Point, Point]]:
    return list(zip(points, (*points[1:], points[0]), strict=True))


def _turn(start: Point, end: Point, place: Point) -> float:
    """Returns twice the area of the triangle; positive if `place` is on the right."""
    across = (end.x - start.x) * (place.y - start.y)
    return across - (end.y - start.y) * (place.x - start.x)


def _meet(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Returns whether two segments have a point in common that is no end of both."""
    return (
        _turn(*one, other[0]) * _turn(*one, other[1]) <= 0
        and _turn(*other, one[0]) * _turn(*other, one[1]) <= 0
        and any((_turn(*one, other[0]), _turn(*one, other[1])))
    )


def _area(points: tuple[Point, ...]) -> float:
    doubled = sum(a.x * b.y - b.x * a.y for a, b in _edges(points))
    return 0.0 if abs(doubled) < 1e-9 else doubled / 2
