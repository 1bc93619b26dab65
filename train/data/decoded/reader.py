"""Reads labelled images by path, many at a time."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from absl import logging

from corallite.device.image.decoding_limits import MOST_BYTES
from corallite.device.image.preprocess import decode_image
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.content import Fault, find_fault

_T = TypeVar("_T")
# Returns the content of an image file, by its path in the data. Raises `OSError` if it
# cannot be read, and `RequestError` with a sentence if it must not be used.
Reader = Callable[[str], bytes]
_CHUNK = 256
_PROGRESS_S = 10


# Returns what is known of images, by path: why they are unreadable, and their faults.
Known = Callable[[Sequence[str]], tuple[dict[str, str], dict[str, Fault]]]


@dataclass(frozen=True)
class Source:
    """Where labelled images are read from: a folder, or shards.

    Attributes:
        read: Reads an image.
        known: None if images have to be decoded to know what is wrong with them.
    """

    read: Reader
    known: Known | None = None


class ChangedImageError(RequestError):
    """An image has another content than when it was assigned to its split."""


def read_file(path: Path) -> bytes:
    """Returns the content of an image file.

    Raises:
        OSError: It cannot be read, is too large to decode, or is a pipe or a device,
            which may never end.
    """
    files.require_regular(path)
    return files.read_limited(path, MOST_BYTES)


def folder_reader(data_dir: Path) -> Reader:
    """Returns the reader of a folder; paths are relative to it."""
    return lambda path: read_file(data_dir / path)


def verifying(read: Reader, sha256_by_path: Mapping[str, str], remedy: str) -> Reader:
    """Returns a reader that raises `ChangedImageError` for another content.

    Args:
        read: Reads an image.
        sha256_by_path: What it has to be.
        remedy: What to do otherwise, as the end of a sentence.
    """

    def read_verified(path: str) -> bytes:
        data = read(path)
        if hashlib.sha256(data).hexdigest() != sha256_by_path[path]:
            raise ChangedImageError(
                f"{files.printable(path)}: has changed since the images were split; "
                f"{remedy}."
            )
        return data

    return read_verified


def hash_files(
    read: Reader, paths: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the SHA-256 of each file, and the reason for each unreadable one."""

    def hash_file(path: str) -> tuple[str, str]:
        try:
            content = read(path)
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


def read_decoded(read: Reader, path: str) -> tuple[np.ndarray, Fault | None]:
    """Returns an image, uint8 `[height, width, 3]`, not yet resized, and its fault.

    Raises:
        RequestError: It cannot be read or decoded.
    """
    try:
        data = read(path)
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror or error}.") from error
    image = decode_image(data, path)
    return image, find_fault(image, data)


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
