"""AVIF and JPEG 2000 are decoded in a process of limited memory."""

import struct

import cv2
import numpy as np
import pytest

from corallite.device.image.limited_decoder import needs_limited_process
from corallite.device.image.preprocess import decode_image
from corallite.device.system.errors import RequestError


def encode(suffix, size_wh=(96, 64)):
    image_bgr = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    image_bgr[..., 2] = 250
    try:
        done, data = cv2.imencode(suffix, image_bgr)
    except cv2.error:
        done = False
    if not done:
        pytest.skip(f"this OpenCV does not write {suffix}")
    return data.tobytes()


@pytest.mark.parametrize("suffix", [".avif", ".jp2"])
def test_photo_is_decoded_as_in_this_process(suffix):
    data = encode(suffix)
    assert needs_limited_process(data)
    image = decode_image(data, "x")
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(image, expected)
    image[0, 0] = 0  # Writable, as every decoded image.


@pytest.mark.parametrize("suffix", [".avif", ".jp2"])
def test_truncated_file_is_refused(suffix):
    data = encode(suffix)
    with pytest.raises(RequestError, match="^cut: is damaged, or takes more than 128"):
        decode_image(data[: len(data) // 3], "cut")


def test_small_file_of_many_pixels_is_refused():
    data = bytearray(encode(".jp2"))
    side = 8192
    size = data.find(b"\xff\x51")
    struct.pack_into(">II", data, data.find(b"ihdr") + 4, side, side)
    struct.pack_into(">II", data, size + 6, side, side)
    struct.pack_into(">II", data, size + 22, side, side)
    with pytest.raises(RequestError, match="bomb: .*convert it to JPEG"):
        decode_image(bytes(data), "bomb")


@pytest.mark.parametrize(
    ("data", "is_needed"),
    [
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", True),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"avif", False),
        (b"\xff\x4f\xff\x51", True),
        (b"\xff\xd8\xff", False),
        (b"", False),
    ],
)
def test_formats_are_known_by_their_first_bytes(data, is_needed):
    assert needs_limited_process(data) is is_needed
