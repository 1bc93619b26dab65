"""Images that are decoded whenever they are read, where their arrays do not fit."""

import functools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from corallite.device.image.preprocess import Preprocessing, decode_image, fit_image
from corallite.device.system.errors import RequestError
from corallite.train.data.decoded.reader import Reader

# Images that an iteration decodes at a time.
_CHUNK = 64


class StreamedImages:
    """The images of a split, indexed like their array, uint8 `[n, height, width, 3]`.

    The pixels are those of the array. Memory is taken for what an index selects; a
    slice selects without decoding.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self, read: Reader, paths: Sequence[str], preprocessing: Preprocessing
    ):
        """Creates the images; `paths` are those that `read` takes, one a row."""
        self._read = read
        self._paths = paths
        self._preprocessing = preprocessing

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of images, height, width, 3."""
        return (len(self._paths), *self._preprocessing.size_hw, 3)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, rows: Any) -> Any:
        """Returns one image for an integer, images for a slice or an array of rows.

        Raises:
            RequestError: An image cannot be read or decoded any more.
        """
        if isinstance(rows, slice):
            return StreamedImages(self._read, self._paths[rows], self._preprocessing)
        if np.ndim(rows) == 0:
            return self._decode(self._paths[int(rows)])
        paths = [self._paths[int(row)] for row in rows]
        images = np.empty((len(paths), *self.shape[1:]), np.uint8)
        for number, image in enumerate(_threads().map(self._decode, paths)):
            images[number] = image
        return images

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), _CHUNK):
            yield from np.asarray(self[start : start + _CHUNK])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[np.arange(len(self))].astype(dtype or np.uint8, copy=False)

    def _decode(self, path: str) -> np.ndarray:
        try:
            data = self._read(path)
        except OSError as error:
            raise RequestError(
                f"{path}: cannot be read any more ({error.strerror or error}); restore "
                "it and run the same command again."
            ) from error
        return fit_image(decode_image(data, path), self._preprocessing)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Decoding releases the interpreter; one pool for all splits."""
    return ThreadPoolExecutor(min(16, os.cpu_count() or 1), "decode")
