"""Images in streams: complete, incomplete, nested and between garbage."""

import cv2
import numpy as np
import pytest

from corallite.device.image.jpeg_stream import JpegSplitter


def noise_jpeg(seed, side=40):
    image = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_RST_INTERVAL, 1])[1].tobytes()


def with_thumbnail(jpeg, thumbnail):
    """Puts a whole JPEG into an APP1 segment, as cameras do."""
    length = (len(thumbnail) + 2).to_bytes(2, "big")
    return jpeg[:2] + b"\xff\xe1" + length + thumbnail + jpeg[2:]


IMAGES = [noise_jpeg(seed) for seed in range(3)]
IMAGES.append(with_thumbnail(IMAGES[0], IMAGES[1]))
GARBAGE = np.random.default_rng(9).bytes(5000).replace(b"\xff\xd8\xff", b"...")


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000, 10**6])
def test_images_are_found_for_any_chunk_size(chunk):
    stream = b"\r\n--frame\r\n\r\n".join(IMAGES)
    splitter = JpegSplitter()
    found = []
    for start in range(0, len(stream), chunk):
        found += splitter.feed(stream[start : start + chunk])
    assert found == IMAGES
    assert splitter.broken == 0 and not splitter.is_inside_image


def test_garbage_between_images_is_skipped():
    splitter = JpegSplitter()
    stream = GARBAGE + IMAGES[0] + GARBAGE + b"\xff" + IMAGES[1]
    assert splitter.feed(stream) == IMAGES[:2]
    assert splitter.broken == 0


@pytest.mark.parametrize("length", [3, 4, 5, 6, 100, 623, 700, 1000])
def test_incomplete_image_costs_at_most_one_more_segment(length):
    followers = IMAGES[1:3] * 40
    splitter = JpegSplitter()
    found = splitter.feed(IMAGES[0][:length] + b"".join(followers))
    # If the cut is inside a segment, the next bytes count as its rest: up to 64 KiB,
    # and the rest of the image in which they end.
    assert found[-1] == followers[-1]
    lost = sum(map(len, followers)) - sum(map(len, found))
    assert lost <= 2**16 + len(followers[0])


def test_image_cut_in_its_pixels_is_counted_and_the_next_is_found():
    splitter = JpegSplitter()
    assert splitter.feed(IMAGES[0][:-50] + IMAGES[1]) == [IMAGES[1]]
    assert splitter.broken == 1
    assert splitter.feed(IMAGES[2][:-1]) == [] and splitter.is_inside_image


def test_endless_image_is_dropped_and_memory_stays_bounded():
    splitter = JpegSplitter(max_bytes=10_000)
    for _ in range(50):
        assert splitter.feed(IMAGES[0][:-2] + b"\x00" * 1000) == []
    assert splitter.broken >= 1
    assert len(splitter._buffer) <= 10_000
    assert splitter.feed(IMAGES[1] + IMAGES[2])[-1] == IMAGES[2]


def test_garbage_without_images_is_not_kept():
    splitter = JpegSplitter()
    for _ in range(10):
        assert splitter.feed(GARBAGE) == []
    assert len(splitter._buffer) < 3
