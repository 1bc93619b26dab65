"""Photos without labels, for a teacher to label."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.decoded import cache, reader
from corallite.train.data.listing.layout import is_image
from corallite.train.data.load import Split

# In place of a label.
NONE = -1


@dataclasses.dataclass(frozen=True)
class Unlabelled:
    """The images below a folder, decoded.

    Attributes:
        images_rgb_u8: Memory map, uint8 `[n, height, width, 3]`, RGB, 0 to 255.
        paths: File of each image, absolute.
        digest: SHA-256 over their contents.
    """

    images_rgb_u8: np.ndarray
    paths: tuple[str, ...]
    digest: str

    def add_to(self, split: Split) -> Split:
        """Returns a split with these images behind its own; their label is NONE."""
        images: Any = _Joined(split.images_rgb_u8, self.images_rgb_u8)
        stored = split.stored
        if stored is not None:
            stored = np.append(stored, np.arange(len(split.paths), len(images)))
        labels = np.full(len(self.paths), NONE, np.int64)
        return dataclasses.replace(
            split,
            images_rgb_u8=images,
            labels=np.concatenate([split.labels, labels]),
            paths=(*split.paths, *self.paths),
            stored=stored,
        )


def read_unlabelled(
    folder: Path, cache_folder: Path, preprocessing: Preprocessing
) -> Unlabelled:
    """Decodes the images below `folder` into an array on disk, unless it is there.

    Unreadable ones are skipped with a warning.

    Args:
        folder: Its images may be in sub-folders.
        cache_folder: Receives the array.
        preprocessing: How images are resized.

    Raises:
        RequestError: There is no such folder, or no image in it can be read.
        OSError: The array cannot be written; the error has its path.
    """
    with files.reporting_unreadable(folder, "give the folder of the photos"):
        found = [path for path in files.walk(folder, set()) if is_image(path)]
    paths = [str(path.resolve()) for path in found]
    read = reader.folder_reader(Path("/"))
    hashes, unreadable = reader.hash_files(read, paths)
    for path, reason in unreadable.items():
        logging.warning("Skipped %s: %s.", files.printable(path), reason)
    paths = [path for path in paths if path in hashes]
    digest = hashlib.sha256("\n".join(hashes[path] for path in paths).encode())
    key = cache.cache_key(digest.hexdigest(), preprocessing)
    cached = cache.open_split(cache_folder, "unlabelled", key, len(paths))
    if cached is None:
        cache_folder.mkdir(parents=True, exist_ok=True)
        cache.remove_others(cache_folder, key)
        cached = cache.write_split(
            cache_folder, "unlabelled", key, read, paths, preprocessing
        )
    kept = tuple(path for path in paths if path not in cached.unreadable)
    if not kept:
        raise RequestError(f"{folder}: has no readable image; give another folder.")
    return Unlabelled(cached.images_rgb_u8, kept, digest.hexdigest())


class _Joined:
    """Two arrays as one that can be indexed by an array of rows."""

    def __init__(self, first: np.ndarray, second: np.ndarray):
        self._first = first
        self._second = second
        self.shape = (len(first) + len(second), *first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        is_first = rows < len(self._first)
        taken = np.empty((len(rows), *self.shape[1:]), np.uint8)
        taken[is_first] = self._first[rows[is_first]]
        taken[~is_first] = self._second[rows[~is_first] - len(self._first)]
        return taken
