"""The file of a recorded photo: its name, its content, and whether it is new."""

import os
import time
from collections import deque

import numpy as np

from corallite.device.image.difference_hash import difference_hash, hamming_distances
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image

_JPEG_QUALITY = 92
# Two frames look the same if at most this many of the 64 bits of their
# `difference_hash` differ.
_SAME_BITS = 2


def begin_burst() -> str:
    """Returns the common prefix of the names of a burst of photos.

    `--group_by='(.*)_[0-9]+'` keeps them in one split of a training.
    """
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}"


def name_photo(burst: str, number: int) -> str:
    """Returns the name of a photo, such as 20261130-031502-a1b2_0001.jpg."""
    return f"{burst}_{number:04d}.jpg"


def encode_photo(image_rgb_u8: Image, quality: int = _JPEG_QUALITY) -> bytes:
    """Returns a JPEG of an image, uint8 RGB `[height, width, 3]`.

    Args:
        image_rgb_u8: The image.
        quality: The quality of the JPEG, 0 to 100.
    """
    image_bgr = cv2.cvtColor(image_rgb_u8, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imencode(".jpg", image_bgr, options)[1].tobytes()


class LastKept:
    """Remembers what the last photos looked like."""

    def __init__(self, most: int = 1) -> None:
        """Starts empty; remembers at most `most` photos."""
        self._hashes: deque[int] = deque(maxlen=most)

    def is_new(self, image_rgb_u8: Image) -> bool:
        """Returns whether a frame differs from the last photos; if so, remembers it."""
        found = difference_hash(image_rgb_u8)
        both = (np.array(x, np.uint64) for x in (list(self._hashes), [found]))
        if (hamming_distances(*both) <= _SAME_BITS).any():
            return False
        self._hashes.append(found)
        return True
