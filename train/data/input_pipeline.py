"""Batches for training and for evaluation, read from a split's array on disk."""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from corallite.device.system.errors import RequestError
from corallite.train.data.augment import (
    PartSeed,
    Seed,
    build_mixer,
    build_policy,
    to_unit_range,
)
from corallite.train.data.boxes.augment import build_box_policy
from corallite.train.data.load import Split
from corallite.train.data.shards.order import draw_order
from corallite.train.framework.keras import tf
from corallite.train.runs.recipe import Recipe

# Gathering waits for the disk if the array is not in the page cache: two at a time.
_GATHERS_AT_ONCE = 2


@contextlib.contextmanager
def reporting_unreadable() -> Iterator[None]:
    """Turns what TensorFlow raises for a streamed image into the image's own error.

    Raises:
        RequestError: An image of the batches of this module cannot be read any more.
    """
    try:
        yield
    except tf.errors.UnknownError as error:
        sentence = re.search(r"(?:RequestError|ChangedImageError): (.*)", str(error))
        if sentence is None:
            raise
        raise RequestError(sentence.group(1)) from error


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Returns the number of full batches in `split`, at least 1."""
    return max(1, len(split.labels) // batch_size)


def one_hot(num_classes: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function of labels int64 `[batch]` to float32 `[batch, classes]`."""
    return lambda labels: tf.one_hot(labels, num_classes)


def training_batches(
    split: Split,
    recipe: Recipe,
    targets: Callable[..., Any],
    *,
    first_epoch: int,
    epochs: int,
    first_step: int = 0,
    teach: Callable[[tf.Tensor, tf.Tensor], Any] | None = None,
    part: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Returns shuffled, augmented batches of the epochs from `first_epoch` on.

    A batch's images and augmentation are a function of seed, epoch and step alone, so
    a resumed training sees what it would have seen; keras-cv's RandAugment is the
    exception (see `augment_keras_cv`). Each epoch has `steps_per_epoch` batches; the
    images left over differ from epoch to epoch.

    Args:
        split: The training split.
        recipe: Batch size (all images if there are fewer), seed, augmentation; with
            MixUp and CutMix, one is drawn for each batch.
        targets: Returns what a loss needs, for labels int64 `[batch]` and, if the split
            has boxes, these.
        first_epoch: The first epoch to deliver, counted from 0.
        epochs: The last epoch plus one, as in `fit(epochs=...)`.
        first_step: Number of batches of the first epoch to skip.
        teach: Returns what a loss needs in place of the targets, for the images as they
            are delivered and their targets.
        part: Index and number of the workers that share each batch. Together they
            deliver the batches of one worker, but mix images within their parts.

    Returns:
        Pairs of images float32 `[batch, height, width, 3]` in 0 to 1 and targets. Where
        images are mixed, one-hot labels become fractions that add up to 1; Keras's
        `class_weight` gives them the weight of the larger fraction.

    Raises:
        RequestError: The augmentation is unknown, or keras-cv is needed and not
            installed.
    """
    seed = recipe.seed
    steps = steps_per_epoch(split, recipe.batch_size)
    rows_per_batch = min(recipe.batch_size, len(split.labels))
    index, count = part
    rows_per_part = rows_per_batch // count
    policy = _build_policy(split, recipe)
    mix = build_mixer(recipe.mixup_alpha, recipe.cutmix_alpha)

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        # Of the data, not of the cache: the same whether images are streamed or not.
        if split.stored is not None:
            return draw_order(split.stored, seed, epoch)
        return np.random.default_rng((seed, epoch)).permutation(len(split.labels))

    def gather(step: np.ndarray) -> tuple[np.ndarray, ...]:
        epoch, batch = divmod(int(step), steps)
        start = batch * rows_per_batch
        # Sorted, the rows are read from the disk in one sweep.
        rows = np.sort(order(epoch)[start : start + rows_per_batch])
        # Every `count`-th of them: sorted, they are ordered by class, and the images of
        # a part are mixed with each other.
        rows = rows[index::count][:rows_per_part]
        return split.images_rgb_u8[rows], *(x[rows] for x in split.annotations)

    def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, *known = _call(gather, step, split, rows_per_part)
        step_seed = tf.stack([tf.constant(seed, tf.int64), step])
        whole = PartSeed(step_seed, index, count, rows_per_batch)
        images, known = policy(images, known, step_seed if count == 1 else whole)
        wanted = targets(*known)
        if mix is not None:
            images, wanted = mix(images, wanted, step_seed + index)
        return images, teach(images, wanted) if teach else wanted

    numbers = tf.data.Dataset.range(first_epoch * steps + first_step, epochs * steps)
    return numbers.map(load, num_parallel_calls=_GATHERS_AT_ONCE).prefetch(2)


def evaluation_batches(
    split: Split, batch_size: int, targets: Callable[..., Any]
) -> tf.data.Dataset:
    """Returns every image of `split` once, in order; the last batch may be smaller.

    Returns:
        Pairs as those of `training_batches`, not augmented.
    """
    num_images = len(split.labels)

    def slice_rows(start: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = slice(int(start), int(start) + batch_size)
        images = np.asarray(split.images_rgb_u8[rows])
        return images, *(x[rows] for x in split.annotations)

    def load(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, *known = _call(slice_rows, start, split, None)
        return to_unit_range(images), targets(*known)

    starts = tf.data.Dataset.range(0, num_images, batch_size)
    return starts.map(load, num_parallel_calls=_GATHERS_AT_ONCE).prefetch(2)


def _call(
    read: Callable[[np.ndarray], tuple[np.ndarray, ...]],
    number: tf.Tensor,
    split: Split,
    count: int | None,
) -> list[tf.Tensor]:
    """Returns images and annotations that `read` takes from a split, with shapes."""
    arrays = (split.images_rgb_u8, *split.annotations)
    types = [tf.uint8, *(tf.as_dtype(x.dtype) for x in split.annotations)]
    tensors = tf.numpy_function(read, [number], types)
    for tensor, array in zip(tensors, arrays, strict=True):
        tensor.set_shape([count, *array.shape[1:]])
    return tensors


def _build_policy(split: Split, recipe: Recipe) -> Callable[..., Any]:
    """Returns an augmentation of images and what is known of them, for a seed."""
    if split.boxes is not None:
        move = build_box_policy(recipe.augment)

        def apply(images: tf.Tensor, known: list[tf.Tensor], seed: Seed) -> Any:
            labels, boxes = known
            images, boxes = move(images, boxes, seed)
            return images, [labels, boxes]

        return apply
    change = build_policy(recipe.augment, recipe.seed)
    return lambda images, known, seed: (change(images, seed), known)
