"""What an image's first bytes say, before a decoder takes memory for the rest.

JPEG: ITU-T T.81, annex B. PNG: its specification, 11.2.2. WebP: RFC 9649.
"""

from dataclasses import dataclass

from corallite.device.image.jpeg_markers import END_OF_IMAGE, find_marker, skip_segment

# SOF0 to SOF15, without DHT, JPG and DAC, which lie among them.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA


@dataclass(frozen=True)
class ImageHeader:
    """The kind of an image and its size in pixels, before any rotation."""

    kind: str
    width: int
    height: int


def read_header(data: bytes) -> ImageHeader | None:
    """Reads the header of a JPEG, PNG or WebP file.

    Returns:
        None if `data` is none of these or breaks off before its size; for those, see
        `is_known_kind`.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _read_jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        return _make("PNG", data[16:24], 4, "big")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _read_webp(data)
    return None


def is_known_kind(data: bytes) -> bool:
    """Tells whether `data` begins as a JPEG, PNG or WebP file does."""
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (
        data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    )


def count_scans(data: bytes) -> int:
    """Counts the passes over all its pixels that a JPEG asks for; 0 of other kinds."""
    count, position = 0, 2
    if not data.startswith(b"\xff\xd8\xff"):
        return 0
    while (position := find_marker(data, position)) >= 0:
        marker = data[position + 1]
        if marker == END_OF_IMAGE:
            break
        count += marker == _START_OF_SCAN
        position = skip_segment(data, position)
    return count


def _read_jpeg(data: bytes) -> ImageHeader | None:
    position = 2
    while (position := find_marker(data, position)) >= 0:
        marker = data[position + 1]
        if marker in _START_OF_FRAME:
            height_width = data[position + 5 : position + 9]
            return _make("JPEG", height_width[2:] + height_width[:2], 2, "big")
        if marker in (_START_OF_SCAN, END_OF_IMAGE):
            return None
        position = skip_segment(data, position)
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
    kind: str, width_height: bytes, length: int, order: str, add: int = 0
) -> ImageHeader | None:
    """Returns the header from two numbers of `length` bytes each."""
    if len(width_height) < 2 * length:
        return None
    width, height = (
        int.from_bytes(number, "big" if order == "big" else "little") + add
        for number in (width_height[:length], width_height[length:])
    )
    return ImageHeader(kind, width, height)
