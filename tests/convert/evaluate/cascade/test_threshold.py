"""The threshold of a cascade, by arithmetic on made predictions."""

import numpy as np
import pytest

from corallite.convert.evaluate.cascade.threshold import (
    PairPredictions,
    choose_point,
    describe_point,
)
from corallite.device.model.cascade.fitted import Cascade


def make_pair(times=(1.0, 4.0)):
    """Ten images of two classes, all of class 0, in rising order of confidence.

    The first model is wrong on images 0, 1 and 5, the second on image 9.
    """
    confidence = np.linspace(0.55, 0.99, 10).astype(np.float32)
    first = np.stack([confidence, 1 - confidence], 1)
    first[[0, 1, 5]] = first[[0, 1, 5]][:, ::-1]
    second = np.tile(np.array([0.9, 0.1], np.float32), (10, 1))
    second[9] = 0.1, 0.9
    return PairPredictions(first, second, np.zeros(10, np.int64), *times)


def test_each_confidence_has_a_point_whose_accuracy_is_that_of_applying_it():
    pair = make_pair()
    points = pair.list_points()
    assert len(points) == 10 and points[-1].threshold == 0
    for point in points:
        assert pair.apply(point.threshold) == pytest.approx(point)
    assert [round(10 * x.top1) for x in points] == [10, 10, 10, 10, 9, 9, 9, 9, 8, 7]
    assert points[-1].share == 0 and points[-1].mean_ms == 1.0
    assert points[0].share == 0.9 and points[0].mean_ms == pytest.approx(4.6)


@pytest.mark.parametrize(
    ("max_drop", "asked", "top1"), [(0.0, 2, 0.9), (10.0, 1, 0.8), (20.0, 0, 0.7)]
)
def test_fastest_cascade_that_is_accurate_enough_is_chosen(max_drop, asked, top1):
    point = choose_point(make_pair(), max_drop)
    assert point is not None
    assert point.share == pytest.approx(asked / 10) and point.top1 == top1


def test_images_of_equal_confidence_are_treated_alike():
    first = np.array([[0.6, 0.4], [0.6, 0.4], [0.4, 0.6], [0.9, 0.1]], np.float32)
    second = np.array([[0.9, 0.1]] * 4, np.float32)
    pair = PairPredictions(first, second, np.zeros(4, np.int64), 1.0, 9.0)
    assert [x.share for x in pair.list_points()] == [0.75, 0.0]


def test_cascade_that_is_slower_than_the_second_model_is_not_chosen():
    assert choose_point(make_pair(times=(3.9, 4.0)), 0.0) is None


def test_no_cascade_may_be_accurate_enough():
    right, wrong = (
        np.array([[0.9, 0.1]] * 5, np.float32),
        np.array([[0.1, 0.9]] * 5, np.float32),
    )
    pair = PairPredictions(wrong, right, np.zeros(5, np.int64), 1.0, 9.0)
    assert choose_point(pair, 0.5) is None


def test_manifest_says_what_was_measured():
    pair = make_pair()
    point = choose_point(pair, 0.0)
    assert point is not None
    found = describe_point(point, pair, "large 1", "c0de")
    assert found == Cascade(point.threshold, "large 1", "c0de", 0.9, 0.9, 0.2, 10)
