"""Reads the headers of formats that files have and cameras do not send.

GIF: GIF89a, 18. BMP: Windows' BITMAPINFOHEADER. TIFF: revision 6.0, sections 2 and 15.
PNM: pnm(5) of Netpbm.
"""

import re
import struct

from corallite.device.image.header import ImageHeader

_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_OLD_BMP_HEADER_BYTES = 12
# Measured with OpenCV 5.0, rounded up: a screen of four channels, and colour numbers.
_GIF_BYTES = 6.0
# A copy in the other order of colours.
_BMP_BYTES = 3.0
_PNM_GAP = rb"(?:\s|#[^\r\n]*[\r\n])"
# OpenCV skips the character behind the width: a "#" there does not begin a comment.
_PNM = rb"P[1-6](?=\s)%b*(\d{1,9})\s%b*(\d{1,9})(?!\d)" % (_PNM_GAP, _PNM_GAP)
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES = 256, 257, 258, 259, 277
_STRIP_HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323
_TIFF_DEFAULTS = {
    **{_BITS: 1, _COMPRESSION: 1, _SAMPLES: 1},
    **{_STRIP_HEIGHT: 2**32 - 1, _TILE_WIDTH: 0, _TILE_HEIGHT: 0},
}
_INTEGERS = {1: "B", 3: "H", 4: "I"}
# None, CCITT, LZW, JPEG, Deflate, PackBits. Others, as LZMA, need memory of their own.
_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32773, 32946)
# More samples per pixel than any photo has.
_MOST_VALUES = 64


def read_file_header(data: bytes) -> ImageHeader | None:
    """Reads the header of a GIF, BMP, TIFF or PNM file.

    Returns:
        None if `data` has another format, ends before the size, or is a TIFF whose
        memory cannot be known in advance.
    """
    try:
        if data.startswith(b"GIF8"):
            width, height = struct.unpack_from("<HH", data, 6)
            return ImageHeader("GIF", width, height, _GIF_BYTES)
        if data.startswith(b"BM"):
            return _read_bmp(data)
        if data[:4] in _TIFF:
            return _read_tiff(data, _TIFF[data[:4]])
    except struct.error:  # `data` ends before the size.
        return None
    found = re.match(_PNM, data)
    return ImageHeader("PNM", int(found[1]), int(found[2])) if found else None


def _read_bmp(data: bytes) -> ImageHeader:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    is_old = header_bytes == _OLD_BMP_HEADER_BYTES
    width, height = struct.unpack_from("<HH" if is_old else "<ii", data, 18)
    # A negative height means that the first row is the top one.
    return ImageHeader("BMP", abs(width), abs(height), _BMP_BYTES)


def _read_tiff(data: bytes, order: str) -> ImageHeader | None:
    tags = _read_tags(data, order)
    if tags is None or tags[_COMPRESSION] not in _COMPRESSIONS:
        return None
    width, height = tags[_WIDTH], tags[_HEIGHT]
    strip = width * min(height, tags[_STRIP_HEIGHT])
    # A tile may be larger than the image.
    block = max(strip, tags[_TILE_WIDTH] * tags[_TILE_HEIGHT])
    # The block as stored, and as libtiff converts it to four channels.
    block_bytes = block * (4 + tags[_SAMPLES] * max(1, tags[_BITS] / 8))
    return ImageHeader("TIFF", width, height, block_bytes / max(1, width * height))


def _read_tags(data: bytes, order: str) -> dict[int, int] | None:
    """Returns the largest value of each tag that matters, of the first image.

    None if width or height is missing, or a value has an unusual type.
    """
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    found: dict[int, int] = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", data, at)
        if tag not in (_WIDTH, _HEIGHT, *_TIFF_DEFAULTS):
            continue
        if kind not in _INTEGERS or not 0 < values <= _MOST_VALUES:
            return None
        form = f"{order}{values}{_INTEGERS[kind]}"
        at += 8
        if struct.calcsize(form) > 4:  # Stored elsewhere.
            (at,) = struct.unpack_from(order + "I", data, at)
        found[tag] = max(found.get(tag, 0), *struct.unpack_from(form, data, at))
    return {**_TIFF_DEFAULTS, **found} if {_WIDTH, _HEIGHT} <= set(found) else None
