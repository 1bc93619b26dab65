"""Decides from an image's header how it is decoded, so that memory stays bounded.

Every image that this package decodes passes `reserve_memory` first. A board with 400 MB
for the program bears `MOST_BYTES` besides the model, the frames in use and uploads:
benchmarks/bombs.py and benchmarks/serve_bombs.py measure it.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from corallite.device.image.header import (
    ImageHeader,
    count_scans,
    is_known_kind,
    read_header,
)
from corallite.device.image.opencv import cv2
from corallite.device.system.errors import RequestError

# Memory to decode one image, with its file; also that of all images decoded at once.
MOST_BYTES = 170 * 10**6
# OpenCV's limit; see `opencv`.
MOST_PIXELS = 2**27
# Larger images are reduced while they are decoded: at least a megapixel remains. An
# input of 224 pixels differs by at most 1 of 255, measured with 12 megapixels.
WHOLE_PIXELS = 4_200_000
# Of a video, of which a decoder keeps several: 5.3K.
MOST_FRAME_PIXELS = 2**24
# Of a JPEG. Progressive ones have about ten; one of 20 bytes may take 10 ms.
MOST_SCANS = 100
_CHANNELS = 3
REDUCTIONS = (1, 2, 4, 8)

# OpenCV builds may decode these, without a limit that we could check first.
_REFUSED = {
    b"II+\0": "BigTIFF",
    b"MM\0+": "BigTIFF",
    b"#?RGBE": "Radiance HDR",
    b"#?RADIANCE": "Radiance HDR",
    b"v/1\x01": "OpenEXR",
    b"\x59\xa6\x6a\x95": "Sun raster",
    b"PF": "PFM",
    b"Pf": "PFM",
    b"P7": "PAM",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_FILES = (b"GIF8", b"BM", b"II*\0", b"MM\0*")


class TooLargeError(RequestError):
    """An image takes too much memory to decode."""


class Decoding(NamedTuple):
    """How to decode an image.

    Attributes:
        reduction: The factor by which to reduce both sides: 1, 2, 4 or 8.
        peak_bytes: Memory that it takes, with the file.
    """

    reduction: int
    peak_bytes: int


@contextlib.contextmanager
def reserve_memory(data: bytes, name: str) -> Iterator[int]:
    """Yields the reduction, and lets other threads decode what fits beside the image.

    Without this, a camera and an upload together would take twice the memory.

    Raises:
        TooLargeError, RequestError: See `plan_decoding`.
    """
    reduction, peak_bytes = plan_decoding(data, name)
    with _memory.reserve(peak_bytes):
        yield reduction


def plan_decoding(data: bytes, name: str) -> Decoding:
    """Returns how to decode an image.

    It depends on the file only, so that training and the device see the same pixels.

    Args:
        data: A whole file: JPEG, PNG, WebP, GIF, BMP, TIFF or PNM.
        name: Shown in errors.

    Raises:
        TooLargeError: The image takes more than `MOST_BYTES` to decode.
        RequestError: It has another format, no readable size, or too many scans.
    """
    header = read_header(data)
    if header is None:
        # Imported late: cameras do not send these formats.
        from corallite.device.image.file_header import read_file_header

        header = read_file_header(data)
    if header is None:
        raise RequestError(f"{name}: {explain_unreadable(data)}")
    # libjpeg ends after the scan that has all components.
    if header.decoder_bytes and count_scans(data) > MOST_SCANS:
        raise RequestError(
            f"{name}: has more than {MOST_SCANS} scans; save it as plain JPEG."
        )
    pixels = header.width * header.height
    if pixels > MOST_PIXELS:
        raise TooLargeError(
            f"{name}: has {pixels / 1e6:.1f} megapixels, of at most "
            f"{MOST_PIXELS / 1e6:.0f}; shrink it."
        )
    reduction = next(x for x in REDUCTIONS if pixels <= WHOLE_PIXELS * x * x or x == 8)
    peak = len(data) + _count_bytes(header, reduction)
    if peak > MOST_BYTES:
        raise TooLargeError(
            f"{name}: is a {header.kind} of {header.width}x{header.height} pixels that "
            f"takes {peak / 1e6:.0f} MB to decode, of at most {MOST_BYTES / 1e6:.0f}; "
            "shrink it or save it as baseline JPEG."
        )
    return Decoding(reduction, int(peak))


def check_frame_size(capture: Any, name: str) -> None:
    """Refuses a video with large frames, before one is converted.

    Args:
        capture: An opened `cv2.VideoCapture`; released if it is refused.
        name: Shown in errors.

    Raises:
        RequestError: A frame has more than `MOST_FRAME_PIXELS`.
    """
    width = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
    height = capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > MOST_FRAME_PIXELS:
        capture.release()
        raise RequestError(
            f"{name}: has frames of {width:.0f}x{height:.0f} pixels, of at most "
            f"{MOST_FRAME_PIXELS / 1e6:.1f} megapixels; send or record smaller ones."
        )


def explain_unreadable(data: bytes) -> str:
    """Returns why a file is not decoded, and what to do."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "is HEIC, which OpenCV cannot read; convert it to JPEG."
    # Imported only after a failure, as it takes time at every start.
    from corallite.device.image.tiff_header import read_tiff_header

    header = read_tiff_header(data)
    if header and (reason := header.why_not_a_photo()):
        return f"is a TIFF that {reason}."
    if is_known_kind(data) or data.startswith(_FILES):
        return "is damaged or truncated; copy it again or delete it."
    for magic, kind in _REFUSED.items():
        if data.startswith(magic):
            return f"is {kind}, whose memory cannot be limited; convert it to JPEG."
    return "is not an image that OpenCV can read; use JPEG or PNG."


def _count_bytes(header: ImageHeader, reduction: int) -> float:
    """Returns the largest memory of a decoder, with what OpenCV copies."""
    pixels = header.width * header.height
    result = _CHANNELS * pixels / reduction**2
    held = header.decoder_bytes * pixels
    if header.kind != "JPEG" and reduction > 1:
        held += _CHANNELS * pixels  # Only libjpeg reduces while it decodes.
    # The Python binding copies the result, after the decoder has ended.
    return max(held + result, 2 * result)


class _Memory:
    """Memory for decoding, which threads share."""

    def __init__(self) -> None:
        self._used_bytes = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserve(self, count: int) -> Iterator[None]:
        """Waits until `count` bytes are free, at most `MOST_BYTES`, and takes them."""
        with self._changed:
            self._changed.wait_for(lambda: self._used_bytes + count <= MOST_BYTES)
            self._used_bytes += count
        try:
            yield
        finally:
            with self._changed:
                self._used_bytes -= count
                self._changed.notify_all()


_memory = _Memory()
