"""Decoding: orientation, colour, unusual formats, damage."""

import base64
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest

from corallite.device.image import decoding_limits
from corallite.device.image.decoding_limits import MOST_BYTES
from corallite.device.image.preprocess import bgr_to_rgb, decode_image, read_image
from corallite.device.system.errors import RequestError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
# One JPEG quantization step at OpenCV's default quality.
JPEG_TOLERANCE = 3

# 8x8 red, CMYK, 90 % quality: OpenCV cannot write one.
CMYK_JPEG = base64.b64decode(
    b"/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4S"
    b"EA0OEQ4LCxAWEBETFBUVFQwPFxgWFBgSFBUU/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABQAAQAAAAAA"
    b"AAAAAAAAAAAAAAn/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oADgRDAE0AWQBLAAA/AFTFUKoqb//Z"
)


def flat(colour_rgb, height=8, width=8):
    return np.full((height, width, 3), colour_rgb, np.uint8)


def encode(extension, image_rgb, parameters=()):
    return cv2.imencode(extension, image_rgb[..., ::-1], parameters)[1].tobytes()


def noisy(height=48, width=40):
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def animate(extension):
    animation = cv2.Animation()
    animation.frames = [flat(c, 32, 32)[..., ::-1].copy() for c in (RED, GREEN)]
    animation.durations = [100, 100]
    return cv2.imencodeanimation(extension, animation)[1].tobytes()


def encode_oriented(extension, image_rgb, orientation):
    exif = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x112, 3, 1, orientation, 0)
    return cv2.imencodeWithMetadata(
        extension,
        np.ascontiguousarray(image_rgb[..., ::-1]),
        [cv2.IMAGE_METADATA_EXIF],
        [np.frombuffer(exif, np.uint8)],
    )[1].tobytes()


def png_of_size(width, height):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".bmp", ".tiff"])
@pytest.mark.parametrize("colour", [RED, GREEN, BLUE])
def test_pure_colours_are_decoded_as_rgb(extension, colour):
    image = decode_image(encode(extension, flat(colour)), "x")
    assert image.shape == (8, 8, 3) and image.dtype == np.uint8
    assert np.abs(image.astype(int) - colour).max() <= JPEG_TOLERANCE


def test_bgr_frame_becomes_rgb():
    frame_bgr = flat(RED)[..., ::-1].copy()
    assert (bgr_to_rgb(frame_bgr) == RED).all()


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda image: image),
        (2, lambda image: image[:, ::-1]),
        (3, lambda image: image[::-1, ::-1]),
        (4, lambda image: image[::-1]),
        (5, lambda image: image.transpose(1, 0, 2)),
        (6, lambda image: np.rot90(image, -1)),
        (7, lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
        (8, lambda image: np.rot90(image)),
    ],
)
def test_exif_orientation_is_applied(extension, orientation, upright):
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:16, :16] = 255
    image = decode_image(encode_oriented(extension, stored, orientation), "x")
    expected = upright(stored)
    assert image.shape == expected.shape
    # JPEG and WebP ring next to the white square's edges.
    assert np.abs(image.astype(int) - expected).mean() < 4


def test_grey_becomes_three_equal_channels():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    image = decode_image(cv2.imencode(".png", grey)[1].tobytes(), "x")
    assert (image == grey[..., None]).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_keeps_the_upper_8_bits(channels):
    deep = np.arange(64 * channels, dtype=np.uint16).reshape(8, 8, channels) * 300
    image = decode_image(cv2.imencode(".png", deep)[1].tobytes(), "x")
    assert (image == (deep >> 8)[..., ::-1]).all()


@pytest.mark.parametrize("extension", [".png", ".webp"])
def test_transparency_is_dropped(extension):
    rgba = np.dstack([flat(BLUE), np.full((8, 8), 64, np.uint8)])  # Red in BGR.
    lossless = [cv2.IMWRITE_WEBP_QUALITY, 101] if extension == ".webp" else []
    image = decode_image(cv2.imencode(extension, rgba, lossless)[1].tobytes(), "x")
    assert (image == RED).all()


def test_cmyk_jpeg_is_converted():
    image = decode_image(CMYK_JPEG, "x")
    assert np.abs(image.astype(int) - RED).max() <= JPEG_TOLERANCE


@pytest.mark.parametrize("extension", [".gif", ".webp", ".png"])
def test_animation_gives_its_first_frame(extension):
    image = decode_image(animate(extension), "x")
    # The GIF has a palette of 3-3-2 bits.
    assert np.abs(image.astype(int) - RED).max() <= 36


@pytest.mark.parametrize(
    ("extension", "parameters"),
    [
        (".jpg", ()),
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)),
        (".png", ()),
        (".webp", ()),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)),
        (".gif", ()),
        (".bmp", ()),
    ],
)
def test_truncated_file_is_refused_but_a_tail_is_ignored(extension, parameters):
    content = encode(extension, noisy(), parameters)
    whole = decode_image(content, "x")
    for length in {
        *range(0, len(content), 23),
        *range(len(content) - 20, len(content)),
    }:
        with pytest.raises(RequestError, match="^cut: "):
            decode_image(content[:length], "cut")
    assert (decode_image(content + b"\xff\xd9tail\0" * 9, "x") == whole).all()


