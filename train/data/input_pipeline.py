"""Batches for training and for evaluation, read from a part's array on disk."""

import functools

import numpy as np

from corallite.train.data.augment import build_policy, to_unit_range
from corallite.train.data.augment_keras_cv import build_mixer
from corallite.train.data.load import Split
from corallite.train.framework.keras import tf

# Gathering waits for the disk if the array is not in the page cache: two at a time.
_GATHERS_AT_ONCE = 2


def steps_per_epoch(part: Split, batch_size: int) -> int:
    """Returns the number of full batches in `part`, at least 1."""
    return max(1, len(part.labels) // batch_size)


def training_batches(
    part: Split,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    num_classes: int,
    augment: str = "none",
    mixup_alpha: float = 0.0,
    cutmix_alpha: float = 0.0,
    first_step: int = 0,
) -> tf.data.Dataset:
    """Returns shuffled, augmented batches of the epochs from `first_epoch` on.

    A batch's images and augmentation are a function of seed, epoch and step alone, so
    a resumed training sees what it would have seen; keras-cv's RandAugment, MixUp and
    CutMix are the exception (see `augment_keras_cv`). Each epoch has `steps_per_epoch`
    batches; the images left over differ from epoch to epoch.

    Args:
        part: The training part.
        batch_size: Images in each batch; all images if there are fewer.
        seed: Of order and augmentation.
        first_epoch: The first to deliver, counted from 0.
        epochs: The number of the last plus one, as in `fit(epochs=...)`.
        num_classes: Length of the one-hot labels.
        augment: One of `augment.LEVELS`.
        mixup_alpha: MixUp's Beta parameter; 0 is off.
        cutmix_alpha: CutMix's Beta parameter; 0 is off. With both, one is drawn for
            each batch.
        first_step: Batches of the first epoch to leave out.

    Returns:
        Pairs of images float32 `[batch, height, width, 3]` in 0 to 1 and labels float32
        `[batch, classes]`: one-hot, or mixed shares that add up to 1. Keras's
        `class_weight` gives a mixed label the weight of its larger share.

    Raises:
        RequestError: `augment` is no level, or keras-cv is wanted and not installed.
    """
    steps = steps_per_epoch(part, batch_size)
    rows_per_batch = min(batch_size, len(part.labels))
    policy = build_policy(augment, seed)
    mix = build_mixer(mixup_alpha, cutmix_alpha, seed)

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng((seed, epoch)).permutation(len(part.labels))

    def gather(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        epoch, batch = divmod(int(step), steps)
        start = batch * rows_per_batch
        # Sorted, the rows are read from the disk in one sweep.
        rows = np.sort(order(epoch)[start : start + rows_per_batch])
        return part.images_rgb_u8[rows], part.labels[rows]

    def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.numpy_function(gather, [step], (tf.uint8, tf.int64))
        images.set_shape([rows_per_batch, *part.images_rgb_u8.shape[1:]])
        labels.set_shape([rows_per_batch])
        step_seed = tf.stack([tf.constant(seed, tf.int64), step])
        images, labels = policy(images, step_seed), tf.one_hot(labels, num_classes)
        return mix(images, labels, step_seed) if mix else (images, labels)

    numbers = tf.data.Dataset.range(first_epoch * steps + first_step, epochs * steps)
    return numbers.map(load, num_parallel_calls=_GATHERS_AT_ONCE).prefetch(2)


def evaluation_batches(
    part: Split, batch_size: int, num_classes: int
) -> tf.data.Dataset:
    """Returns every image of `part` once, in order; the last batch may be smaller.

    Returns:
        Pairs as those of `training_batches`, not augmented.
    """
    num_images = len(part.labels)

    def slice_rows(start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(int(start), int(start) + batch_size)
        return np.asarray(part.images_rgb_u8[rows]), part.labels[rows]

    def load(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.numpy_function(slice_rows, [start], (tf.uint8, tf.int64))
        images.set_shape([None, *part.images_rgb_u8.shape[1:]])
        labels.set_shape([None])
        return to_unit_range(images), tf.one_hot(labels, num_classes)

    starts = tf.data.Dataset.range(0, num_images, batch_size)
    return starts.map(load, num_parallel_calls=_GATHERS_AT_ONCE).prefetch(2)
