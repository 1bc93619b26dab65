"""Computes the features of photos, once for each photo.

A features file is a network up to its features: it gives int8 `[1, n]`. The features of
a photo are kept in the user's cache folder, by the content of both files, with what is
needed to find near-duplicates.
"""

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corallite.device.engine.pixels import PixelEncoder
from corallite.device.engine.runners import litert
from corallite.device.image.decoding_limits import MOST_BYTES
from corallite.device.image.difference_hash import difference_hash
from corallite.device.image.preprocess import decode_image, fit_image
from corallite.device.learn.features_file import FeaturesFile
from corallite.device.learn.near_duplicates import THUMBNAIL_SIDE, make_thumbnail
from corallite.device.system import files, log
from corallite.device.system.errors import RequestError

# Photos cached for one features file (20 MB). The least recently used go first.
MOST_CACHED = 10_000
# New features are saved this often, so that a power failure loses little.
_SAVE_EVERY_S = 10.0
_MOST_WORKERS = 4
_DIGEST = hashlib.sha256().digest_size

Rows = np.ndarray[Any, np.dtype[Any]]


class Embedded(NamedTuple):
    """Features of photos and what finds near-duplicates; row i is photo i.

    Attributes:
        features: float32 `[n, size]`.
        hashes: uint64 `[n]`, see `difference_hash`.
        thumbnails: uint8 `[n, 16, 16, 3]`, see `make_thumbnail`.
        sha256: uint8 `[n, 32]`, of each file.
        rows: int `[n]`, the index of each photo in the given paths; unreadable photos
            have no row.
    """

    features: Rows
    hashes: Rows
    thumbnails: Rows
    sha256: Rows
    rows: Rows


def embed_photos(paths: Sequence[Path], features: FeaturesFile) -> Embedded:
    """Returns the features of photos; those of cached photos are not computed again.

    A photo that cannot be read is skipped, with a warning.
    """
    cache, rows, found = _Cache(features), [], []
    for number, record in enumerate(_measure(paths, cache, features)):
        if isinstance(record, RequestError):
            log.warning("Left out: %s", record)
            continue
        rows.append(number)
        found.append(record)
        cache.keep(record)
        cache.save_sometimes(number, len(paths))
    cache.save()
    known = np.array(found, cache.dtype)
    scale, zero_point = np.float32(features.output.scale), features.output.zero_point
    values = (known["features"].astype(np.float32) - zero_point) * scale
    return Embedded(
        values, known["hash"], known["thumbnail"], known["sha256"], np.array(rows, int)
    )


class _Cache:
    """Records of photos for one features file, by the SHA-256 of the photo."""

    def __init__(self, features: FeaturesFile) -> None:
        thumbnail = ("thumbnail", "u1", (THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3))
        size = ("features", "i1", (features.size,))
        self.dtype = np.dtype(
            [("sha256", "u1", (32,)), ("hash", "u8"), thumbnail, size]
        )
        folder = files.cache_folder() / "features"
        self._path = folder / f"{features.sha256[:32]}.rows"
        self._records = {row["sha256"].tobytes(): row for row in self._read()}
        self._is_saved, self._saved_s = True, time.monotonic()

    def _read(self) -> Rows:
        """Returns the saved records; none if the file is missing or damaged."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return np.zeros(0, self.dtype)
        digest, rows = content[:_DIGEST], content[_DIGEST:]
        is_whole = digest == self._digest(rows)
        return np.frombuffer(rows if is_whole else b"", self.dtype)

    def _digest(self, rows: bytes) -> bytes:
        """Returns what stands before the records, so that damage is noticed."""
        return hashlib.sha256(repr(self.dtype.descr).encode() + rows).digest()

    def get(self, sha256: bytes) -> Any:
        """Returns a record, or None; may be called from any thread."""
        return self._records.get(sha256)

    def keep(self, record: Any) -> None:
        """Adds a record, or marks it as the most recently used."""
        sha256 = record["sha256"].tobytes()
        self._is_saved &= self._records.pop(sha256, None) is not None
        self._records[sha256] = record

    def save_sometimes(self, number: int, count: int) -> None:
        """Every 10 s, saves and logs the progress."""
        if time.monotonic() - self._saved_s > _SAVE_EVERY_S:
            log.info("Computed the features of %d of %d photos.", number + 1, count)
            self.save()

    def save(self) -> None:
        """Writes the records atomically, if there are new ones."""
        if not self._is_saved:
            kept = list(self._records.values())[-MOST_CACHED:]
            rows = np.array(kept, self.dtype).tobytes()
            try:
                files.write_bytes(self._path, self._digest(rows) + rows)
            except OSError as error:  # A service may not be allowed to write it.
                log.warning(
                    "%s: cannot be written (%s), so the features are computed again "
                    "next time; check the permissions of the folder, or set "
                    "XDG_CACHE_HOME to another.",
                    *(self._path, error.strerror),
                )
        self._is_saved, self._saved_s = True, time.monotonic()


def _measure(
    paths: Sequence[Path], cache: _Cache, features: FeaturesFile
) -> Iterator[Any]:
    """Yields the record of each photo, or the `RequestError` of reading it."""
    workers = min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
    # An interpreter can be used by one thread at a time.
    local = threading.local()

    def start() -> None:
        local.embedder = _Embedder(features, cache.dtype)

    def measure(path: Path) -> Any:
        try:
            with files.reporting_unreadable(path, "check its permissions"):
                files.require_regular(path)
                data = files.read_limited(path, MOST_BYTES)
            sha256 = hashlib.sha256(data).digest()
            known = cache.get(sha256)
            if known is not None:
                return known
            return local.embedder.measure(data, sha256, path)
        except RequestError as error:
            return error

    pool = ThreadPoolExecutor(workers, initializer=start)
    try:
        yield from pool.map(measure, paths)
    finally:
        # After Ctrl-C or an error, the remaining photos are not waited for.
        pool.shutdown(cancel_futures=True)


class _Embedder:
    """Makes records; one thread at a time may use it."""

    def __init__(self, features: FeaturesFile, dtype: np.dtype[Any]) -> None:
        self._image, self._dtype = features.manifest.image, dtype
        self._runner = litert.load(features.path, content=features.content)
        signature = self._runner.signature
        self._encoder = PixelEncoder(self._image, signature, features.path)

    def measure(self, data: bytes, sha256: bytes, path: Path) -> Any:
        """Returns the record of a photo.

        Raises:
            RequestError: It is not an intact image.
        """
        image = decode_image(data, files.printable(path))
        pixels = fit_image(image, self._image.preprocessing)
        (values,) = self._runner.run(self._encoder.encode(pixels)).values()
        record = np.zeros((), self._dtype)
        record["sha256"] = np.frombuffer(sha256, np.uint8)
        record["hash"] = difference_hash(image)
        record["thumbnail"] = make_thumbnail(image)
        record["features"] = values.reshape(-1)
        return record[()]