def test_jpeg_cut_after_its_thumbnail_is_refused():
    # The thumbnail's end marker is in a segment before the pixels.
    thumbnail = encode(".jpg", noisy(8, 8))
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    content = encode(".jpg", noisy())
    content = content[:2] + segment + content[2:]
    assert decode_image(content, "x").shape == (48, 40, 3)
    with pytest.raises(RequestError, match="is truncated"):
        decode_image(content[: len(content) // 2], "x")


def test_png_chunk_that_claims_gigabytes_is_refused_before_allocation():
    content = encode(".png", noisy())
    # The chunk of the pixels is after the signature and IHDR, which has 25 bytes.
    length_at = 8 + 25
    assert content[length_at + 4 : length_at + 8] == b"IDAT"
    claim = struct.pack(">I", 0xC0000000)
    content = content[:length_at] + claim + content[length_at + 4 :]
    with pytest.raises(RequestError, match="^x: is truncated; copy it again"):
        decode_image(content, "x")


def test_progressive_jpeg_cut_between_scans_is_refused():
    content = encode(".jpg", noisy(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    scan_starts = [i for i in range(len(content)) if content[i : i + 2] == b"\xff\xda"]
    assert len(scan_starts) > 3
    with pytest.raises(RequestError, match="is truncated"):
        decode_image(content[: scan_starts[-1]], "x")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"a shopping list\n" * 20, "not an image"),
        (bytes(5000), "not an image"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "is HEIC.*convert it to JPEG"),
        (png_of_size(100_000, 100_000), "has 10000.0 megapixels, of at most 134; shr"),
        (png_of_size(11_000, 11_000), "is a PNG of 11000x11000 .* takes 369 MB"),
        (b"v/1\x01" + bytes(99), "is OpenEXR, whose memory .*convert it to JPEG"),
        (png_of_size(20, 20_000), "damaged"),
    ],
)
def test_file_that_is_not_an_image_is_refused_by_name(data, reason):
    with pytest.raises(RequestError, match=f"^photo.jpg: .*{reason}"):
        decode_image(data, "photo.jpg")


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
@pytest.mark.parametrize(("reduction", "shape"), [(2, (24, 32, 3)), (8, (6, 8, 3))])
def test_large_image_is_reduced_and_stays_rgb(monkeypatch, extension, reduction, shape):
    # So few pixels are decoded whole that this image is reduced.
    monkeypatch.setattr(decoding_limits, "WHOLE_PIXELS", 48 * 64 // reduction**2)
    image = decode_image(encode(extension, flat(RED, 48, 64)), "x")
    assert image.shape == shape
    assert np.abs(image.astype(int) - RED).max() <= JPEG_TOLERANCE


def test_large_image_is_reduced_before_its_orientation_is_applied():
    stored = np.zeros((2000, 6400, 3), np.uint8)
    assert decode_image(encode_oriented(".jpg", stored, 6), "x").shape == (
        3200,
        1000,
        3,
    )


def test_file_larger_than_the_limit_is_not_read(tmp_path):
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(RequestError, match="huge.png: cannot be read .is larger than"):
        read_image(path)


def test_reading_errors_name_the_path(tmp_path):
    path = tmp_path / "Käse brot.png"
    path.write_bytes(encode(".png", flat(GREEN)))
    assert (read_image(path) == GREEN).all()
    with pytest.raises(RequestError, match="gone.png: cannot be read"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(RequestError, match="cannot be read"):
        read_image(tmp_path)


def test_decompression_bomb_is_refused_without_opencv_log_lines(tmp_path):
    # A new process, because OpenCV reads its settings when it is loaded.
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_of_size(20_000, 20_000))
    code = (
        "from corallite.device.image import preprocess\n"
        "from corallite.device.system import errors\n"
        f"try: preprocess.read_image({str(bomb)!r})\n"
        "except errors.RequestError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "bomb.png: has 400.0 megapixels, of at most 134; shrink" in done.stdout
    assert done.stderr == ""


def test_a_shrunk_jpeg_is_decoded_at_a_fraction_of_its_size(draw_clouds):
    image = (draw_clouds(1, 64, 96)[0] * 255).astype(np.uint8)
    data = cv2.imencode(".jpg", image[:, :, ::-1])[1].tobytes()
    for shrink in (2, 4, 8):
        size_wh = (96 // shrink, 64 // shrink)
        expected = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
        shrunk = decode_image(data, "photo", shrink)
        assert shrunk.shape == expected.shape
        # JPEG stores colours at half the size; a swap of red and blue gives 40.
        assert np.abs(shrunk.astype(int) - expected).mean() < 8
