"""Decodes and resizes every image of a split once, into a uint8 array on disk.

The array of a split is an ordinary `.npy` file, written in order and renamed into place
when it is complete, so a run that was killed decodes that split again. It is written
with plain writes, not through a memory map: a full disk is then an `OSError` and does
not kill the process.
"""

import contextlib
import functools
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from absl import logging

from corallite.device.image.preprocess import Preprocessing, fit_image
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import atomic, json_text
from corallite.train.data.content import Fault
from corallite.train.data.decoded.reader import (
    ChangedImageError,
    Reader,
    map_paths,
    read_decoded,
)

_HEADER_BYTES = 128
# What reading a missing or damaged record raises.
_DAMAGED = (
    *(FileNotFoundError, ValueError, EOFError),
    *(TypeError, AttributeError, LookupError),
)


@dataclass(frozen=True)
class DecodedSplit:
    """A decoded split.

    Attributes:
        images_rgb_u8: Memory map, uint8 `[n, height, width, 3]`, RGB; or a
            `StreamedImages`, which is indexed alike.
        unreadable: The reason for each path that could not be decoded and has no row.
        faults: What is wrong with the pixels of a path that has one.
    """

    images_rgb_u8: Any
    unreadable: dict[str, str]
    faults: dict[str, Fault]


def cache_key(digest: str, preprocessing: Preprocessing) -> str:
    """Returns a short hash of what a cache depends on: images and preprocessing.

    Args:
        digest: Hash of the images and of the split that each is in.
        preprocessing: How images are resized.
    """
    settings = json.dumps(preprocessing.to_json(), sort_keys=True)
    return hashlib.sha256(f"{digest}\n{settings}".encode()).hexdigest()[:16]


def open_split(folder: Path, split: str, key: str, count: int) -> DecodedSplit | None:
    """Returns the cached split, or None if it is missing, incomplete or damaged.

    Every pixel is read, for the checksum: 180 MB take 0.2 s on a busy machine.

    Args:
        folder: The cache folder.
        split: Name of the split.
        key: See `cache_key`.
        count: Number of its images, readable or not.
    """
    try:
        index = json_text.parse(_index_path(folder, split, key).read_text())
        unreadable, faults = _parse_index(index)
        array_path = _array_path(folder, split, key)
        # Earlier versions recorded none.
        if index.get("crc32") not in (None, _checksum(array_path)):
            return None
        images = np.load(array_path, mmap_mode="r")
        # Otherwise the labels would not match the images.
        is_whole = len(images) + len(unreadable) == count
    except _DAMAGED:
        return None
    return DecodedSplit(images, unreadable, faults) if is_whole else None


def write_split(
    folder: Path,
    split: str,
    key: str,
    read: Reader,
    paths: Sequence[str],
    preprocessing: Preprocessing,
) -> DecodedSplit:
    """Decodes `paths`, in order, into the array of a split, and opens it.

    Raises:
        ChangedImageError: See `verifying`.
        OSError: The array cannot be written; the error has its path.
    """
    array_path = _array_path(folder, split, key)
    with atomic.replacing(array_path) as partial, partial.open("wb") as file:
        unreadable, faults, checksum = _write_array(
            file, split, read, paths, preprocessing
        )
    _write_index(_index_path(folder, split, key), unreadable, faults, checksum)
    return DecodedSplit(np.load(array_path, mmap_mode="r"), unreadable, faults)


def check_split(
    folder: Path,
    split: str,
    key: str,
    read: Reader,
    paths: Sequence[str],
) -> tuple[dict[str, str], dict[str, Fault]]:
    """Finds the unreadable images and the faults of a split without an array.

    Decodes each image, and remembers the result, also for other runs.

    Raises:
        ChangedImageError: See `verifying`.
        OSError: The result cannot be written; the error has its path.
    """
    path = folder / f"{split}-{key}.checked.json"
    with contextlib.suppress(*_DAMAGED):
        return _parse_index(json_text.parse(path.read_text()))
    unreadable: dict[str, str] = {}
    faults: dict[str, Fault] = {}
    find = functools.partial(read_decoded, read)
    for _ in _sort_out(find, paths, f"Checked {split}", unreadable, faults):
        pass
    _write_index(path, unreadable, faults, None)
    return unreadable, faults


