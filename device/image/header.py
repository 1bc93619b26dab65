"""Reads an image's header, before a decoder allocates memory for the pixels.

JPEG: ITU-T T.81, annex B. PNG: its specification, 11.2.2. WebP: RFC 9649.
"""

from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

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
    if data.startswith(_JPEG):
        return _read_jpeg(data)
    if data.startswith(_PNG) and data[12:16] == b"IHDR":
        return _make("PNG", data[16:24], 4, "big")
    if _is_webp(data):
        return _read_webp(data)
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
            height_width = data[position + 5 : position + 9]
            return _make("JPEG", height_width[2:] + height_width[:2], 2, "big")
        if marker in (_START_OF_SCAN, END_OF_IMAGE):
            break
    return None


def _read_webp(data: bytes) -> ImageHeader | None:
    chunk = data[12:16]
    if chunk == b"VP8X":
        return _make("WebP", data[24:30], 3, "little", add=1)
    if chunk == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return ImageHeader("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 " and len(data) >= 30:
        width, height = (
            int.from_bytes(data[start : start + 2], "little") & 0x3FFF
            for start in (26, 28)
        )
        return ImageHeader("WebP", width, height)
    return None


def _make(
    kind: str,
    width_height: bytes,
    length: int,
    order: Literal["big", "little"],
    add: int = 0,
) -> ImageHeader | None:
    """Parses two numbers of `length` bytes each; None if bytes are missing."""
    if len(width_height) < 2 * length:
        return None
    width, height = (
        int.from_bytes(number, order) + add
        for number in (width_height[:length], width_height[length:])
    )
    return ImageHeader(kind, width, height)
