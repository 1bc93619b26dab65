"""The losses of a model that finds boxes: of its heatmap, and of its boxes.

Both are sums over an image's cells, divided by the mean number of boxes of an image in
the batch, so that an empty image counts as others do.
"""

from typing import Any

from corallite.train.framework.keras import keras, tf

# Exponents of the penalty-reduced focal loss (arXiv:1904.07850, equation 1).
_FOCUS, _REDUCTION = 2.0, 4.0
_LEAST = 1e-6


@keras.saving.register_keras_serializable(package="corallite")
class HeatmapLoss(keras.losses.Loss):
    """The focal loss of CenterNet: cells near a centre are wrong by less.

    Targets and outputs are float32 `[batch, rows, columns, labels]`, 0 to 1.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_pred = tf.clip_by_value(y_pred, _LEAST, 1.0 - _LEAST)
        is_centre = y_true >= 1.0
        at_centre = (1.0 - y_pred) ** _FOCUS * tf.math.log(y_pred)
        elsewhere = (
            (1.0 - y_true) ** _REDUCTION * y_pred**_FOCUS * tf.math.log(1.0 - y_pred)
        )
        losses = -tf.reduce_sum(tf.where(is_centre, at_centre, elsewhere), (1, 2, 3))
        return losses / _mean_count(tf.cast(is_centre, tf.float32))


@keras.saving.register_keras_serializable(package="corallite")
class BoxLoss(keras.losses.Loss):
    """1 - GIoU (arXiv:1902.09630) of the boxes in the cells that have a centre.

    Targets are float32 `[batch, rows, columns, 5]`, see `draw_targets`; outputs `[...,
    4]`, see `add_boxes`.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        is_centre = y_true[..., 0]
        losses = 1.0 - generalized_overlap(y_true[..., 1:], to_corners(y_pred))
        return tf.reduce_sum(is_centre * losses, (1, 2)) / _mean_count(is_centre)


def to_corners(cells: Any) -> Any:
    """Returns the boxes of cells as fractions of the image.

    Args:
        cells: float32 `[batch, rows, columns, 4]`, see `add_boxes`.

    Returns:
        Left, top, right, bottom, of the same shape.
    """
    rows, columns = cells.shape[1:3]
    x = (tf.range(columns, dtype=tf.float32)[tf.newaxis] + cells[..., 0]) / columns
    y = (tf.range(rows, dtype=tf.float32)[:, tf.newaxis] + cells[..., 1]) / rows
    half_width, half_height = cells[..., 2] / 2, cells[..., 3] / 2
    corners = (x - half_width, y - half_height, x + half_width, y + half_height)
    return tf.stack(corners, -1)


def generalized_overlap(one: Any, other: Any) -> Any:
    """Returns GIoU, -1 to 1, of boxes float32 `[..., 4]`: left, top, right, bottom."""
    common = _area(
        tf.maximum(one[..., :2], other[..., :2]),
        tf.minimum(one[..., 2:], other[..., 2:]),
    )
    around = _area(
        tf.minimum(one[..., :2], other[..., :2]),
        tf.maximum(one[..., 2:], other[..., 2:]),
    )
    union = _area(one[..., :2], one[..., 2:]) + _area(other[..., :2], other[..., 2:])
    union = union - common
    around = tf.maximum(around, _LEAST)
    return common / tf.maximum(union, _LEAST) - (around - union) / around


def _area(low: Any, high: Any) -> Any:
    return tf.reduce_prod(tf.maximum(high - low, 0.0), -1)


def _mean_count(is_centre: Any) -> Any:
    images = tf.cast(tf.shape(is_centre)[0], tf.float32)
    return tf.maximum(tf.reduce_sum(is_centre) / images, 1.0)
