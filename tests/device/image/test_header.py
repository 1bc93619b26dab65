"""Image sizes are read from the header as a decoder reads them."""

import cv2
import numpy as np
import pytest

from corallite.device.image.header import count_scans, read_header

KINDS = {
    "JPEG": (".jpg", []),
    "progressive JPEG": (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    "PNG": (".png", []),
    "WebP": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 80]),
    "lossless WebP": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
}


def size_of(header):
    """The format and the size, without the memory of the decoder."""
    return header and (header.kind, header.width, header.height)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size_wh", [(1, 1), (300, 7), (7, 300), (641, 479)])
def test_size_of_each_format_is_read(kind, size_wh):
    suffix, parameters = KINDS[kind]
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    data = cv2.imencode(suffix, image, parameters)[1].tobytes()
    assert size_of(read_header(data)) == (kind.split()[-1], *size_wh)


@pytest.mark.parametrize("kind", KINDS)
def test_scans_are_counted(kind):
    suffix, parameters = KINDS[kind]
    image = np.zeros((9, 11, 3), np.uint8)
    data = cv2.imencode(suffix, image, parameters)[1].tobytes()
    # libjpeg's default for colour has 10 scans. A second image must not count.
    expected = {"JPEG": 1, "progressive JPEG": 10}.get(kind, 0)
    assert count_scans(data + data) == expected
    assert count_scans(data[:-2]) == expected


def test_size_of_extended_webp_is_read():
    body = b"WEBPVP8X" + (10).to_bytes(4, "little") + bytes(4)
    sizes = (70_000 - 1).to_bytes(3, "little") + (2 - 1).to_bytes(3, "little")
    data = b"RIFF" + bytes(4) + body + sizes
    assert size_of(read_header(data)) == ("WebP", 70_000, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_image_never_has_a_wrong_size(kind):
    suffix, parameters = KINDS[kind]
    image = np.zeros((9, 11, 3), np.uint8)
    data = cv2.imencode(suffix, image, parameters)[1].tobytes()
    found = {size_of(read_header(data[:length])) for length in range(len(data))}
    assert found <= {None, (kind.split()[-1], 11, 9)}
