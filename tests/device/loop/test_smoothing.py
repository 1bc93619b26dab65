"""Averages over time, and labels with hysteresis."""

import numpy as np
import pytest

from corallite.device.loop.smoothing import Smoother

LABELS = ("cat", "dog")


def feed(smoother, *cats, step_s=1.0):
    """Adds P(cat) frame by frame; returns its averages and the active labels."""
    averages, active = [], []
    for number, cat in enumerate(cats):
        probabilities = np.array([cat, 1 - cat], np.float32)
        averages.append(float(smoother.add(probabilities, number * step_s)[0]))
        active.append(smoother.name_active(LABELS))
    return averages, active


def test_without_a_window_there_is_no_averaging():
    averages, active = feed(Smoother(), 0.25, 1, 0)
    assert averages == [0.25, 1, 0]
    assert active == [None, None, None]


def test_average_is_over_the_window():
    averages, _ = feed(Smoother(window_s=3), 0, 1, 1, 1, 0)
    assert averages == pytest.approx([0, 1 / 2, 2 / 3, 1, 2 / 3])


def test_frame_rate_does_not_matter():
    slow, _ = feed(Smoother(window_s=4), *[0] * 4, *[1] * 2)
    fast, _ = feed(Smoother(window_s=4), *[0] * 40, *[1] * 20, step_s=0.1)
    assert slow[-1] == pytest.approx(fast[-1])


def test_average_restarts_after_a_gap():
    smoother = Smoother(window_s=2)
    smoother.add(np.array([0, 1], np.float32), 0.0)
    assert smoother.add(np.array([1, 0], np.float32), 60.0).tolist() == [1, 0]


def test_average_restarts_when_the_time_goes_back():
    smoother = Smoother(window_s=2)
    smoother.add(np.array([0, 1], np.float32), 60.0)
    assert smoother.add(np.array([1, 0], np.float32), 0.0).tolist() == [1, 0]


def test_memory_is_limited_when_the_time_does_not_advance():
    smoother = Smoother(window_s=2)
    feed(smoother, *[1] * 1000, step_s=0.0)
    assert len(smoother._recent) == 256
    averages, _ = feed(smoother, *[0] * 256, step_s=0.0)
    assert averages[-1] == 0


def test_nan_leaves_the_average_with_its_frame():
    averages, active = feed(Smoother(2, 0.5), np.nan, 1, 1, 1)
    assert np.isnan(averages[:2]).all() and averages[2:] == [1, 1]
    assert active == [[], [], ["cat"], ["cat"]]


def test_label_stays_active_until_it_falls_below_release():
    smoother = Smoother(threshold=0.8, release=0.6)
    _, active = feed(smoother, 0.7, 0.8, 0.7, 0.6, 0.59, 0.7, 0.9)
    assert [bool(on) for on in active] == [False, True, True, True, False, False, True]


def test_release_defaults_to_the_threshold():
    _, active = feed(Smoother(threshold=0.5), 0.6, 0.49, 0.5)
    assert active == [["cat"], ["dog"], ["cat", "dog"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window_s": -1.0}, "`window_s` to be at least 0, got -1.0"),
        ({"threshold": 1.5}, "got 1.5 and 1.5"),
        ({"release": 0.5}, "got 0.5 and None"),
        ({"threshold": 0.5, "release": 0.6}, "got 0.6 and 0.5"),
        ({"threshold": 0.5, "release": -0.1}, "got -0.1 and 0.5"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Smoother(**arguments)


@pytest.mark.parametrize("labels", [("cat", "owl"), ("dog", "cat"), ("a", "b", "c")])
def test_other_labels_reset_the_average(labels):
    smoother = Smoother(window_s=9, threshold=0.9, release=0.1)
    smoother.begin(LABELS)
    smoother.add(np.array([0, 1], np.float32), 0.0)
    assert smoother.name_active(LABELS) == ["dog"]
    smoother.begin(labels)
    fresh = np.array([0.5, 0.5, 0][: len(labels)], np.float32)
    assert smoother.add(fresh, 1.0).tolist() == fresh.tolist()
    assert smoother.name_active(labels) == []
