"""The photos of a cell: so many of each class to train with, and the rest to test."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from corallite.device.image.preprocess import (
    Image,
    Preprocessing,
    fit_image,
    read_image,
)

SIDE = 224
UNLABELLED = 50
_CROP = Preprocessing((SIDE, SIDE))

# Images float32 `[n, 224, 224, 3]`, 0 to 1, and labels int `[n]`.
Split = tuple[np.ndarray, np.ndarray]


def draw_photos(photos: Path, cell: Path, count: int, seed: int) -> None:
    """Copies photos into `photos/train`, `photos/test` and `unlabelled` of a cell.

    Args:
        photos: Folder of class folders.
        cell: It keeps what it has.
        count: Photos of each class to train with; 50 are left out, for trainings that
            use photos without labels.
        seed: Of the draw.
    """
    if (cell / "photos").exists():
        return
    rng = np.random.default_rng(seed)
    partial = cell / "photos.part"
    for folder in sorted(path for path in photos.iterdir() if path.is_dir()):
        names = sorted(os.listdir(folder))
        order = [names[row] for row in rng.permutation(len(names))]
        ends = (0, count, count + UNLABELLED, len(order))
        for number, split in enumerate(("train", "unlabelled", "test")):
            root = cell if split == "unlabelled" else partial
            target = root / split / ("" if split == "unlabelled" else folder.name)
            target.mkdir(parents=True, exist_ok=True)
            for name in order[ends[number] : ends[number + 1]]:
                shutil.copy(folder / name, target / f"{folder.name}_{name}")
    partial.rename(cell / "photos")


def crop(image: Image) -> Image:
    """Fits an image as our pipeline does by default."""
    return fit_image(image, _CROP)


def read_both(cell: Path, fit: Callable[[Image], Image] = crop) -> list[Split]:
    """Returns the training and the test split of a cell."""
    return [_read_split(cell / "photos" / split, fit) for split in ("train", "test")]


def _read_split(folder: Path, fit: Callable[[Image], Image]) -> Split:
    images, labels = [], []
    for label, name in enumerate(sorted(os.listdir(folder))):
        for path in sorted((folder / name).iterdir()):
            images.append(fit(read_image(path)))
            labels.append(label)
    return np.stack(images).astype(np.float32) / 255, np.array(labels)
