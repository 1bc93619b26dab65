"""Synthetic photos that take as long to decode as those of a camera."""

from pathlib import Path

import numpy as np

from corallite.device.image.opencv import cv2
from corallite.device.system import files

_CLASSES = 4


def make_photos(
    folder: Path, count: int, size_wh: tuple[int, int] = (640, 480)
) -> None:
    """Writes JPEG images of soft colours and noise into four class folders.

    Args:
        folder: Existing photos in it are kept.
        count: Number of photos.
        size_wh: Width and height in pixels.
    """
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"class_{number % _CLASSES}" / f"{number:05d}.jpg"
        colours = rng.integers(0, 256, (6, 8, 3), np.uint8)
        image = cv2.resize(colours, size_wh, interpolation=cv2.INTER_CUBIC)
        noise = rng.integers(0, 24, image.shape, np.uint8)
        if not path.exists():
            jpeg = cv2.imencode(".jpg", cv2.add(image, noise))[1]
            files.write_bytes(path, jpeg.tobytes())
