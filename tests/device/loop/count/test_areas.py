"""Zones and lines: what is inside, what passes, and what is refused."""

import pytest

from corallite.device.loop.count.areas import Line, Point, parse_line, parse_zone
from corallite.device.system.errors import RequestError

# An L: its inner corner is at (0.5, 0.5).
SHAPE = parse_zone("0,0 0.5,0 0.5,0.5 1,0.5 1,1 0,1")


@pytest.mark.parametrize(
    ("x", "y", "is_inside"),
    [
        (0.25, 0.25, True),
        (0.75, 0.25, False),
        (0.75, 0.75, True),
        # Of an object that the frame's border cuts off.
        (0.25, 1, True),
        (1, 0.75, True),
        (0, 0.5, True),
    ],
)
def test_a_place_is_inside_of_any_shape(x, y, is_inside):
    assert SHAPE.contains(Point(x, y)) is is_inside


def test_a_line_has_a_left_and_a_right_from_its_first_point():
    upwards = parse_line("0.5,1 0.5,0")
    assert upwards.distance(Point(0.75, 0.5)) == pytest.approx(0.25)
    assert upwards.distance(Point(0.25, 0.5)) == pytest.approx(-0.25)
    assert upwards.scale(200, 100) == Line(Point(100, 100), Point(100, 0))


def test_a_line_has_two_ends():
    line = parse_line("0.5,0.6 0.5,0.4")
    assert line.is_passed(Point(0.4, 0.5), Point(0.6, 0.5))
    assert not line.is_passed(Point(0.4, 0.9), Point(0.6, 0.9))
    assert not line.is_passed(Point(0.1, 0.5), Point(0.4, 0.5))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has 0 points; give three or more"),
        ("0,0 1,1", "has 2 points; give three or more"),
        ("0,0 1,0 1", "is not X,Y X,Y ...; give points as shares"),
        ("0,0 1,0 a,b", "is not X,Y X,Y ...; give points as shares"),
        ("0,0 1,0 nan,1", "has a number that is not from 0 to 1"),
        ("0,0 640,0 640,480", "has a number that is not from 0 to 1"),
        ("0,0 1,1 1,0 0,1", "its edges cross or enclose nothing"),
        ("0,0 0.5,0.5 1,1", "its edges cross or enclose nothing"),
        ("0,0 1,0 1,1 0,0", "its edges cross or enclose nothing"),
        (" ".join(f"{n / 200},0" for n in range(101)), "has 101 points"),
    ],
)
def test_what_is_no_zone_is_refused(text, sentence):
    with pytest.raises(RequestError, match=f"--zone={text}: .*{sentence}"):
        parse_zone(text)


@pytest.mark.parametrize("text", ["0,0", "0,0 0,0", "0,0 1,0 1,1"])
def test_what_is_no_line_is_refused(text):
    with pytest.raises(RequestError, match=f"--line={text}: is not two different"):
        parse_line(text)
