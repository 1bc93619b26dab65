"""Copies shards of an address such as gs://bucket/name into the user's cache."""

import hashlib
from pathlib import Path

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import atomic
from corallite.train.data.listing.layout import SHARDS_FILE, SPLIT_FILE
from corallite.train.data.shards.packed import read_shard_names
from corallite.train.framework.keras import tf

# Suffix of the record of shards that are being copied.
_NEW = ".new"


def locate_images(data_dir: str) -> Path:
    """Returns the folder or the CSV of --data_dir; copies the shards of an address.

    Raises:
        RequestError: As `fetch_shards`.
    """
    return fetch_shards(data_dir) if "://" in data_dir else Path(data_dir)


def fetch_shards(address: str) -> Path:
    """Returns a folder with the shards of an address, and copies what it lacks.

    If it is interrupted, the next call copies the rest. If the address has other shards
    than before, those that differ are copied.

    Args:
        address: What `corallite pack --out` wrote to.

    Raises:
        RequestError: TensorFlow cannot read this kind of address, or there are no
            shards, or they cannot be copied.
    """
    url = address.rstrip("/")
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    folder = files.cache_folder() / "shards" / name
    record = _read(url, SHARDS_FILE)
    if _is_same(folder / SHARDS_FILE, record):
        return folder
    shards = _list_shards(folder, record)
    # It says that all others are there.
    (folder / SHARDS_FILE).unlink(missing_ok=True)
    for number, shard in enumerate(shards):
        index = _read(url, f"{shard}.json")
        if not (folder / shard).exists() or not _is_same(
            folder / f"{shard}.json", index
        ):
            _copy(url, folder / shard)
            files.write_bytes(folder / f"{shard}.json", index)
        logging.info("Copied %d of %d shards of %s.", number + 1, len(shards), url)
    files.write_bytes(folder / SPLIT_FILE, _read(url, SPLIT_FILE))
    files.write_bytes(folder / SHARDS_FILE, record)
    return folder


def _list_shards(folder: Path, record: bytes) -> list[str]:
    path = folder / f"{SHARDS_FILE}{_NEW}"
    files.write_bytes(path, record)
    shards = read_shard_names(path)
    path.unlink()
    return shards


def _is_same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _read(url: str, name: str) -> bytes:
    try:
        with tf.io.gfile.GFile(f"{url}/{name}", "rb") as file:
            content: bytes = file.read()
    except tf.errors.OpError as error:
        raise _unusable(f"{url}/{name}", error) from error
    return content


def _copy(url: str, path: Path) -> None:
    with atomic.replacing(path) as partial:
        try:
            tf.io.gfile.copy(f"{url}/{path.name}", str(partial), overwrite=True)
        except tf.errors.OpError as error:
            raise _unusable(f"{url}/{path.name}", error) from error


def _unusable(address: str, error: Exception) -> RequestError:
    reason = str(getattr(error, "message", error)).split("\n")[0][:200]
    return RequestError(
        f"{address}: cannot be read ({reason}); check the address, your credentials "
        "and that corallite pack has finished, and run the same command again."
    )
