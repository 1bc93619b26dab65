"""Decodes and resizes every image once, into uint8 arrays on disk.

The array of a split is an ordinary `.npy` file, written in order and renamed into place
when it is complete, so a run that was killed decodes that split again. It is written
with plain writes, not through a memory map: a full disk is then an `OSError` and does
not kill the process.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from absl import logging

from corallite.device.image.decoding_limits import MOST_BYTES
from corallite.device.image.preprocess import Preprocessing, decode_image, fit_image
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import atomic, json_text
from corallite.train.data.content import Fault, find_fault

_T = TypeVar("_T")
_CHUNK = 256
_HEADER_BYTES = 128
_PROGRESS_S = 10


@dataclass(frozen=True)
class CachedSplit:
    """A decoded split.

    Attributes:
        images_rgb_u8: Memory map, uint8 `[n, height, width, 3]`, RGB.
        unreadable: The reason for each path that could not be decoded and has no row.
        faults: What is wrong with the pixels of a path that has one.
    """

    images_rgb_u8: np.ndarray
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


def read_file(path: Path) -> bytes:
    """Returns the content of an image file.

    Raises:
        OSError: It cannot be read, is too large to decode, or is a pipe or a device,
            which may never end.
    """
    files.require_regular(path)
    return files.read_limited(path, MOST_BYTES)


def hash_files(
    data_dir: Path, paths: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the SHA-256 of each file, and the reason for each unreadable one."""

    def hash_file(path: str) -> tuple[str, str]:
        try:
            content = read_file(data_dir / path)
        except OSError as error:
            return "", error.strerror or str(error)
        return hashlib.sha256(content).hexdigest(), ""

    hashes: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for path, (sha256, reason) in map_paths(hash_file, paths, "Read"):
        if reason:
            unreadable[path] = reason
        else:
            hashes[path] = sha256
    return hashes, unreadable


def open_split(folder: Path, split: str, key: str, count: int) -> CachedSplit | None:
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
    except (
        *(FileNotFoundError, ValueError, EOFError),
        *(TypeError, AttributeError, LookupError),
    ):
        return None
    return CachedSplit(images, unreadable, faults) if is_whole else None


def write_split(
    folder: Path,
    split: str,
    key: str,
    data_dir: Path,
    paths: Sequence[str],
    preprocessing: Preprocessing,
) -> CachedSplit:
    """Decodes `paths`, in order, into the array of a split, and opens it.

    Raises:
        OSError: The array cannot be written; the error has its path.
    """
    array_path = _array_path(folder, split, key)
    with atomic.replacing(array_path) as partial, partial.open("wb") as file:
        unreadable, faults, checksum = _write_array(
            file, split, data_dir, paths, preprocessing
        )
    index = {
        "unreadable": unreadable,
        "faults": {path: asdict(fault) for path, fault in faults.items()},
        "crc32": checksum,
    }
    # Escaped (ASCII), since a file name need not be valid Unicode.
    files.write_text(_index_path(folder, split, key), json.dumps(index))
    return CachedSplit(np.load(array_path, mmap_mode="r"), unreadable, faults)


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


def _write_array(
    file: IO[bytes],
    split: str,
    data_dir: Path,
    paths: Sequence[str],
    preprocessing: Preprocessing,
) -> tuple[dict[str, str], dict[str, Fault], int]:
    """Returns the unreadable paths, the faults, and the checksum of the file."""

    def read_fitted(path: str) -> tuple[np.ndarray, Fault | None] | str:
        try:
            data = read_file(data_dir / path)
            image = decode_image(data, path)
        except RequestError as error:
            return str(error)
        except OSError as error:
            return f"{path}: {error.strerror or error}."
        return fit_image(image, preprocessing), find_fault(image, data)

    unreadable: dict[str, str] = {}
    faults: dict[str, Fault] = {}
    checksum = 0
    file.write(bytes(_HEADER_BYTES))
    for path, result in map_paths(read_fitted, paths, f"Decoded {split}"):
        if isinstance(result, str):
            unreadable[path] = result
            logging.warning("Skipped %s", files.printable(result))
            continue
        image, fault = result
        pixels = np.ascontiguousarray(image).data
        checksum = zlib.crc32(pixels, checksum)
        file.write(pixels)
        if fault:
            faults[path] = fault
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


def map_paths(
    read: Callable[[str], _T], paths: Sequence[str], verb: str
) -> Iterator[tuple[str, _T]]:
    """Yields each path and what `read` returns of it; in chunks, to limit memory."""
    with ThreadPoolExecutor(min(16, (os.cpu_count() or 1) + 2)) as pool:
        for start in range(0, len(paths), _CHUNK):
            chunk = paths[start : start + _CHUNK]
            yield from zip(chunk, pool.map(read, chunk), strict=True)
            _log_progress(verb, start + len(chunk), len(paths))


def _log_progress(verb: str, done: int, total: int) -> None:
    if done == total:
        logging.info("%s: %d of %d images.", verb, done, total)
    else:
        logging.log_every_n_seconds(
            logging.INFO, "%s: %d of %d images.", _PROGRESS_S, verb, done, total
        )


def _array_path(folder: Path, split: str, key: str) -> Path:
    return folder / f"{split}-{key}.npy"


def _index_path(folder: Path, split: str, key: str) -> Path:
    return folder / f"{split}-{key}.json"
