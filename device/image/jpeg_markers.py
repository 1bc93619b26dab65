"""Finds the markers of a JPEG image (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator

START_OF_IMAGE = 0xD8
END_OF_IMAGE = 0xD9

# Excludes what may occur inside the pixels: a stuffed byte, TEM, RST0 to RST7, a fill
# byte. A photo has hundreds of them; skipping them in Python would hold the GIL.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")


def find_marker(data: bytes | bytearray, start: int) -> int:
    """Returns the position of the next marker from `start` on; -1 if there is none.

    The marker's kind is the byte after this position.
    """
    match = _MARKER.search(data, start)
    return match.start() if match else -1


def skip_segment(data: bytes | bytearray, marker_at: int) -> int:
    """Returns the end of a marker's segment, which may lie beyond the end of `data`."""
    if data[marker_at + 1] == START_OF_IMAGE:
        return marker_at + 2  # It has no segment.
    length = int.from_bytes(data[marker_at + 2 : marker_at + 4], "big")
    return marker_at + 2 + max(2, length)


def markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields kind and position of each marker after the start of the image."""
    position = 2
    while (position := find_marker(data, position)) >= 0:
        yield data[position + 1], position
        position = skip_segment(data, position)