def remove_others(folder: Path, key: str) -> None:
    """Removes the arrays of other settings, and incomplete ones."""
    for path in folder.glob("*.npy"):
        if path.name.startswith(".") or not path.stem.endswith(key):
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)


def _parse_index(index: Any) -> tuple[dict[str, str], dict[str, Fault]]:
    """Returns the unreadable paths and the faults of a split.

    Earlier versions wrote the unreadable paths alone. The two forms differ, because a
    path has a slash.
    """
    if "unreadable" not in index:
        return dict(index), {}
    faults = {path: Fault(**fault) for path, fault in index["faults"].items()}
    return index["unreadable"], faults


def _write_index(
    path: Path,
    unreadable: dict[str, str],
    faults: dict[str, Fault],
    checksum: int | None,
) -> None:
    index = {
        "unreadable": unreadable,
        "faults": {path: asdict(fault) for path, fault in faults.items()},
        "crc32": checksum,
    }
    # Escaped (ASCII), since a file name need not be valid Unicode.
    files.write_text(path, json.dumps(index))


def _sort_out(
    find: Callable[[str], tuple[np.ndarray, Fault | None]],
    paths: Sequence[str],
    verb: str,
    unreadable: dict[str, str],
    faults: dict[str, Fault],
) -> Iterator[np.ndarray]:
    """Yields the images that can be decoded; records the others, and the faults."""

    def find_or_explain(path: str) -> tuple[np.ndarray, Fault | None] | str:
        try:
            return find(path)
        except ChangedImageError:
            raise
        except RequestError as error:
            return str(error)

    for path, result in map_paths(find_or_explain, paths, verb):
        if isinstance(result, str):
            unreadable[path] = result
            logging.warning("Skipped %s", files.printable(result))
            continue
        image, fault = result
        if fault:
            faults[path] = fault
        yield image


def _write_array(
    file: IO[bytes],
    split: str,
    read: Reader,
    paths: Sequence[str],
    preprocessing: Preprocessing,
) -> tuple[dict[str, str], dict[str, Fault], int]:
    """Returns the unreadable paths, the faults, and the checksum of the file."""

    def read_fitted(path: str) -> tuple[np.ndarray, Fault | None]:
        image, fault = read_decoded(read, path)
        return fit_image(image, preprocessing), fault

    unreadable: dict[str, str] = {}
    faults: dict[str, Fault] = {}
    checksum = 0
    file.write(bytes(_HEADER_BYTES))
    verb = f"Decoded {split}"
    for image in _sort_out(read_fitted, paths, verb, unreadable, faults):
        pixels = np.ascontiguousarray(image).data
        checksum = zlib.crc32(pixels, checksum)
        file.write(pixels)
    file.seek(0)
    num_rows = len(paths) - len(unreadable)
    header = _npy_header((num_rows, *preprocessing.size_hw, 3))
    file.write(header)
    return unreadable, faults, zlib.crc32(header, checksum)


def _checksum(array_path: Path) -> int:
    """Returns the CRC-32 of a file of `_write_array`: of the pixels, then the header.

    A header that describes them differently would be damage too. The order is that in
    which they are written.
    """
    content = np.memmap(array_path, np.uint8, "r").data
    return zlib.crc32(content[:_HEADER_BYTES], zlib.crc32(content[_HEADER_BYTES:]))


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """Returns a version 1.0 header for uint8 in C order, always of the same length.

    NumPy's own grows with the number of rows, which is known only at the end.
    """
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    length = _HEADER_BYTES - 10
    return (
        b"\x93NUMPY\x01\x00"
        + length.to_bytes(2, "little")
        + text.ljust(length - 1).encode()
        + b"\n"
    )


def _array_path(folder: Path, split: str, key: str) -> Path:
    return folder / f"{split}-{key}.npy"


def _index_path(folder: Path, split: str, key: str) -> Path:
    return folder / f"{split}-{key}.json"
