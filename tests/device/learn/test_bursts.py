"""Photos of a burst are in one group, if enough groups are left."""

import numpy as np

from corallite.device.learn.bursts import join_bursts
from corallite.device.serve.capture.photo_file import begin_burst, name_photo


def record(sizes):
    """Returns the names of bursts of these sizes, as the page gives them."""
    bursts = [begin_burst() for _ in sizes]
    return [
        name_photo(burst, number)
        for burst, size in zip(bursts, sizes, strict=True)
        for number in range(size)
    ]


def test_photos_of_a_burst_are_in_one_group():
    names = [*record([5, 4, 3]), "other.jpg", "20261130.jpg"]
    groups, left = join_bursts(np.arange(14), names, np.zeros(14, int))
    expected = [0] * 5 + [5] * 4 + [9] * 3 + [12, 13]
    assert groups.tolist() == expected and left == []


def test_near_duplicates_join_bursts():
    names = record([3, 3, 3, 3])
    groups = np.arange(12)
    groups[3] = 0  # A frame of the second burst shows what the first one does.
    found, left = join_bursts(groups, names, np.zeros(12, int))
    assert found.tolist() == [0] * 6 + [6] * 3 + [9] * 3 and left == []


def test_a_class_of_two_bursts_stays_divided_and_is_named():
    names = [*record([5, 5]), *record([2, 2, 2])]
    labels = np.array([0] * 10 + [1] * 6)
    groups, left = join_bursts(np.arange(16), names, labels)
    assert left == [0]
    assert groups.tolist() == [*range(10), 10, 10, 12, 12, 14, 14]


def test_names_of_other_programs_are_left_alone():
    names = ["IMG_0001.jpg", "IMG_0002.jpg", "frame_0001.png"]
    groups, left = join_bursts(np.arange(3), names, np.zeros(3, int))
    assert groups.tolist() == [0, 1, 2] and left == []


def test_a_burst_in_two_classes_is_joined():
    # A photo was moved to the other class.
    names = record([4, 4, 4])
    labels = np.array([0, 0, 0, 1] + [0] * 8)
    more = [*names, "a.jpg", "b.jpg", "c.jpg"]
    labels = np.array([*labels, 1, 1, 1])
    groups, left = join_bursts(np.arange(15), more, labels)
    assert left == [] and groups[3] == groups[0]
