"""Representative images: what the ranges of int8 activations are measured on."""

import numpy as np

from corallite.optimize.calibrate.check_images import check_images
from corallite.train.data.load import Split

# At most: `measure_ranges` stops as soon as the ranges have settled.
DEFAULT_COUNT = 500
# Of the training part, which they are held against: at most so many images, and so
# many values, which as floats are 200 MB.
_MOST_IMAGES = 1000
_MOST_VALUES = 50_000_000


def choose_images(part: Split, count: int = DEFAULT_COUNT, seed: int = 0) -> np.ndarray:
    """Returns images of `part`, as many of each class as there are, none twice.

    Args:
        part: The training part; the test part must not shape what it measures.
        count: At most so many images.
        seed: Of the choice.

    Returns:
        float32 `[n, height, width, 3]`, RGB, pixel/255, classes in turn.
    """
    rows, seen = [], set()
    for row in _classes_in_turn(part.labels, np.random.default_rng(seed)):
        content = part.images_rgb_u8[row].tobytes()
        if content not in seen:
            seen.add(content)
            rows.append(row)
        if len(rows) == count:
            break
    return _as_floats(part, rows)


def choose_checked_images(part: Split, count: int = DEFAULT_COUNT) -> np.ndarray:
    """Returns what `choose_images` does, held against the part they were taken from.

    Raises:
        RequestError: They do not represent it: there are too few, or the part holds
            no photos (see `check_images`).
    """
    images = choose_images(part, count)
    most = min(_MOST_IMAGES, _MOST_VALUES // part.images_rgb_u8[0].size)
    rows = np.random.default_rng(0).permutation(len(part.labels))[:most]
    check_images(images, _as_floats(part, np.sort(rows)))
    return images


def _as_floats(part, rows):
    return part.images_rgb_u8[rows].astype(np.float32) / np.float32(255)


def _classes_in_turn(labels, rng):
    """Returns all rows in random order, one of each class after the other."""
    order = rng.permutation(len(labels))
    turn = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        mine = labels[order] == label
        turn[mine] = np.arange(np.sum(mine))
    return order[np.argsort(turn, kind="stable")]
