"""Chooses representative images, on which the ranges of int8 are measured."""

import numpy as np

from corallite.optimize.calibrate.check_images import check_images
from corallite.train.data.load import Split

# At most: `measure_ranges` stops when the ranges have settled.
DEFAULT_COUNT = 500
# Size of the sample of the training split that they are compared with: images, and
# values, which as floats are 200 MB.
_MOST_IMAGES = 1000
_MOST_VALUES = 50_000_000


def choose_images(
    split: Split, count: int = DEFAULT_COUNT, seed: int = 0
) -> np.ndarray:
    """Returns different images of `split`, classes in turn.

    Args:
        split: The training split; the test split must not influence the model.
        count: Maximum number of images.
        seed: Seed of the choice.

    Returns:
        float32 `[n, height, width, 3]`, RGB, pixel/255.
    """
    rows, seen = [], set()
    for row in _classes_in_turn(split.labels, np.random.default_rng(seed)):
        content = split.images_rgb_u8[row].tobytes()
        if content not in seen:
            seen.add(content)
            rows.append(row)
        if len(rows) == count:
            break
    return _as_floats(split, rows)


def choose_checked_images(split: Split, count: int = DEFAULT_COUNT) -> np.ndarray:
    """Returns images as `choose_images` does, and compares them with their split.

    Raises:
        RequestError: They do not represent the split: there are too few, or its images
            are not photos (see `check_images`).
    """
    images = choose_images(split, count)
    most = min(_MOST_IMAGES, _MOST_VALUES // split.images_rgb_u8[0].size)
    rows = np.random.default_rng(0).permutation(len(split.labels))[:most]
    check_images(images, _as_floats(split, np.sort(rows)))
    return images


def _as_floats(split, rows):
    return split.images_rgb_u8[rows].astype(np.float32) / np.float32(255)


def _classes_in_turn(labels, rng):
    """Returns all rows, one of each class in turn, in random order within a class."""
    order = rng.permutation(len(labels))
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        mine = labels[order] == label
        turn[mine] = np.arange(np.sum(mine))
    return order[np.argsort(turn, kind="stable")]
