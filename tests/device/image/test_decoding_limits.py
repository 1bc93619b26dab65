"""Images and videos that take too much memory are refused before they are decoded."""

import re
import struct
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

import corallite.device
from corallite.device.image import decoding_limits
from corallite.device.image.decoding_limits import (
    MOST_PIXELS,
    TooLargeError,
    check_frame_size,
    plan_decoding,
    reserve_memory,
)
from corallite.device.image.preprocess import decode_image
from corallite.device.system.errors import RequestError

PROGRESSIVE = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
FULL_COLOUR = [
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
]


def jpeg(width, height, parameters=()):
    """A JPEG of 8x8 pixels that claims another size."""
    image = np.zeros((8, 8, 3), np.uint8)
    data = bytearray(cv2.imencode(".jpg", image, parameters)[1].tobytes())
    start = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    struct.pack_into(">HH", data, start + 5, height, width)
    return bytes(data)


def png(width, height, rest=b""):
    size = struct.pack(">IIB", width, height, 8)
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + size + bytes(8) + rest


def webp(width, height, flags):
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0])
    return b"RIFF" + bytes(4) + chunk + sides


def gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def bmp(width, height):
    return b"BM" + bytes(12) + struct.pack("<Iii", 40, width, height)


@pytest.mark.parametrize(
    ("data", "reduction"),
    [
        # Full HD, and 4 megapixels.
        (jpeg(1920, 1080), 1),
        (jpeg(2560, 1600), 1),
        # Cameras of 5, 8 and 12 megapixels.
        (jpeg(2592, 1944), 2),
        (jpeg(3280, 2464), 2),
        (jpeg(4000, 3000), 2),
        (jpeg(4000, 3000, PROGRESSIVE + FULL_COLOUR), 2),
        (png(4000, 3000), 2),
        (gif(4000, 3000), 2),
        (bmp(4000, 3000), 2),
        (webp(4000, 3000, 0x10), 2),
        (jpeg(6000, 4000), 4),
        (jpeg(6000, 4000, PROGRESSIVE), 4),
        (png(6000, 4000), 4),
        # Phones of 48, 50 and 108 megapixels, and a panorama.
        (jpeg(8000, 6000), 4),
        (jpeg(8192, 6144), 4),
        (jpeg(12_000, 9000), 8),
        (jpeg(16_000, 3000), 4),
        (jpeg(11_585, 11_585), 8),
    ],
)
def test_large_image_is_reduced_by_a_power_of_two(data, reduction):
    assert plan_decoding(data, "x").reduction == reduction


@pytest.mark.parametrize(
    "data",
    [
        jpeg(11_586, 11_586),
        jpeg(65_500, 65_500),
        jpeg(8192, 6144, PROGRESSIVE + FULL_COLOUR),
        png(12_000, 8000),
        png(5000, 3000, b"\0\0\0\x08acTL" + bytes(12)),
        gif(6000, 4000),
        bmp(7000, 4000),
        webp(4000, 3000, 0x02),
        webp(6000, 4000, 0x10),
        b"P4 11000 11000\n",
    ],
)
def test_image_that_takes_too_much_memory_is_refused(data):
    with pytest.raises(TooLargeError, match=r"^x: .*of at most 1\d+; shrink it"):
        plan_decoding(data, "x")


def test_images_are_decoded_at_once_only_if_they_fit_into_the_memory(monkeypatch):
    large, small = png(6000, 5000), png(640, 480)
    both = sum(plan_decoding(data, "x").peak_bytes for data in (large, small))
    monkeypatch.setattr(decoding_limits, "MOST_BYTES", both)
    events, is_begun = [], threading.Event()

    def decode_another():
        with reserve_memory(large, "x"):
            events.append("another begins")
            is_begun.set()

    thread = threading.Thread(target=decode_another)
    with reserve_memory(large, "x"):
        with reserve_memory(small, "x"):
            thread.start()
            is_begun.wait(0.05)
        is_begun.wait(0.05)
        events.append("the first ends")
    thread.join()
    assert events == ["the first ends", "another begins"]


def test_sequential_jpeg_of_several_scans_counts_as_progressive():
    data = bytearray(jpeg(8192, 6144, FULL_COLOUR))
    assert plan_decoding(bytes(data), "x").reduction == 4
    # The first scan has one component of three; libjpeg then keeps all coefficients.
    scan = data.find(b"\xff\xda")
    data[scan + 4] = 1
    with pytest.raises(TooLargeError):
        plan_decoding(bytes(data), "x")


def test_jpeg_of_many_scans_is_refused():
    data = jpeg(8, 8, PROGRESSIVE)
    data = data[:-2] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" * 101 + data[-2:]
    with pytest.raises(RequestError, match="x: has more than 100 scans; save it as"):
        decode_image(data, "x")


def test_largest_size_is_that_of_opencv():
    assert 11_585**2 <= MOST_PIXELS < 11_586**2


class FakeCapture:
    is_released = False

    def __init__(self, width, height):
        self._values = {
            cv2.CAP_PROP_FRAME_WIDTH: width,
            cv2.CAP_PROP_FRAME_HEIGHT: height,
        }

    def get(self, name):
        return float(self._values[name])

    def release(self):
        self.is_released = True


def test_video_of_large_frames_is_refused_and_closed():
    usual, large = FakeCapture(5312, 2988), FakeCapture(7680, 4320)
    check_frame_size(usual, "a.mp4")
    with pytest.raises(RequestError, match="8k.mp4: has frames of 7680x4320 pixels"):
        check_frame_size(large, "8k.mp4")
    assert (usual.is_released, large.is_released) == (False, True)


def test_only_the_checked_functions_decode():
    decoding = re.compile(r"\b(imdecode|imread)\w*\(")
    root = Path(next(iter(corallite.device.__path__))).parent
    found = {
        path.name
        for folder in ("device", "train", "optimize", "convert")
        for path in (root / folder).rglob("*.py")
        if decoding.search(path.read_text())
    }
    assert found == {"preprocess.py", "limited_decoder.py"}
