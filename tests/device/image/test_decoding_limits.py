"""Images and videos that take too much memory are refused before they are decoded."""

import re
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

import corallite.device
from corallite.device.image.decoding_limits import (
    MOST_PIXELS,
    TooLargeError,
    check_frame_size,
    choose_reduction,
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


@pytest.mark.parametrize(
    ("data", "reduction"),
    [
        # 12 megapixels, the largest common camera.
        (jpeg(4000, 3000), 1),
        (jpeg(4000, 3000, PROGRESSIVE + FULL_COLOUR), 1),
        (png(4000, 3000), 1),
        (gif(4000, 3000), 1),
        (webp(4000, 3000, 0x10), 1),
        (jpeg(6000, 4000), 2),
        (jpeg(6000, 4000, PROGRESSIVE), 2),
        (png(6000, 4000), 2),
        (jpeg(8192, 6144), 4),
        (jpeg(11_585, 11_585), 4),
    ],
)
def test_large_image_is_reduced_by_a_power_of_two(data, reduction):
    assert choose_reduction(data, "x") == reduction


@pytest.mark.parametrize(
    "data",
    [
        jpeg(11_586, 11_586),
        jpeg(65_500, 65_500),
        jpeg(8192, 6144, PROGRESSIVE + FULL_COLOUR),
        png(12_000, 8000),
        png(5000, 3000, b"\0\0\0\x08acTL" + bytes(12)),
        gif(6000, 4000),
        webp(4000, 3000, 0x02),
        webp(6000, 4000, 0x10),
        b"P4 11000 11000\n",
    ],
)
def test_image_that_takes_too_much_memory_is_refused(data):
    with pytest.raises(TooLargeError, match=r"^x: .*of at most 1\d+; shrink it"):
        choose_reduction(data, "x")


def test_sequential_jpeg_of_several_scans_counts_as_progressive():
    data = bytearray(jpeg(8192, 6144, FULL_COLOUR))
    assert choose_reduction(bytes(data), "x") == 4
    # The first scan has one component of three; libjpeg then keeps all coefficients.
    scan = data.find(b"\xff\xda")
    data[scan + 4] = 1
    with pytest.raises(TooLargeError):
        choose_reduction(bytes(data), "x")


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
