"""Augmentation of whole uint8 batches, each a function of a stateless seed.

A policy takes images uint8 `[batch, height, width, 3]` and a seed, an integer tensor
`[2]`, and returns float32 of the same shape in 0 to 1. The same seed gives the same
result, so a resumed training sees the same data as an uninterrupted one. With a
`PartSeed`, the images of a part of a batch become what they become in the whole.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from corallite.device.image.opencv import cv2
from corallite.device.system.errors import require_choice
from corallite.train.data import augment_keras_cv
from corallite.train.framework.keras import tf


class PartSeed(NamedTuple):
    """The seed of a whole batch, for some of its images.

    Attributes:
        whole: The seed, integer `[2]`.
        first: Index of the first of these images in the batch.
        step: From each of these images to the next.
        total: Number of images of the batch.
    """

    whole: tf.Tensor
    first: int
    step: int
    total: int


# An integer tensor `[2]`, or a `PartSeed`.
Seed = Any
Policy = Callable[[tf.Tensor, Seed], tf.Tensor]
Mixed = tuple[tf.Tensor, tf.Tensor]
Mixer = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Mixed]

LEVELS = ("none", "light", "standard", "rand")

# From this side on, crops are resized, as is usual on ImageNet; smaller images are
# shifted, as is usual on CIFAR-10, because they have no pixels to lose.
_MIN_SIDE_TO_RESIZE = 96
_MIN_AREA = 0.35
_MAX_LOG_ASPECT = 0.2877  # ln(4/3)
_STRENGTH = 0.3
_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def build_policy(level: str, seed: int = 0) -> Policy:
    """Returns the policy of an augmentation level.

    Args:
        level: "none"; "light" flips and crops; "standard" also varies brightness,
            contrast and saturation; "rand" is "light" and then keras-cv's RandAugment,
            whose draws are not a function of the seed (see `augment_keras_cv`).
        seed: Initial seed of keras-cv's draws; the others get a seed with each batch.

    Raises:
        RequestError: `level` is not one of these, or keras-cv is not installed.
    """
    require_choice("augment", level, LEVELS)
    is_rand = level == "rand"
    rand_augment = augment_keras_cv.build_rand_augment(seed) if is_rand else None

    def apply(images: tf.Tensor, seed: Seed) -> tf.Tensor:
        if level != "none":
            images = flip_and_crop(images, seed)
        if level == "standard":
            images = vary_colour(images, seed)
        images = to_unit_range(images)
        return rand_augment(images) if rand_augment else images

    return apply


def build_mixer(mixup_alpha: float, cutmix_alpha: float) -> Mixer | None:
    """Returns a function that mixes pairs of images, and their targets, in a batch.

    Args:
        mixup_alpha: Beta parameter of `mix_up`, usually 0.1 to 0.4; 0 is off.
        cutmix_alpha: Beta parameter of `cut_mix`, usually 1; 0 is off.

    Returns:
        A function of images float32 `[batch, height, width, 3]`, targets float32
        `[batch, classes]` and a seed, which decides between the two for a batch if both
        are on. None if both are off.
    """
    mixers: list[Mixer] = []
    if mixup_alpha:
        mixers.append(functools.partial(mix_up, alpha=mixup_alpha))
    if cutmix_alpha:
        mixers.append(functools.partial(cut_mix, alpha=cutmix_alpha))
    if len(mixers) < 2:
        return mixers[0] if mixers else None
    return lambda images, targets, seed: tf.cond(
        draw_uniform([], fold_seed(seed, 6), 0.0, 1.0) < 0.5,
        lambda: mixers[0](images, targets, seed),
        lambda: mixers[1](images, targets, seed),
    )


def mix_up(
    images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, alpha: float
) -> Mixed:
    """Adds to each image another one of the batch (MixUp, arXiv:1710.09412).

    The share of the image and of its target is drawn from Beta(alpha, alpha).
    """
    share = _draw_beta(tf.shape(images)[0], alpha, seed)
    other = _draw_order(tf.shape(images)[0], seed)
    of_pixels = share[:, tf.newaxis, tf.newaxis, tf.newaxis]
    mixed = of_pixels * images + (1.0 - of_pixels) * tf.gather(images, other)
    return mixed, _mix_targets(targets, other, share)


def cut_mix(
    images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, alpha: float
) -> Mixed:
    """Puts a box of another image of the batch into each (CutMix, arXiv:1905.04899).

    Its area is 1 - x, with x from Beta(alpha, alpha), less what the border cuts off.
    Targets are mixed by what is left of it.
    """
    num_images, height, width = _batch_size_hw(images)
    other = _draw_order(num_images, seed)
    side = tf.sqrt(1.0 - _draw_beta(num_images, alpha, seed))[:, tf.newaxis]
    centre = draw_uniform([num_images, 2], fold_seed(seed, 7), 0.0, 1.0)
    rows, columns = (
        tf.abs((tf.range(length, dtype=tf.float32) + 0.5) / length - x) < side / 2
        for length, x in ((height, centre[:, :1]), (width, centre[:, 1:]))
    )
    box = rows[:, :, tf.newaxis] & columns[:, tf.newaxis]
    mixed = tf.where(box[..., tf.newaxis], tf.gather(images, other), images)
    share = 1.0 - tf.reduce_mean(tf.cast(box, tf.float32), axis=(1, 2))
    return mixed, _mix_targets(targets, other, share)


def to_unit_range(images_rgb_u8: tf.Tensor) -> tf.Tensor:
    """Returns float32 pixel / 255, which is the input of every float model."""
    return tf.cast(images_rgb_u8, tf.float32) / 255.0


def flip_and_crop(images_rgb_u8: tf.Tensor, seed: Seed) -> tf.Tensor:
    """Mirrors half of the images and crops each at random.

    By `flip_and_shift` below 96 pixels per side, else by `flip_and_resize`.
    """
    if min(images_rgb_u8.shape[1:3]) < _MIN_SIDE_TO_RESIZE:
        return flip_and_shift(images_rgb_u8, seed)
    return flip_and_resize(images_rgb_u8, seed)


def flip_and_shift(images_rgb_u8: tf.Tensor, seed: Seed) -> tf.Tensor:
    """Mirrors half of the images, pads each by reflection and crops it at random.

    The padding is an eighth of the side (4 pixels at 32, as is usual on CIFAR-10).
    Flip, padding and crop are together one choice of rows and columns, which costs 1 %
    of a training step.
    """
    num_images, height, width = _batch_size_hw(images_rgb_u8)
    rows = _shifted(height, num_images, fold_seed(seed, 0))
    columns = _shifted(width, num_images, fold_seed(seed, 1))
    is_flipped = draw_uniform([num_images, 1], fold_seed(seed, 2), 0.0, 1.0) < 0.5
    columns = tf.where(is_flipped, width - 1 - columns, columns)
    cropped = tf.gather(images_rgb_u8, rows, axis=1, batch_dims=1)
    return tf.gather(cropped, columns, axis=2, batch_dims=1)


def flip_and_resize(images_rgb_u8: tf.Tensor, seed: Seed) -> tf.Tensor:
    """Mirrors half of the images and resizes a random box of each to the whole size.

    The box has 0.35 to 1 of the area and 3/4 to 4/3 of the proportions; interpolation
    is linear. Inception's boxes (arXiv:1409.4842, section 6) go down to 0.08 of the
    area, which does not help small networks.
    """
    num_images, height, width = _batch_size_hw(images_rgb_u8)
    area = draw_uniform([num_images], fold_seed(seed, 0), _MIN_AREA, 1.0)
    log_aspect = draw_uniform(
        [num_images], fold_seed(seed, 1), -_MAX_LOG_ASPECT, _MAX_LOG_ASPECT
    )
    box_height = height * tf.minimum(1.0, tf.sqrt(area * tf.exp(log_aspect)))
    box_width = width * tf.minimum(1.0, tf.sqrt(area * tf.exp(-log_aspect)))
    top = draw_uniform([num_images], fold_seed(seed, 2), 0.0, 1.0) * (
        height - box_height
    )
    left = draw_uniform([num_images], fold_seed(seed, 3), 0.0, 1.0) * (
        width - box_width
    )
    is_flipped = draw_uniform([num_images], fold_seed(seed, 4), 0.0, 1.0) < 0.5
    borders = tf.stack([top, left, top + box_height, left + box_width], axis=1)
    boxes = tf.cast(tf.round(borders), tf.int32)
    return _in_numpy(_resize_boxes, images_rgb_u8, [boxes, is_flipped])


def vary_colour(images_rgb_u8: tf.Tensor, seed: Seed) -> tf.Tensor:
    """Multiplies brightness, contrast and saturation by 0.7 to 1.3 for each image.

    Contrast is relative to the mean grey of the image. Takes and returns uint8 `[batch,
    height, width, 3]`, RGB; values are clipped to 0 to 255.
    """
    num_images = tf.shape(images_rgb_u8)[0]
    factors = draw_uniform(
        [num_images, 3], fold_seed(seed, 5), 1 - _STRENGTH, 1 + _STRENGTH
    )
    return _in_numpy(_transform_colours, images_rgb_u8, [factors])


def _resize_boxes(
    images: np.ndarray, boxes: np.ndarray, is_flipped: np.ndarray
) -> np.ndarray:
    """OpenCV on uint8 takes a fifth of the time of `tf.image.crop_and_resize`."""
    resized = np.empty_like(images)
    size_wh = images.shape[2], images.shape[1]
    for number, (top, left, bottom, right) in enumerate(boxes.tolist()):
        box = images[number, top:bottom, left:right]
        if is_flipped[number]:
            box = cv2.flip(box, 1)
        cv2.resize(box, size_wh, resized[number], interpolation=cv2.INTER_LINEAR)
    return resized


def _transform_colours(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Applies `(brightness, contrast, saturation)` rows as one matrix for an image.

    Saturation moves a pixel from its grey, contrast moves the result from the mean
    grey, and brightness multiplies that; together they are an affine map of the pixel.
    """
    transformed = np.empty_like(images)
    for number, (brightness, contrast, saturation) in enumerate(factors.tolist()):
        image = images[number]
        mean = np.dot(cv2.mean(image)[:3], _GREY_WEIGHTS)
        matrix = np.empty((3, 4))
        matrix[:, :3] = brightness * contrast * (1 - saturation) * _GREY_WEIGHTS
        matrix[:, :3] += brightness * contrast * saturation * np.eye(3)
        matrix[:, 3] = brightness * (1 - contrast) * mean
        cv2.transform(image, matrix, transformed[number])
    return transformed


