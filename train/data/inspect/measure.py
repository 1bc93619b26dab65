"""Measures each photo once: content, hash, sharpness, size, faults.

A large JPEG is decoded at a fraction of its size: 1,000 photos of 12 megapixels take 67
seconds of processor time, where decoding them in full takes 113; 1,000 photos with a
shorter side of 256 pixels take 3. (AMD EPYC, also running other programs.)
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corallite.device.image.difference_hash import difference_hash
from corallite.device.image.header import read_header
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image, decode_image
from corallite.device.learn.near_duplicates import make_thumbnail
from corallite.device.system.errors import RequestError
from corallite.train.data.content import Fault, find_fault
from corallite.train.data.decoded.reader import map_paths, read_file

# Shorter side at which sharpness is measured: that of the photos that the limit was
# chosen with. A photo's noise and its finest detail vanish.
_SHARPNESS_SIDE = 256
# A JPEG is decoded at 1/2, 1/4 or 1/8 if its shorter side is at least this afterwards.
_DECODED_SIDE = 2 * _SHARPNESS_SIDE


@dataclass(frozen=True)
class Photo:
    """What is known of a photo without its pixels.

    Attributes:
        shorter_side: In pixels.
        difference_hash: See `difference_hash`.
        thumbnail: uint8 `[16, 16, 3]`, RGB.
        sharpness: See `measure_sharpness`.
        fault: If it shows little or nothing.
    """

    shorter_side: int
    difference_hash: int
    thumbnail: np.ndarray
    sharpness: float
    fault: Fault | None


@dataclass(frozen=True)
class Measured:
    """The measured photos of a folder.

    Attributes:
        sha256: Content hash of each file that can be read.
        photos: By path; those that can be decoded.
        not_read: Reason for each file that cannot be read.
        not_decoded: Reason for each file that can be read and not decoded.
    """

    sha256: dict[str, str]
    photos: dict[str, Photo]
    not_read: dict[str, str]
    not_decoded: dict[str, str]


def measure_photos(data_dir: Path, paths: Sequence[str]) -> Measured:
    """Reads and measures the photos of a folder, in parallel.

    Args:
        data_dir: The folder.
        paths: Relative to it.
    """
    measured = Measured({}, {}, {}, {})
    for path, (sha256, found) in map_paths(
        lambda path: _measure_file(data_dir, path), paths, "Measured"
    ):
        if not sha256:
            measured.not_read[path] = str(found)
            continue
        measured.sha256[path] = sha256
        if isinstance(found, Photo):
            measured.photos[path] = found
        else:
            measured.not_decoded[path] = found
    return measured


def measure_photo(image_rgb_u8: Image, data: bytes, shorter_side: int) -> Photo:
    """Measures a decoded photo.

    Args:
        image_rgb_u8: `[height, width, 3]`.
        data: The file that it was decoded from.
        shorter_side: Of the file's image.
    """
    grey = cv2.cvtColor(image_rgb_u8, cv2.COLOR_RGB2GRAY)
    return Photo(
        shorter_side,
        difference_hash(grey),
        make_thumbnail(image_rgb_u8),
        measure_sharpness(grey),
        find_fault(image_rgb_u8, data),
    )


def measure_sharpness(grey_u8: Image) -> float:
    """Returns the variance of the Laplacian, divided by the variance of the image.

    Measured on an image whose shorter side is at most 256 pixels. The division makes it
    independent of contrast: the limit would reject white bottles on white otherwise.

    Args:
        grey_u8: `[height, width]`.

    Returns:
        About 0.1 for a usual photo; 0 for an image of one colour.
    """
    height, width = grey_u8.shape
    factor = _SHARPNESS_SIDE / min(height, width)
    if factor < 1:
        size_wh = (round(width * factor), round(height * factor))
        grey_u8 = cv2.resize(grey_u8, size_wh, interpolation=cv2.INTER_AREA)
    variance = _variance(grey_u8)
    laplacian = cv2.Laplacian(grey_u8, cv2.CV_32F)
    return _variance(laplacian) / variance if variance else 0.0


def _variance(values: Image) -> float:
    return float(cv2.meanStdDev(values)[1][0, 0] ** 2)


def _measure_file(data_dir: Path, path: str) -> tuple[str, Photo | str]:
    """Returns the content hash, "" if unreadable, and the photo or what is wrong."""
    try:
        data = read_file(data_dir / path)
    except OSError as error:
        return "", error.strerror or str(error)
    sha256 = hashlib.sha256(data).hexdigest()
    header = read_header(data)
    side = min(header.height, header.width) if header else 0
    # Only a JPEG is decoded faster if it is shrunk.
    is_jpeg = header is not None and header.kind == "JPEG"
    shrink = next((x for x in (8, 4, 2) if is_jpeg and side // x >= _DECODED_SIDE), 1)
    try:
        image = decode_image(data, path, shrink)
    except RequestError as error:
        return sha256, str(error)
    return sha256, measure_photo(image, data, side or min(image.shape[:2]))
