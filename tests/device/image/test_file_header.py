"""Sizes of GIF, BMP, TIFF and PNM are read from the header as a decoder reads them."""

import struct

import cv2
import numpy as np
import pytest

from corallite.device.image.file_header import read_file_header

KINDS = {".gif": "GIF", ".bmp": "BMP", ".tiff": "TIFF", ".ppm": "PNM", ".pgm": "PNM"}


def encode(suffix, size_wh, parameters=()):
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    image = image[..., 0] if suffix == ".pgm" else image
    return cv2.imencode(suffix, image, parameters)[1].tobytes()


def tiff(tags, order="<", kind=4):
    """A TIFF without pixels."""
    entries = [struct.pack(order + "HHI", t, kind, 1) for t in tags]
    values = [struct.pack(order + {3: "Hxx", 4: "I"}[kind], v) for v in tags.values()]
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(order + "IH", 8, len(tags))
    return head + b"".join(e + v for e, v in zip(entries, values, strict=True))


def size_of(header):
    """The format and the size, without the memory of the decoder."""
    return header and (header.kind, header.width, header.height)


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("size_wh", [(1, 1), (300, 7), (7, 300), (641, 479)])
def test_size_of_each_format_is_read(suffix, size_wh):
    data = encode(suffix, size_wh)
    assert size_of(read_file_header(data)) == (KINDS[suffix], *size_wh)


@pytest.mark.parametrize("suffix", KINDS)
def test_truncated_image_never_has_a_wrong_size(suffix):
    data = encode(suffix, (11, 9))
    found = {size_of(read_file_header(data[:length])) for length in range(len(data))}
    assert found <= {None, (KINDS[suffix], 11, 9)}


@pytest.mark.parametrize(
    ("data", "size_wh"),
    [
        (b"BM" + bytes(12) + struct.pack("<IHH", 12, 70, 50), (70, 50)),
        (b"BM" + bytes(12) + struct.pack("<Iii", 40, 70, -50), (70, 50)),
        (b"P4 #a\n\t\n #7 8\r\n 70 # 3\n50\n", (70, 50)),
        (tiff({256: 70, 257: 50}), (70, 50)),
        (tiff({256: 70, 257: 50}, ">", 3), (70, 50)),
        # The same tag twice: which one counts depends on the reader.
        (
            tiff({256: 70, 257: 50})[:8]
            + b"\3\0"
            + tiff({256: 70})[10:]
            + tiff({256: 7, 257: 50})[10:],
            (70, 50),
        ),
    ],
)
def test_unusual_header_is_read(data, size_wh):
    header = read_file_header(data)
    assert header is not None and (header.width, header.height) == size_wh


@pytest.mark.parametrize(
    "data",
    [
        b"P5 1234567890 1 255\n",
        b"P5 x 1 255\n",
        # OpenCV reads the height 13000, and 16 MB of bits became 760 MB.
        b"P4 10000#13000\n1 ",
        b"P7\nWIDTH 1\nHEIGHT 1\nENDHDR\n",
        tiff({256: 70}),
        # LZMA; Pixar.
        tiff({256: 70, 257: 50, 259: 34925}),
        tiff({256: 70, 257: 50, 259: 32909}),
        # A width of another type than TIFF has for it.
        tiff({256: 70, 257: 50}).replace(b"\0\1\4\0", b"\0\1\x10\0"),
        b"not an image",
    ],
)
def test_header_of_unknown_memory_is_not_read(data):
    assert read_file_header(data) is None


def test_memory_of_tiff_grows_with_its_tiles_strips_and_samples():
    plain = {256: 64, 257: 64, 258: 8, 277: 3, 278: 8}
    cases = [
        plain,
        {**plain, 278: 64},
        {**plain, 278: 64, 258: 32},
        {**plain, 278: 64, 258: 32, 277: 9},
        {**plain, 322: 16384, 323: 16384},
    ]
    headers = [read_file_header(tiff(case)) for case in cases]
    held = [header.decoder_bytes for header in headers if header]
    assert len(held) == len(cases)
    assert held == sorted(held) and held[0] < 1 and held[-1] > 10**5
