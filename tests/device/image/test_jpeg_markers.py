"""Markers are found in the headers and never inside the pixels."""

import pytest

from corallite.device.image.jpeg_markers import find_marker, skip_segment


@pytest.mark.parametrize(
    ("data", "marker_at"),
    [
        (b"\xff\xd8\xff\xe0", 0),
        (b"pixels\xff\x00\xff\x01\xff\xd0\xff\xd7\xff\xd9", 14),
        (b"fill\xff\xff\xff\xda", 6),
        (b"\xff\x00 no marker \xff", -1),
        (b"", -1),
    ],
)
def test_first_marker_is_found_and_bytes_of_pixels_are_not(data, marker_at):
    assert find_marker(data, 0) == marker_at
    assert find_marker(bytearray(data), 0) == marker_at


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"\xff\xe0\x00\x04ab", 6),
        (b"\xff\xe0\x12\x34", 2 + 0x1234),
        (b"\xff\xe0\x00\x00", 4),  # A length counts its own two bytes.
        (b"\xff\xe0", 4),
        (b"\xff\xd8\x00\x04ab", 2),
    ],
)
def test_segment_ends_after_its_length(data, end):
    assert skip_segment(data, 0) == end
