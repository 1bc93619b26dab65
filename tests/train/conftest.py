"""Small data sets made on the spot."""

import zlib
from pathlib import Path

import numpy as np
import pytest

from corallite.device.opencv import cv2


@pytest.fixture
def write_image():
    """A function that writes an image of noise; the path decides which."""

    def write(path: Path, size_hw=(8, 8)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(zlib.crc32("/".join(path.parts[-3:]).encode()))
        image = rng.integers(0, 256, (*size_hw, 3), np.uint8)
        path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
        return path

    return write


@pytest.fixture
def make_classes(tmp_path, write_image):
    """A function that writes class folders: make_classes({"cat": 3, "dog": 5})."""

    def make(counts: dict[str, int], folder: str = "photos") -> Path:
        for name, count in counts.items():
            for number in range(count):
                write_image(tmp_path / folder / name / f"{number:03d}.png")
        return tmp_path / folder

    return make
