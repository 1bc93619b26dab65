"""Boxes move with the pixels."""

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.data.boxes.augment import build_box_policy, flip_and_zoom
from corallite.train.framework.keras import tf

_SIDE = 64


def _draw_squares(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns images with one white square, and its box."""
    rng = np.random.default_rng(0)
    images = np.zeros((count, _SIDE, _SIDE, 3), np.uint8)
    boxes = np.zeros((count, 2, 5), np.float32)
    boxes[:, 1, 0] = -1
    for image, box in zip(images, boxes, strict=True):
        side = int(rng.integers(12, 24))
        left, top = rng.integers(0, _SIDE - side, 2)
        image[top : top + side, left : left + side] = 255
        box[0] = (1, *np.array([left, top, left + side, top + side]) / _SIDE)
    return images, boxes


def test_a_box_stays_around_its_object() -> None:
    images, boxes = _draw_squares(64)

    moved, moved_boxes = flip_and_zoom(
        tf.constant(images), tf.constant(boxes), tf.constant([3, 5], tf.int64)
    )

    kept = 0
    for image, box in zip(moved.numpy(), moved_boxes.numpy()[:, 0], strict=True):
        # The border is grey, 114.
        rows, columns = np.nonzero(image[..., 0] > 180)
        if box[0] < 0:
            continue
        kept += 1
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        # Interpolation blurs an edge by a pixel of the source, 1.8 pixels here.
        assert np.abs(box[1:] * _SIDE - seen).max() < 2
    assert kept > 40
    assert np.all(moved_boxes.numpy()[:, 1, 0] == -1)


def test_a_box_is_left_out_if_its_centre_is_not_shown() -> None:
    images, boxes = _draw_squares(256)

    _, moved = flip_and_zoom(
        tf.constant(images), tf.constant(boxes), tf.constant([0, 1], tf.int64)
    )

    left_out = moved.numpy()[:, 0, 0] < 0
    assert 0 < left_out.sum() < 100
    assert moved.numpy()[~left_out][..., 1:].min() >= 0
    assert moved.numpy()[~left_out][..., 1:].max() <= 1


def test_no_augmentation_changes_nothing() -> None:
    images, boxes = _draw_squares(4)

    same, kept = build_box_policy("none")(
        tf.constant(images), tf.constant(boxes), tf.constant([0, 1], tf.int64)
    )

    np.testing.assert_array_equal(same.numpy() * 255, images)
    np.testing.assert_array_equal(kept.numpy(), boxes)


def test_a_level_that_moves_no_boxes_is_refused() -> None:
    with pytest.raises(RequestError, match="none, light, standard for boxes"):
        build_box_policy("rand")
