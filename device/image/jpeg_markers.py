"""Follows the markers of a JPEG image (ITU-T T.81, annex B)."""

import re

START_OF_IMAGE = 0xD8
END_OF_IMAGE = 0xD9

# Not what stands inside the pixels: a stuffed byte, TEM, RST0 to RST7, a fill byte. A
# photo has hundreds of those; to pass over them in Python holds up every other thread.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")


def find_marker(data: bytes | bytearray, start: int) -> int:
    """Returns where the next marker begins, at `start` or later; -1 if none does.

    The byte after it tells which one it is.
    """
    match = _MARKER.search(data, start)
    return match.start() if match else -1


def skip_segment(data: bytes | bytearray, marker_at: int) -> int:
    """Returns where a marker's segment ends, which may be beyond the end of `data`."""
    if data[marker_at + 1] == START_OF_IMAGE:
        return marker_at + 2  # It has none.
    length = int.from_bytes(data[marker_at + 2 : marker_at + 4], "big")
    return marker_at + 2 + max(2, length)
