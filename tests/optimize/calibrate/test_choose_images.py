"""Representative images represent: every class, nothing twice, nothing else."""

import numpy as np
import pytest

from corallite.optimize.calibrate.choose_images import choose_images
from corallite.train.data.load import Split


def make_split(labels, first=0):
    """A split of 2x2 images whose first pixel counts up from `first`."""
    images = np.zeros((len(labels), 2, 2, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(first, first + len(labels))
    return Split(images, np.array(labels), tuple(map(str, labels)))


def rows_of(images):
    return np.round(images[:, 0, 0, 0] * 255).astype(int).tolist()


def test_classes_are_equally_many_however_rare():
    split = make_split([0] * 90 + [1] * 10)
    rows = rows_of(choose_images(split, 16))
    assert len(rows) == 16
    assert sum(row >= 90 for row in rows) == 8


def test_a_class_that_runs_out_leaves_its_place_to_the_others():
    split = make_split([0] * 90 + [1] * 2)
    rows = rows_of(choose_images(split, 16))
    assert sum(row >= 90 for row in rows) == 2
    assert len(set(rows)) == 16


def test_no_image_comes_twice():
    split = make_split([0, 1] * 20)
    split.images_rgb_u8[10:] = split.images_rgb_u8[:1]
    assert sorted(rows_of(choose_images(split, 30))) == list(range(10))


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (5, 5), (12, 12), (500, 12)])
def test_at_most_as_many_as_asked_for(count, expected):
    images = choose_images(make_split([0, 1, 2] * 4), count)
    assert len(images) == expected


def test_images_are_pixels_over_255_of_the_split():
    split = make_split([0, 1, 2] * 4, first=100)
    images = choose_images(split, 12)
    assert images.dtype == np.float32
    assert sorted(rows_of(images)) == list(range(100, 112))
    assert images.max() == np.float32(111) / np.float32(255)


def test_the_seed_decides():
    split = make_split([0, 1] * 50)
    first, again, other = (rows_of(choose_images(split, 9, seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other
