"""TIFFs that are not photos are named as what they are."""

import numpy as np
import pytest
from fixtures.tiff import encode_tiff

from corallite.device.image.preprocess import decode_image
from corallite.device.image.tiff_header import TiffHeader, read_tiff_header
from corallite.device.system.errors import RequestError

UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def made(dtype, bands, sample_format, order="<"):
    return encode_tiff(np.ones((20, 30, bands), dtype), sample_format, order)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("dtype", "bands", "sample_format", "header"),
    [
        ("uint8", 1, UNSIGNED, TiffHeader(8, 1, False)),
        ("uint16", 3, UNSIGNED, TiffHeader(16, 3, False)),
        ("int32", 1, SIGNED, TiffHeader(32, 1, False)),
        ("float32", 1, FLOAT, TiffHeader(32, 1, True)),
        ("float64", 8, FLOAT, TiffHeader(64, 8, True)),
    ],
)
def test_samples_are_described(dtype, bands, sample_format, order, header):
    data = made(dtype, bands, sample_format, order)
    assert read_tiff_header(data) == header
    for length in range(0, len(data) - 4, 7):
        read_tiff_header(data[:length])  # Ends without another error.


@pytest.mark.parametrize("data", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"\x89PNG"])
def test_other_content_has_no_header(data):
    assert read_tiff_header(data) is None


@pytest.mark.parametrize(
    ("dtype", "bands", "sample_format", "reason"),
    [
        ("float32", 1, FLOAT, "is a TIFF that holds 32-bit floating-point numbers; co"),
        ("float64", 3, FLOAT, "holds 64-bit floating-point numbers; convert it to an"),
        ("float16", 1, FLOAT, "holds 16-bit floating-point numbers"),
        ("uint32", 1, UNSIGNED, "holds 32-bit integers; convert it to an 8-bit PNG"),
        ("uint8", 5, UNSIGNED, "has 5 bands; export red, green and blue as a PNG"),
        ("uint16", 13, UNSIGNED, "has 13 bands; export"),
        ("float32", 8, FLOAT, "has 8 bands; export"),
    ],
)
def test_a_whole_tiff_of_another_kind_is_not_called_damaged(
    dtype, bands, sample_format, reason
):
    with pytest.raises(RequestError, match=f"^x.tif: .*{reason}"):
        decode_image(made(dtype, bands, sample_format), "x.tif")


@pytest.mark.parametrize(
    ("dtype", "bands"), [("uint8", 1), ("uint8", 4), ("uint16", 1)]
)
def test_a_tiff_of_8_or_16_bits_is_decoded(dtype, bands):
    assert decode_image(made(dtype, bands, UNSIGNED), "x.tif").shape == (20, 30, 3)


def test_a_truncated_tiff_of_a_photo_is_damaged():
    with pytest.raises(RequestError, match="x.tif: is damaged or truncated"):
        decode_image(made("uint8", 3, UNSIGNED)[:400], "x.tif")
