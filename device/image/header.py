"""Reads an image's header, before a decoder allocates memory for the pixels.

JPEG: ITU-T T.81, annex B. PNG: its specification, 11.2.2. WebP: RFC 9649.
"""

import struct
from itertools import takewhile
from typing import NamedTuple

from corallite.device.image.jpeg_markers import END_OF_IMAGE, markers

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
# SOF0 to SOF15; DHT, JPG and DAC use three numbers of that range.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
# Sequential frames with Huffman codes: libjpeg decodes them row by row.
_SEQUENTIAL = (0xC0, 0xC1)
_ANIMATED = 0x02  # A flag of VP8X.
# Measured with OpenCV 5.0, rounded up: the frame that an animation composes, the
# transparency, and the pixels of lossless WebP before their conversion to RGB.
_ANIMATED_PNG_BYTES, _WEBP_BYTES, _ANIMATED_WEBP_BYTES = 9.0, 8.0, 16.0


class ImageHeader(NamedTuple):
    """The format of an image and its size in pixels, before any rotation.

    Attributes:
        decoder_bytes: Memory per pixel that the decoder takes in addition to the
            decoded image.
    """

    kind: str
    width: int
    height: int
    decoder_bytes: float = 0.0


def read_header(data: bytes) -> ImageHeader | None:
    """Reads the header of a JPEG, PNG or WebP file.

    Returns:
        None if `data` has another format, or ends before the size. `is_known_kind`
        distinguishes the two.
    """
    try:
        if data.startswith(_JPEG):
            return _read_jpeg(data)
        if data.startswith(_PNG) and data[12:16] == b"IHDR":
            width, height = struct.unpack_from(">II", data, 16)
            is_animated = b"acTL" in data
            return ImageHeader("PNG", width, height, _ANIMATED_PNG_BYTES * is_animated)
        return _read_webp(data) if _is_webp(data) else None
    except struct.error:  # `data` ends before the size.
        return None


def is_known_kind(data: bytes) -> bool:
    """Returns whether `data` starts like a JPEG, PNG or WebP file."""
    return data.startswith((_JPEG, _PNG)) or _is_webp(data)


def count_scans(data: bytes) -> int:
    """Counts the scans of a JPEG, each a pass over all pixels; 0 for other formats."""
    if not data.startswith(_JPEG):
        return 0
    kinds = takewhile(lambda kind: kind != END_OF_IMAGE, (m for m, _ in markers(data)))
    return sum(kind == _START_OF_SCAN for kind in kinds)


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _read_jpeg(data: bytes) -> ImageHeader | None:
    frame = None
    for marker, position in markers(data):
        if marker in _START_OF_FRAME and frame is None:
            height, width, components = struct.unpack_from(">HHB", data, position + 5)
            frame = marker, position, components
        elif marker in (_START_OF_SCAN, END_OF_IMAGE):
            break
    else:
        position = len(data)
    if frame is None:
        return None
    kind, frame_at, components = frame
    # Marker, length, and how many components the first scan has.
    is_one_scan = data[position + 4 : position + 5] == bytes([components])
    if kind in _SEQUENTIAL and is_one_scan:
        return ImageHeader("JPEG", width, height)
    held = _coefficient_bytes(data[frame_at + 10 :][: 3 * components])
    return ImageHeader("JPEG", width, height, held)


def _coefficient_bytes(components: bytes) -> float:
    """Returns the bytes per pixel of all coefficients, such as 3 for 4:2:0.

    libjpeg keeps them until the last of several scans, two bytes each.
    """
    factors = [(both >> 4, both & 15) for both in components[1::3]]
    most = max(f[0] for f in factors) * max(f[1] for f in factors) if factors else 0
    return 2 * sum(across * down for across, down in factors) / max(1, most)


def _read_webp(data: bytes) -> ImageHeader | None:
    chunk = data[12:16]
    if chunk == b"VP8X":
        # Two numbers of 3 bytes each.
        width, width_high, height, height_high = struct.unpack_from("<HBHB", data, 24)
        width, height = width | width_high << 16, height | height_high << 16
        is_animated = data[20] & _ANIMATED
        held = _ANIMATED_WEBP_BYTES if is_animated else _WEBP_BYTES
        return ImageHeader("WebP", width + 1, height + 1, held)
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        return ImageHeader("WebP", width, height, _WEBP_BYTES)
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return ImageHeader("WebP", width & 0x3FFF, height & 0x3FFF)
    return None
