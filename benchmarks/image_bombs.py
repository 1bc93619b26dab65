"""Makes small image files that decode to many pixels, one of each format.

Each function takes the width and the height, and returns the file. Where a decoder
accepts a file without most of its pixels, only the size in its header is changed.
"""

import struct
import zlib
from collections.abc import Callable

import numpy as np

from corallite.device.image.opencv import cv2


def jpeg(width: int, height: int) -> bytes:
    """Baseline JPEG: its decoder fills what is missing with grey."""
    return _jpeg(width, height, [])


def progressive_jpeg(width: int, height: int) -> bytes:
    """Progressive JPEG, whose decoder keeps the coefficients of all pixels."""
    return _jpeg(
        width,
        height,
        [
            *(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        ],
    )


def _jpeg(width: int, height: int, parameters: list[int]) -> bytes:
    data = bytearray(_encode(".jpg", parameters))
    start = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    struct.pack_into(">HH", data, start + 5, height, width)
    return bytes(data)


def png(width: int, height: int, depth: int = 8) -> bytes:
    """PNG: deflate packs a thousand pixels into a byte."""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    pixels = _deflate(1 + 3 * width * depth // 8, height)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*chunk) for chunk in chunks)


def png_16_bit(width: int, height: int) -> bytes:
    """PNG with 16 bits per sample."""
    return png(width, height, 16)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def gif(width: int, height: int) -> bytes:
    """GIF: a small image on a large screen."""
    data = bytearray(_encode(".gif"))
    struct.pack_into("<HH", data, 6, width, height)
    return bytes(data)


def bmp(width: int, height: int) -> bytes:
    """BMP with run lengths, whose first is the end of the image."""
    palette, pixels = bytes(4 * 256), b"\x00\x01"
    start = 14 + 40 + len(palette)
    size = start + len(pixels)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 2, 0, 0, 256, 0)
    return struct.pack("<2sIHHI", b"BM", size, 0, 0, start) + info + palette + pixels


def webp(width: int, height: int) -> bytes:
    """WebP with losses."""
    return _encode(".webp", [cv2.IMWRITE_WEBP_QUALITY, 1], (width, height))


def lossless_webp(width: int, height: int) -> bytes:
    """WebP without losses."""
    return _encode(".webp", [cv2.IMWRITE_WEBP_QUALITY, 101], (width, height))


def animated_webp(width: int, height: int) -> bytes:
    """Animated WebP: a small frame on a large canvas."""
    frame = _encode(".webp", [cv2.IMWRITE_WEBP_QUALITY, 101])[12:]
    canvas = bytes([2, 0, 0, 0]) + _u24(width - 1) + _u24(height - 1)
    placed = _u24(0) * 2 + _u24(7) * 2 + _u24(100) + b"\0" + frame
    chunks = ((b"VP8X", canvas), (b"ANIM", bytes(6)), (b"ANMF", placed))
    body = b"WEBP" + b"".join(k + struct.pack("<I", len(d)) + d for k, d in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(width: int, height: int) -> bytes:
    """TIFF of one deflated strip."""
    return _tiff(_deflate(3 * width, height), width, height, {278: height})


def tiled_tiff(width: int, height: int) -> bytes:
    """TIFF of 16x16 pixels that claims one large tile."""
    return _tiff(_deflate(3 * width, height), 16, 16, {322: width, 323: height})


def _tiff(pixels: bytes, width: int, height: int, blocks: dict[int, int]) -> bytes:
    offset_tag, count_tag = (324, 325) if 322 in blocks else (273, 279)
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 2, 277: 3, **blocks}
    tags |= {offset_tag: 8, count_tag: len(pixels)}
    pixels += bytes(len(pixels) % 2)
    entries = [struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags)]
    head = struct.pack("<2sHI", b"II", 42, 8 + len(pixels))
    count = struct.pack("<H", len(entries))
    return head + pixels + count + b"".join(entries) + bytes(4)


def jpeg_2000(width: int, height: int) -> bytes:
    """JPEG 2000 as one tile without most of its data."""
    data = bytearray(_encode(".jp2", size_wh=(64, 64)))
    box = data.find(b"ihdr")
    struct.pack_into(">II", data, box + 4, height, width)
    size = data.find(b"\xff\x51")
    struct.pack_into(">II", data, size + 6, width, height)
    struct.pack_into(">II", data, size + 22, width, height)
    return bytes(data)


def avif(width: int, height: int) -> bytes:
    """AVIF."""
    options = [cv2.IMWRITE_AVIF_QUALITY, 1, cv2.IMWRITE_AVIF_SPEED, 10]
    return _encode(".avif", options, (width, height))


def bitmap(width: int, height: int) -> bytes:
    """PBM: eight pixels a byte."""
    return f"P4\n{width} {height}\n".encode() + bytes((width + 7) // 8 * height)


def radiance(width: int, height: int) -> bytes:
    """Radiance HDR with run lengths."""
    runs, rest = divmod(width, 127)
    channel = b"\xff\x01" * runs + (bytes([128 + rest, 1]) if rest else b"")
    line = struct.pack(">BBH", 2, 2, width) + channel * 4
    head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n"
    return head.encode() + line * height


BOMBS: dict[str, Callable[[int, int], bytes]] = {
    "JPEG": jpeg,
    "progressive JPEG": progressive_jpeg,
    "PNG": png,
    "16-bit PNG": png_16_bit,
    "GIF": gif,
    "BMP": bmp,
    "WebP": webp,
    "lossless WebP": lossless_webp,
    "animated WebP": animated_webp,
    "TIFF": tiff,
    "tiled TIFF": tiled_tiff,
    "JPEG 2000": jpeg_2000,
    "AVIF": avif,
    "PBM": bitmap,
    "Radiance HDR": radiance,
}


def _encode(
    suffix: str, parameters: list[int] | None = None, size_wh: tuple[int, int] = (8, 8)
) -> bytes:
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    return cv2.imencode(suffix, image, parameters or [])[1].tobytes()


def _deflate(row_bytes: int, rows: int) -> bytes:
    packer, row = zlib.compressobj(), bytes(row_bytes)
    return b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()


def _u24(value: int) -> bytes:
    return value.to_bytes(3, "little")
