import numpy as np
import pytest

from corallite.device.image import difference_hash as module
from corallite.device.image.difference_hash import difference_hash, hamming_distances
from corallite.device.image.opencv import cv2

FEW_BITS = 4


@pytest.fixture
def photos(draw_clouds):
    """Twenty different scenes, uint8 [20, 120, 160, 3]."""
    return (draw_clouds(20, 120, 160) * 200 + 20).astype(np.uint8)


def distance(first, second):
    hashes = np.array([difference_hash(first), difference_hash(second)], np.uint64)
    return int(hamming_distances(hashes[0], hashes[1]))


def test_an_image_of_one_colour_has_the_hash_0():
    assert difference_hash(np.full((20, 30, 3), 77, np.uint8)) == 0


def test_bits_of_even_areas_look_right_and_of_odd_areas_below():
    brighter_to_the_right = np.tile(np.arange(9, dtype=np.uint8) * 20, (9, 1))
    even, odd = 0xAA55AA55AA55AA55, 0x55AA55AA55AA55AA
    assert difference_hash(brighter_to_the_right) == even
    assert difference_hash(np.ascontiguousarray(brighter_to_the_right.T)) == odd


def test_the_highest_bit_is_that_of_the_first_area():
    image = np.zeros((9, 9), np.uint8)
    image[0, 1] = 200
    assert difference_hash(image) == 1 << 63


def test_grey_and_colour_have_the_same_hash(photos):
    grey = cv2.cvtColor(photos[0], cv2.COLOR_RGB2GRAY)
    assert difference_hash(photos[0]) == difference_hash(grey)


def test_low_contrast_counts():
    """Averages that would be equal as integers differ as numbers."""
    image = np.full((90, 90), 100, np.uint8)
    image[::3, 10:20] = 101
    assert difference_hash(image) >> 63 == 1


CHANGES = {
    "jpeg": lambda x: cv2.imdecode(
        cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR
    ),
    "half the size": lambda x: cv2.resize(x, (80, 60), interpolation=cv2.INTER_AREA),
    "darker": lambda x: (x * 0.8).astype(np.uint8),
    "brighter": lambda x: np.clip(x * 1.1, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_a_near_duplicate(photos, change):
    distances = [distance(photo, CHANGES[change](photo)) for photo in photos]
    assert max(distances) <= FEW_BITS


def test_other_scenes_are_far_apart(photos):
    hashes = np.array([difference_hash(photo) for photo in photos], np.uint64)
    distances = hamming_distances(hashes[:, None], hashes[None])
    assert distances.shape == (20, 20)
    assert distances[~np.eye(20, dtype=bool)].min() > 3 * FEW_BITS


def test_distances_count_the_bits_that_differ():
    first = np.array([0, 0, 2**64 - 1, 0b1011], np.uint64)
    second = np.array([0, 2**64 - 1, 2**64 - 1, 0b0001], np.uint64)
    assert hamming_distances(first, second).tolist() == [0, 64, 0, 2]


def test_numpy_1_counts_the_same():
    values = np.random.default_rng(0).integers(0, 2**64, (3, 50), np.uint64)
    expected = [[int(value).bit_count() for value in row] for row in values]
    for count in (module._count_bits, module._count_bits_by_bytes):
        assert count(values).tolist() == expected
        assert count(values.T).T.tolist() == expected
        assert count(values[0, 0]).shape == ()
