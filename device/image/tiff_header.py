"""Reads how a TIFF stores its samples (TIFF 6.0, section 2 and SampleFormat)."""

import struct
from dataclasses import dataclass

_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _SAMPLE_FORMAT = 258, 277, 339
# Type 3 is SHORT, of 2 bytes.
_SHORT = 3
_FLOATS = (3, 6)
# Above these, OpenCV does not decode an image to 8 bits.
_MOST_BANDS, _MOST_BITS = 4, 16


@dataclass(frozen=True)
class TiffHeader:
    """The samples of the first image: bits per sample, bands, and their kind."""

    bits: int
    bands: int
    is_float: bool

    def why_not_a_photo(self) -> str | None:
        """Returns why the samples are not those of a photo; None if they may be."""
        if self.bands > _MOST_BANDS:
            return f"has {self.bands} bands; export red, green and blue as a PNG"
        if self.is_float or self.bits > _MOST_BITS:
            kind = "floating-point numbers" if self.is_float else "integers"
            return f"holds {self.bits}-bit {kind}; convert it to an 8-bit PNG"
        return None


def read_tiff_header(data: bytes) -> TiffHeader | None:
    """Reads the first directory of a TIFF file.

    Returns:
        None if `data` is not a TIFF or ends before its directory.
    """
    order = _BYTE_ORDERS.get(data[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        shorts = {}
        for position in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, length = struct.unpack_from(f"{order}HHI", data, position)
            if kind == _SHORT:
                shorts[tag] = _read_first_short(data, order, position, length)
    except struct.error:
        return None
    return TiffHeader(
        bits=shorts.get(_BITS_PER_SAMPLE, 1),
        bands=shorts.get(_SAMPLES_PER_PIXEL, 1),
        is_float=shorts.get(_SAMPLE_FORMAT, 1) in _FLOATS,
    )


def _read_first_short(data: bytes, order: str, entry: int, length: int) -> int:
    """Returns the first value of a directory entry; up to two are in the entry."""
    position = entry + 8
    if length > 2:
        (position,) = struct.unpack_from(f"{order}I", data, position)
    return int(struct.unpack_from(f"{order}H", data, position)[0])
