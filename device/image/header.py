"""Reads an image's header, before a decoder allocates memory for the pixels.

JPEG: ITU-T T.81, annex B. PNG: its specification, 11.2.2. WebP: RFC 9649.
"""

import struct
from dataclasses import dataclass
from itertools import takewhile

from corallite.device.image.jpeg_markers import END_OF_IMAGE, markers

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
# SOF0 to SOF15; DHT, JPG and DAC use three numbers of that range.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA


@dataclass(frozen=True)
class ImageHeader:
    """The format of an image and its size in pixels, before any rotation."""

    kind: str
    width: int
    height: int


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
            return ImageHeader("PNG", *struct.unpack_from(">II", data, 16))
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
    for marker, position in markers(data):
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return ImageHeader("JPEG", width, height)
        if marker in (_START_OF_SCAN, END_OF_IMAGE):
            break
    return None


def _read_webp(data: bytes) -> ImageHeader | None:
    chunk = data[12:16]
    if chunk == b"VP8X":
        # Two numbers of 3 bytes each.
        width, width_high, height, height_high = struct.unpack_from("<HBHB", data, 24)
        width, height = width | width_high << 16, height | height_high << 16
        return ImageHeader("WebP", width + 1, height + 1)
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return ImageHeader("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return ImageHeader("WebP", width & 0x3FFF, height & 0x3FFF)
    return None
