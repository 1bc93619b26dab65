"""Targets, losses, decoding and mAP50 agree on what a right box is."""

import numpy as np
import pytest

from corallite.train.data.boxes.targets import draw_targets, find_radius
from corallite.train.framework.keras import tf
from corallite.train.training.detect.average_precision import (
    Found,
    average_precision,
    mean_average_precision,
)
from corallite.train.training.detect.losses import BoxLoss, HeatmapLoss, to_corners
from corallite.train.training.detect.operating_point import choose_point, match
from corallite.train.training.detect.predict_boxes import find_boxes
from corallite.train.training.detect.resample import (
    resample_difference,
    resample_map50,
)

# Two images of 64 x 48: two boxes and one, as fractions.
_BOXES = np.array(
    [
        [[0, 0.1, 0.2, 0.4, 0.5], [1, 0.6, 0.5, 0.9, 0.95]],
        [[1, 0.3, 0.1, 0.55, 0.6], [-1, 0, 0, 0, 0]],
    ],
    np.float32,
)
_GRID_HW = 6, 8


def _perfect() -> tuple[np.ndarray, np.ndarray]:
    """Returns the outputs of a network that finds exactly these boxes."""
    heatmap, cells = (x.numpy() for x in draw_targets(_BOXES, _GRID_HW, 2))
    outputs = np.full((2, *_GRID_HW, 4), 0.5, np.float32)
    for image, row, column in np.argwhere(cells[..., 0] > 0):
        left, top, right, bottom = cells[image, row, column, 1:]
        x, y = (left + right) / 2 * _GRID_HW[1], (top + bottom) / 2 * _GRID_HW[0]
        outputs[image, row, column] = x - column, y - row, right - left, bottom - top
    return heatmap, outputs


def test_a_perfect_network_has_no_loss_and_a_map50_of_1() -> None:
    heatmap, outputs = _perfect()
    targets = draw_targets(_BOXES, _GRID_HW, 2)

    found = find_boxes(heatmap, outputs, (48, 64))

    assert mean_average_precision(found, _BOXES, 2) == pytest.approx(1.0)
    # float32.
    assert float(BoxLoss()(targets[1], outputs)) == pytest.approx(0.0, abs=1e-5)
    sharp = (heatmap >= 1).astype(np.float32)
    assert float(HeatmapLoss()(targets[0], sharp)) == pytest.approx(0.0, abs=1e-4)
    corners = to_corners(tf.constant(outputs)).numpy()
    is_centre = targets[1].numpy()[..., 0] > 0
    np.testing.assert_allclose(
        corners[is_centre], targets[1].numpy()[is_centre][:, 1:], atol=1e-6
    )


def test_a_wrong_place_or_a_wrong_label_costs_more() -> None:
    heatmap, outputs = _perfect()
    targets = draw_targets(_BOXES, _GRID_HW, 2)
    shifted = outputs + np.float32(0.2) * np.array([0, 0, 1, 1], np.float32)

    assert float(BoxLoss()(targets[1], shifted)) > 0.3
    assert float(HeatmapLoss()(targets[0], heatmap[..., ::-1])) > 1


def test_an_empty_image_teaches_an_empty_heatmap() -> None:
    heatmap, cells = draw_targets(-np.ones((1, 1, 5), np.float32), _GRID_HW, 2)

    assert float(tf.reduce_sum(heatmap)) == 0
    assert float(BoxLoss()(cells, np.full((1, *_GRID_HW, 4), 0.5, np.float32))) == 0


def test_the_radius_keeps_an_overlap_of_seven_tenths() -> None:
    radius = find_radius(10.0, 6.0)

    common = (10 - radius) * (6 - radius)
    assert common / (2 * 60 - common) == pytest.approx(0.7)


def test_map50_is_that_of_a_hand_computed_example() -> None:
    """Label 0: right. Label 1: a wrong one first, then one of two."""
    found = [
        Found(
            np.array([0, 1]),
            np.array([0.9, 0.8]),
            np.array([[0.1, 0.2, 0.4, 0.5], [0.0, 0.0, 0.1, 0.1]]),
        ),
        Found(np.array([1]), np.array([0.7]), np.array([[0.3, 0.1, 0.55, 0.6]])),
    ]

    each = average_precision(found, _BOXES, 2)

    # A precision of 1/2 up to a recall of 1/2: 51 of the 101 recalls.
    np.testing.assert_allclose(each, [1.0, 0.5 * 51 / 101], atol=1e-6)
    assert list(match(found[0], _BOXES[0])) == [True, False]


def test_the_threshold_leaves_out_what_is_mostly_wrong() -> None:
    found = [
        Found(
            np.array([0, 1, 1]),
            np.array([0.9, 0.8, 0.1]),
            np.array(
                [[0.1, 0.2, 0.4, 0.5], [0.6, 0.5, 0.9, 0.95], [0.0, 0.0, 0.1, 0.1]]
            ),
        ),
        Found(np.array([1]), np.array([0.7]), np.array([[0.3, 0.1, 0.55, 0.6]])),
    ]

    point = choose_point(found, _BOXES)

    assert point.threshold == pytest.approx(0.4)
    assert (point.precision, point.recall) == (1, 1)


def test_nothing_found_has_a_map50_of_0() -> None:
    nothing = [Found(np.zeros(0, int), np.zeros(0), np.zeros((0, 4)))] * 2

    assert mean_average_precision(nothing, _BOXES, 2) == 0
    assert choose_point(nothing, _BOXES).recall == 0


def test_the_bootstrap_is_around_the_measured_value() -> None:
    rng = np.random.default_rng(1)
    boxes = np.repeat(_BOXES[:1], 60, axis=0)
    worse = []
    for image in boxes:
        is_kept = rng.random(2) < 0.7
        worse.append(
            Found(
                image[is_kept, 0].astype(int),
                np.ones(is_kept.sum()),
                image[is_kept, 1:],
            )
        )
    perfect = [Found(x[:, 0].astype(int), np.ones(2), x[:, 1:]) for x in boxes]
    value = mean_average_precision(worse, boxes, 2)

    low, high = resample_map50(worse, boxes, 2)
    least, most = resample_difference(perfect, worse, boxes, 2)

    assert low < value < high
    assert least < value - 1 < most < 0
