"""Counting: boxes in a zone, and crossings of a line by objects that move."""

import itertools

import numpy as np
import pytest

from corallite.device.engine.base import Box
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.count.areas import parse_line, parse_zone
from corallite.device.loop.count.counter import BoxCounter

MIDDLE = parse_line("0.5,1 0.5,0")
numbers = itertools.count()


def person(x, y=50, label="person", high=20):
    """A box 10 wide whose lower edge has its middle at (x, y)."""
    return Box(label, 0.9, x - 5, y - high, x + 5, y)


def count(counter, *boxes, time_s=None, repeated=False):
    """Returns the counts of a frame of 100 x 100 pixels."""
    number = next(numbers)
    time_s = float(number) if time_s is None else time_s
    result = Result(
        *(number, time_s, "x", [], "", 0.0), size=(100, 100), repeated=repeated
    )
    return counter.add(result._replace(boxes=list(boxes))).counts


def walk(counter, *places):
    """Returns the counts after a person was at each x in turn."""
    for x in places:
        counts = count(counter, *([] if x is None else [person(x)]))
    return counts["person"]


def test_boxes_are_counted_where_they_stand():
    lower = parse_zone("0,0.5 1,0.5 1,1 0,1")
    counter = BoxCounter(["person", "dog"], lower)
    # The second reaches into the zone, but stands above it.
    boxes = (
        person(20, 60),
        person(40, 45, high=40),
        person(50, 100),
        person(7, 8, "cat"),
    )
    assert count(counter, *boxes) == {"person": {"inside": 2}, "dog": {"inside": 0}}
    assert count(counter) == {"person": {"inside": 0}, "dog": {"inside": 0}}
    everywhere = BoxCounter(["person"])
    assert count(everywhere, *boxes) == {"person": {"inside": 3}}


def test_each_direction_has_its_own_count():
    counter = BoxCounter(["person"], line=MIDDLE)
    assert walk(counter, 20, 30, 40, 49, 58, 70) == {
        **{"inside": 1, "to_left": 0, "to_right": 1}
    }
    assert walk(counter, 60, 50, 40, 30)["to_left"] == 1


def test_box_that_jitters_on_the_line_crosses_it_once():
    counter = BoxCounter(["person"], line=MIDDLE)
    # A tenth of a box of 20 pixels is 2.
    assert walk(counter, 40, 49, 51, 49, 51.5, 48.5, 50, 55)["to_right"] == 1
    assert walk(counter, 51, 49)["to_left"] == 0


def test_a_box_may_be_missed_for_five_frames():
    counter = BoxCounter(["person"], line=MIDDLE)
    assert walk(counter, 45, *[None] * 5, 55)["to_right"] == 1
    counter = BoxCounter(["person"], line=MIDDLE)
    assert walk(counter, 45, *[None] * 6, 55)["to_right"] == 0


def test_repeated_frames_neither_end_a_track_nor_slow_it_down():
    counter = BoxCounter(["person"], line=MIDDLE)
    walk(counter, 40, 45)
    walk(counter, None)
    for _ in range(9):
        # The prediction of the frame in which the box was missed.
        assert count(counter, repeated=True)["person"]["inside"] == 0
    assert walk(counter, 55)["to_right"] == 1
    # From 45 to 75 is too far for a box of this size, unless its speed is known.
    counter = BoxCounter(["person"], line=MIDDLE)
    walk(counter, 5, 25, 45)
    for _ in range(9):
        assert count(counter, person(45), repeated=True)["person"]["inside"] == 1
    assert walk(counter, 75)["to_right"] == 1


def test_who_passes_beside_the_line_is_not_counted():
    counter = BoxCounter(["person"], line=parse_line("0.5,0.3 0.5,0"))
    assert walk(counter, 40, 48, 56)["to_right"] == 0


def test_people_who_meet_on_the_line_are_both_counted():
    counter = BoxCounter(["person"], line=MIDDLE)
    for step in range(0, 70, 4):
        counts = count(counter, person(15 + step, 40), person(85 - step, 60))
    assert counts["person"] == {"inside": 2, "to_left": 1, "to_right": 1}


def test_another_label_is_another_object():
    counter = BoxCounter(["person", "dog"], line=MIDDLE)
    count(counter, person(45))
    assert count(counter, person(55, label="dog"))["dog"]["to_right"] == 0


def test_a_video_that_begins_again_has_new_objects():
    counter = BoxCounter(["person"], line=MIDDLE)
    count(counter, person(45), time_s=1e6)
    assert count(counter, person(55), time_s=0.0)["person"]["to_right"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_many_walkers_are_counted_as_they_walk(seed):
    """Each in a lane, at its own speed; a tenth of the boxes are missed.

    Lanes are further apart than a box is large: closer ones may be taken for each
    other where both are missed.
    """
    rng = np.random.default_rng(seed)
    x = rng.choice([-10.0, 110.0], 6)
    speed = np.where(x < 0, 1, -1) * rng.uniform(2, 6, 6)
    counter = BoxCounter(["person"], line=MIDDLE)
    for _ in range(70):
        x += speed
        shown = x + rng.normal(0, 0.3, 6)
        boxes = [person(shown[n], 16 * n + 9, high=8) for n in range(6)]
        counts = count(counter, *[box for box in boxes if rng.random() > 0.1])
    assert counts["person"]["to_left"] == (speed < 0).sum()
    assert counts["person"]["to_right"] == (speed > 0).sum()


def test_a_classifier_has_no_counts():
    result = Result(0, 0.0, "x", [], "", 0.0)
    assert BoxCounter(["person"]).add(result) == result
