"""Images with wrong labels are found, the surest first."""

import numpy as np

from corallite.train.data.doubtful import Doubtful, find_doubtful
from corallite.train.data.load import Split

NAMES = ("cat", "dog")


def make_split(labels):
    paths = tuple(f"{NAMES[label]}/{row}.jpg" for row, label in enumerate(labels))
    return Split(np.zeros((len(labels), 1, 1, 3), np.uint8), np.array(labels), paths)


def test_the_surest_mistake_comes_first():
    split = make_split([0, 0, 0, 0, 1, 1, 1, 1])
    of_dog = np.array([0.1, 0.1, 0.95, 0.2, 0.9, 0.8, 0.9, 0.02])
    found = find_doubtful(np.stack([1 - of_dog, of_dog], 1), split, NAMES)
    assert found == [
        Doubtful("dog/7.jpg", "dog", "cat", 0.02),
        Doubtful("cat/2.jpg", "cat", "dog", 0.05),
    ]


def test_an_unsure_image_is_not_accused():
    split = make_split([0, 0, 1, 1])
    # The third looks like a cat, but far less so than cats do.
    of_dog = np.array([0.05, 0.05, 0.4, 0.9])
    assert find_doubtful(np.stack([1 - of_dog, of_dog], 1), split, NAMES) == []


def test_no_more_are_listed_than_a_person_looks_at():
    split = make_split([0] * 50 + [1] * 50)
    of_dog = np.array([0.9] * 30 + [0.1] * 20 + [0.9] * 50)
    assert len(find_doubtful(np.stack([1 - of_dog, of_dog], 1), split, NAMES)) == 20