def fold_seed(seed: Seed, number: int) -> Seed:
    if isinstance(seed, PartSeed):
        return seed._replace(whole=fold_seed(seed.whole, number))
    return tf.random.experimental.stateless_fold_in(seed, number)


def draw_uniform(
    shape: list[Any], seed: Seed, low: float, high: float, dtype: Any = tf.float32
) -> tf.Tensor:
    """Draws numbers; the first axis of `shape` is that of the images."""
    if not isinstance(seed, PartSeed):
        return tf.random.stateless_uniform(shape, seed, low, high, dtype)
    drawn = draw_uniform([seed.total, *shape[1:]], seed.whole, low, high, dtype)
    return drawn[seed.first :: seed.step][: shape[0]]


def _in_numpy(
    function: Callable[..., np.ndarray], images: tf.Tensor, arguments: list[tf.Tensor]
) -> tf.Tensor:
    """Calls `function` on arrays; it must return uint8 of the images' shape."""
    result = tf.numpy_function(function, [images, *arguments], tf.uint8)
    return tf.ensure_shape(result, images.shape)


def _shifted(length: int, num_images: tf.Tensor, seed: Seed) -> tf.Tensor:
    """Returns int32 `[num_images, length]`: positions, reflected at the ends."""
    pad = max(1, round(length / 8))
    offsets = draw_uniform([num_images, 1], seed, -pad, pad + 1, tf.int32)
    positions = tf.abs(tf.range(length)[tf.newaxis] + offsets)
    return length - 1 - tf.abs(length - 1 - positions)


def _batch_size_hw(images: tf.Tensor) -> tuple[tf.Tensor, int, int]:
    _, height, width, _ = images.shape
    return tf.shape(images)[0], height, width


def _draw_beta(num_images: tf.Tensor, alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """Returns float32 `[num_images]`: a gamma variate's share of two."""
    drawn = tf.random.stateless_gamma([num_images, 2], fold_seed(seed, 8), alpha)
    # Both underflow to zero if alpha is small.
    return tf.math.divide_no_nan(drawn[:, 0], drawn[:, 0] + drawn[:, 1])


def _draw_order(num_images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return tf.argsort(draw_uniform([num_images], fold_seed(seed, 9), 0.0, 1.0))


def _mix_targets(targets: tf.Tensor, other: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    share = share[:, tf.newaxis]
    return share * targets + (1.0 - share) * tf.gather(targets, other)
