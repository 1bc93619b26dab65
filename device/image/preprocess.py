"""Preprocessing: from encoded bytes to the pixels of the model's input.

Training, calibration, evaluation and the camera loop all call these functions, so a
model gets the same pixels on the board as in training.
"""

from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.image.decoding_limits import (
    MOST_BYTES,
    explain_unreadable,
    reserve_memory,
)
from corallite.device.image.jpeg_markers import END_OF_IMAGE, markers
from corallite.device.image.limited_decoder import (
    decode_limited,
    needs_limited_process,
)
from corallite.device.image.opencv import cv2
from corallite.device.image.spec import FITS as FITS
from corallite.device.image.spec import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.device.system.files import (
    read_limited,
    reporting_unreadable,
    require_regular,
)

# Suffixes of the images in folders. OpenCV cannot read HEIC; it is listed so that the
# user gets an error about such a file. Browsers save JPEG as .jfif, .pjpeg and .pjp.
IMAGE_SUFFIXES = frozenset(
    (
        ".avif .bmp .gif .heic .heif .jfif .jp2 .jpe .jpeg .jpg "
        ".pbm .pgm .pjp .pjpeg .png .pnm .ppm .tif .tiff .webp"
    ).split()
)

# uint8; OpenCV's type stubs do not say so. Here and elsewhere in the device no NDArray:
# numpy.typing takes a millisecond of each start.
Image = np.ndarray[Any, np.dtype[Any]]

_PNG = b"\x89PNG\r\n\x1a\n"
# By the factor of both sides; these flags alone would give BGR.
_FLAGS = {
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def read_image(path: str | Path) -> Image:
    """Reads an image file; see `decode_image`.

    Raises:
        RequestError: The file cannot be read or is not a complete image.
    """
    with reporting_unreadable(path, "check path and permissions"):
        require_regular(path)
        data = read_limited(path, MOST_BYTES)
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str, shrink: int = 1) -> Image:
    """Decodes a whole image file.

    It applies the EXIF orientation. Grey becomes three equal channels, 16-bit samples
    keep their upper 8 bits, CMYK is converted without a colour profile, and an
    animation gives its first frame. The alpha channel is dropped, as in TensorFlow's
    and Pillow's decoders. Bytes after the image are ignored.

    An image of more than 4.2 megapixels is reduced to a half, a quarter or an eighth of
    its width and height while it is decoded, except JPEG 2000 and AVIF. Threads that
    decode at the same time wait for each other if they would take too much memory.

    Args:
        data: Content of a JPEG, PNG, WebP, GIF, BMP, TIFF, PNM, JPEG 2000 or AVIF file.
        name: Shown in errors.
        shrink: 1, 2, 4 or 8: divides height and width at least by this. A JPEG is then
            decoded in a fraction of the time; other formats gain nothing.

    Returns:
        uint8 RGB [height, width, 3].

    Raises:
        TooLargeError: Decoding takes more memory than `decoding_limits` allows.
        RequestError: `data` is empty, not an image, damaged or truncated.
    """
    if not data:
        raise RequestError(f"{name}: is empty; copy it again or delete it.")
    # OpenCV before version 5 fills the missing rows of a JPEG with grey without an
    # error. For a PNG it allocates whatever length a chunk claims, up to 4 GB.
    is_truncated = (data.startswith(b"\xff\xd8") and not _jpeg_has_end(data)) or (
        data.startswith(_PNG) and not _png_has_end(data)
    )
    if is_truncated:
        raise RequestError(f"{name}: is truncated; copy it again or delete it.")
    if needs_limited_process(data):
        return decode_limited(data, name)
    try:
        with reserve_memory(data, name) as reduction:
            flags = _FLAGS[max(reduction, shrink)]
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise _damaged(data, name) from error
    if image is None:
        raise _damaged(data, name)
    return image


def decode_16_bits(data: bytes) -> Image | None:
    """Decodes a file again, which `decode_image` accepts, with 16 bits per sample.

    Returns:
        uint16 BGR [height, width, 3]; None if the samples have 8 bits, or the format is
        AVIF or JPEG 2000.
    """
    if data.startswith(b"\xff\xd8") or needs_limited_process(data):
        return None
    with reserve_memory(data, "") as reduction:
        # Not RGB: OpenCV 5.0 reads a 16-bit TIFF as black then.
        flags = _FLAGS[reduction] & ~cv2.IMREAD_COLOR_RGB
        flags |= cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    return None if image is None or image.dtype != np.uint16 else image


def bgr_to_rgb(frame_bgr: Image) -> Image:
    """Returns a copy of an OpenCV frame, uint8 [height, width, 3], in RGB order."""
    return cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB)


def fit_image(image_rgb_u8: Image, preprocessing: Preprocessing) -> Image:
    """Fits an image to the size of the model's input.

    Shrinking averages over areas, enlarging interpolates linearly. All channels are
    treated alike, so a BGR image may also be fitted first and then converted.

    Args:
        image_rgb_u8: [any height, any width, 3], each at least 1. Not changed.
        preprocessing: The size, and how to fit the image to it.

    Returns:
        uint8 [height, width, 3], contiguous; the argument itself if it fits already.

    Raises:
        ValueError: `image_rgb_u8` has another shape or type.
    """
    if image_rgb_u8.dtype != np.uint8 or image_rgb_u8.shape[2:] != (3,):
        raise ValueError(
            "Expected `image_rgb_u8` to be uint8 [height, width, 3], got "
            f"{image_rgb_u8.dtype} {image_rgb_u8.shape}."
        )
    placement = preprocessing.place(image_rgb_u8.shape[:2])
    top, left, rows, columns = placement.in_image
    image = image_rgb_u8[top : top + rows, left : left + columns]
    if preprocessing.fit != "pad":
        return _resize(image, *preprocessing.size_hw)
    top, left, rows, columns = placement.in_input
    padded = np.zeros((*preprocessing.size_hw, 3), np.uint8)
    padded[top : top + rows, left : left + columns] = _resize(image, rows, columns)
    return padded


def _resize(image: Image, height: int, width: int) -> Image:
    rows, columns = image.shape[:2]
    # INTER_AREA averages only if both axes shrink; so enlarging is a second step.
    if rows > height or columns > width:
        shrunk_wh = (min(columns, width), min(rows, height))
        image = cv2.resize(image, shrunk_wh, interpolation=cv2.INTER_AREA)
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(image)


def _jpeg_has_end(data: bytes) -> bool:
    """Returns whether the image is complete; its thumbnails and a tail do not count."""
    return any(kind == END_OF_IMAGE for kind, _ in markers(data))


def _png_has_end(data: bytes) -> bool:
    """Returns whether `data` has all chunks to the last (PNG specification, 5.3)."""
    position = len(_PNG)
    while position + 12 <= len(data):
        kind = data[position + 4 : position + 8]
        position += 12 + int.from_bytes(data[position : position + 4], "big")
        if kind == b"IEND":
            return position <= len(data)
    return False


def _damaged(data: bytes, name: str) -> RequestError:
    return RequestError(f"{name}: {explain_unreadable(data)}")
