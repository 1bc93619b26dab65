"""Shrinks a photo for the page."""

from corallite.device.image.header import read_header
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import decode_image
from corallite.device.serve.capture.photo_file import encode_photo

_JPEG_QUALITY = 80
THUMBNAIL_SIDE = 192
PICTURE_SIDE = 1280


def make_preview(data: bytes, side: int) -> bytes:
    """Returns a photo as JPEG of at most `side` pixels in width and height.

    Raises:
        RequestError: The photo is damaged.
    """
    header = read_header(data)
    longest = max(header.width, header.height) if header else side
    shrink = max(x for x in (1, 2, 4, 8) if x == 1 or longest >= x * side)
    image = decode_image(data, "The photo", shrink)
    scale = side / max(image.shape[:2])
    if scale < 1:
        height, width = (max(1, round(scale * length)) for length in image.shape[:2])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return encode_photo(image, _JPEG_QUALITY)
