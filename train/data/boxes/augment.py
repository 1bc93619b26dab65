"""Augmentation that moves boxes with the pixels, each a function of a stateless seed.

A policy takes images uint8 `[batch, height, width, 3]`, their boxes float32 `[batch,
most, 5]` as of `RunBoxes.to_array`, and a seed (see `augment`); it returns the images
as float32 in 0 to 1, and the boxes.
"""

from collections.abc import Callable

import numpy as np

from corallite.device.image.opencv import cv2
from corallite.device.system.errors import RequestError
from corallite.train.data.augment import (
    Seed,
    draw_uniform,
    fold_seed,
    to_unit_range,
    vary_colour,
)
from corallite.train.framework.keras import tf

BoxPolicy = Callable[[tf.Tensor, tf.Tensor, Seed], tuple[tf.Tensor, tf.Tensor]]
LEVELS = ("none", "light", "standard")
# Of the window's sides, relative to those of the image: below 1 objects become larger,
# above 1 smaller.
_SCALES = 0.6, 1.25
_MAX_LOG_ASPECT = 0.18  # ln(1.2)
# Around an image that becomes smaller: grey, as the mean of most photos.
_BORDER = (114, 114, 114)


def build_box_policy(level: str) -> BoxPolicy:
    """Returns the policy of an augmentation level.

    Args:
        level: "none"; "light" mirrors half of the images, and enlarges, shrinks and
            shifts each; "standard" also varies brightness, contrast and saturation.

    Raises:
        RequestError: `level` is not one of these.
    """
    if level not in LEVELS:
        raise RequestError(
            f"Expected `augment` to be one of {', '.join(LEVELS)} for boxes, got "
            f"{level!r}: what moves pixels must move boxes, too."
        )

    def apply(
        images: tf.Tensor, boxes: tf.Tensor, seed: Seed
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if level != "none":
            images, boxes = flip_and_zoom(images, boxes, seed)
        if level == "standard":
            images = vary_colour(images, seed)
        return to_unit_range(images), boxes

    return apply


def flip_and_zoom(
    images_rgb_u8: tf.Tensor, boxes: tf.Tensor, seed: Seed
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors half of the images, and shows a random window of each.

    The window has 0.6 to 1.25 of the sides of the image, and 5/6 to 6/5 of its
    proportions. A smaller one is inside the image, a larger one around it. A box whose
    centre is outside the window is left out; others end at its borders.
    """
    count = tf.shape(images_rgb_u8)[0]
    scale = draw_uniform([count], fold_seed(seed, 0), *_SCALES)
    log_aspect = draw_uniform(
        [count], fold_seed(seed, 1), -_MAX_LOG_ASPECT, _MAX_LOG_ASPECT
    )
    sides = tf.stack([tf.exp(log_aspect / 2), tf.exp(-log_aspect / 2)], 1)
    sides *= scale[:, tf.newaxis]
    place = draw_uniform([count, 2], fold_seed(seed, 2), 0.0, 1.0)
    is_flipped = draw_uniform([count], fold_seed(seed, 4), 0.0, 1.0) < 0.5
    # (left, top) of the window; below 0 for one that is larger than the image.
    start = place * (1.0 - sides)
    moved = _move(boxes, start, sides, is_flipped)
    images = tf.numpy_function(
        _show, [images_rgb_u8, start, sides, is_flipped], tf.uint8
    )
    return tf.ensure_shape(images, images_rgb_u8.shape), moved


def _move(
    boxes: tf.Tensor, start: tf.Tensor, sides: tf.Tensor, is_flipped: tf.Tensor
) -> tf.Tensor:
    start, sides = start[:, tf.newaxis], sides[:, tf.newaxis]
    low = (boxes[..., 1:3] - start) / sides
    high = (boxes[..., 3:5] - start) / sides
    left, right = low[..., :1], high[..., :1]
    flip = is_flipped[:, tf.newaxis, tf.newaxis]
    low = tf.concat([tf.where(flip, 1.0 - right, left), low[..., 1:]], -1)
    high = tf.concat([tf.where(flip, 1.0 - left, right), high[..., 1:]], -1)
    centre = (low + high) / 2
    is_inside = tf.reduce_all((centre >= 0.0) & (centre < 1.0), -1, keepdims=True)
    label = tf.where(is_inside, boxes[..., :1], -1.0)
    corners = tf.clip_by_value(tf.concat([low, high], -1), 0.0, 1.0)
    return tf.concat([label, corners], -1)


def _show(
    images: np.ndarray, start: np.ndarray, sides: np.ndarray, is_flipped: np.ndarray
) -> np.ndarray:
    """Returns what is in each window, at the size of the image."""
    shown = np.empty_like(images)
    height, width = images.shape[1:3]
    for number, image in enumerate(images):
        scale = sides[number]
        # Of pixel centres, from the result to the image.
        offset = start[number] * (width, height) + 0.5 * scale - 0.5
        if is_flipped[number]:
            offset[0] += (width - 1) * scale[0]
            scale = scale * (-1, 1)
        matrix = np.array([[scale[0], 0, offset[0]], [0, scale[1], offset[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(
            image, matrix, (width, height), shown[number], flags, borderValue=_BORDER
        )
    return shown
