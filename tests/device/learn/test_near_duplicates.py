import numpy as np
import pytest

from corallite.device.image.difference_hash import difference_hash
from corallite.device.image.opencv import cv2
from corallite.device.learn import near_duplicates
from corallite.device.learn.near_duplicates import (
    Pairs,
    find_pairs,
    group_near_duplicates,
    make_thumbnail,
)


def measured(images):
    """Returns the arguments of `find_pairs`."""
    return list(map(difference_hash, images)), list(map(make_thumbnail, images))


@pytest.fixture
def scenes(draw_clouds):
    """Twelve different scenes, uint8 [12, 100, 140, 3]."""
    return (draw_clouds(12, 100, 140) * 200 + 20).astype(np.uint8)


def as_tuples(pairs):
    return sorted(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def chain(count, bits=0):
    """Pairs that connect each photo with the next."""
    numbers = np.arange(count - 1)
    return Pairs(numbers, numbers + 1, np.full(count - 1, bits, np.uint8))


def test_copies_and_shifted_frames_are_found_and_other_scenes_are_not(scenes):
    darker = (scenes[3] * 0.8).astype(np.uint8)
    smaller = cv2.resize(scenes[5], (70, 50), interpolation=cv2.INTER_AREA)
    shifted = np.roll(scenes[7], 1, axis=1)
    pairs = find_pairs(*measured([*scenes, darker, smaller, shifted]))
    assert as_tuples(pairs) == [(3, 12), (5, 13), (7, 14)]


def test_equal_photos_are_all_connected(scenes):
    photos = measured([scenes[0], scenes[1], scenes[0], scenes[0]])
    groups, divided = group_near_duplicates(find_pairs(*photos), [""] * 4)
    assert groups.tolist() == [0, 1, 0, 0] and divided == []


def test_equal_hashes_of_other_pictures_are_no_pair():
    """Bottles on white have the same bright and dark areas in other colours."""
    left, right = np.full((2, 90, 90, 3), 255, np.uint8)
    left[10:80, 30:60] = (200, 0, 0)
    right[10:80, 30:60] = (0, 0, 200)
    right[20:30, 35:55] = 255
    photos = measured([left, right])
    assert (photos[0][0] ^ photos[0][1]).bit_count() <= 8
    assert as_tuples(find_pairs(*photos)) == []


def test_photos_of_one_colour_are_no_pairs():
    photos = measured([np.full((20, 20, 3), value, np.uint8) for value in (0, 0, 99)])
    assert as_tuples(find_pairs(*photos)) == []


@pytest.mark.parametrize("count", [0, 1])
def test_few_photos_have_no_pairs(scenes, count):
    pairs = find_pairs(*measured(scenes[:count]))
    assert [len(array) for array in pairs] == [0, 0, 0]
    assert len(group_near_duplicates(pairs, ["cat"] * count)[0]) == count


def test_pairs_are_the_same_as_one_by_one(monkeypatch, draw_clouds):
    """Also where the photos do not fill the last rows, and over several chunks."""
    monkeypatch.setattr(near_duplicates, "_ROWS", 7)
    monkeypatch.setattr(near_duplicates, "_PAIRS", 3)
    scenes = (draw_clouds(40, 30, 30) * 255).astype(np.uint8)
    photos = measured([scenes[n % 23] for n in range(40)])
    groups, _ = group_near_duplicates(find_pairs(*photos), [""] * 40)
    assert groups.tolist() == [n % 23 for n in range(40)]


def test_a_chain_is_one_group():
    labels = ["cat"] * 300 + ["dog"] * 300
    numbers = np.random.default_rng(0).permutation(100)
    pairs = Pairs(
        np.minimum(numbers[1:], numbers[:-1]),
        np.maximum(numbers[1:], numbers[:-1]),
        np.zeros(99, np.uint8),
    )
    groups, divided = group_near_duplicates(pairs, labels)
    assert groups[:100].tolist() == [0] * 100 and divided == []
    assert groups[100:].tolist() == list(range(100, 600))


def test_a_chain_through_most_of_a_class_is_divided_where_most_bits_differ():
    bits = np.full(39, 8, np.uint8)
    bits[::2] = 3
    pairs = chain(40)._replace(bits=bits)
    groups, divided = group_near_duplicates(pairs, ["cat"] * 40)
    assert groups.tolist() == [n - n % 2 for n in range(40)]
    assert divided == ["cat"]


def test_a_class_of_one_recording_is_divided_into_its_photos():
    groups, divided = group_near_duplicates(chain(40), ["cat"] * 40)
    assert groups.tolist() == list(range(40)) and divided == ["cat"]


def test_a_group_of_another_class_or_of_a_given_split_stays():
    labels = ["cat"] * 20 + ["dog"] * 3 + [""] * 20
    first = np.r_[np.arange(19), np.arange(23, 42)]
    pairs = Pairs(first, first + 1, np.zeros(len(first), np.uint8))
    groups, divided = group_near_duplicates(pairs, labels)
    assert divided == ["cat"] and set(groups[23:]) == {23}


def test_three_recordings_of_a_class_stay_whole():
    labels = ["cat"] * 30
    first = np.array([n for n in range(29) if n % 10 != 9])
    pairs = Pairs(first, first + 1, np.zeros(len(first), np.uint8))
    groups, divided = group_near_duplicates(pairs, labels)
    assert groups.tolist() == [n - n % 10 for n in range(30)] and divided == []


def test_a_chain_through_several_classes_is_divided_and_none_is_named():
    labels = ["cat", "dog", "fox", "emu"] * 30
    bits = np.full(47, 5, np.uint8)
    bits[::2] = 4
    groups, divided = group_near_duplicates(chain(48)._replace(bits=bits), labels)
    assert groups[:48].tolist() == [n - n % 2 for n in range(48)] and divided == []


def test_a_group_of_a_large_class_may_have_photos_of_a_small_one():
    labels = ["cat"] * 100 + ["dog"] * 20
    pairs = Pairs(np.arange(71, 101), np.arange(72, 102), np.zeros(30, np.uint8))
    groups, divided = group_near_duplicates(pairs, labels)
    assert set(groups[71:102]) == {71} and divided == []


def test_a_small_class_keeps_three_groups():
    groups, divided = group_near_duplicates(chain(3), ["cat"] * 4)
    assert len(set(groups)) >= 3 and divided == ["cat"]


def test_a_photo_without_contrast_is_compared():
    flat = np.zeros((16, 16, 3), np.uint8)
    assert as_tuples(find_pairs([0, 0], [flat, flat])) == []
