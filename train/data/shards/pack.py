"""Packs a folder of labelled images into shards: `corallite pack`."""

import dataclasses
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import atomic
from corallite.train.data import run_split, split
from corallite.train.data.decoded.reader import Reader, folder_reader, verifying
from corallite.train.data.listing.images import Listing, list_images
from corallite.train.data.listing.layout import SHARDS_FILE, SPLIT_FILE
from corallite.train.data.shards import plan, remote
from corallite.train.data.shards.index import ShardIndex, read_index
from corallite.train.data.shards.plan import PlannedShard
from corallite.train.data.shards.write_shard import write_shard
from corallite.train.data.split import SplitAssignment
from corallite.train.runs import lock

# No photo is too small yet: the network is chosen later.
_SIDE = 1
_CLASSES_FILE = "classes.txt"
_OURS = re.compile(r"(train|val|test)-\d{5}-of-\d{5}\.tfrecord(\.json)?")
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class PackResult:
    """What was packed.

    Attributes:
        images: Number of images in the shards.
        shards: Number of shards.
        size: Bytes of the shards.
        unreadable: Number of images that could not be read or decoded.
    """

    images: int
    shards: int
    size: int
    unreadable: int


def pack(
    data_dir: Path,
    out: str,
    group_by: str | None = None,
    *,
    most_bytes: int = plan.MOST_BYTES,
) -> PackResult:
    """Splits the images of `data_dir` as a training does, and writes them into shards.

    Shards that are complete are kept, so the same call resumes.

    Args:
        data_dir: Class folders, class folders in splits, or a CSV.
        out: A folder, or a `gs://` address; must be empty or hold what this wrote.
        group_by: See `prepare_data`.
        most_bytes: Largest size of a shard, about.

    Raises:
        RequestError: The images cannot be used (see `prepare_data`), have changed in
            the meantime, or `out` holds something else.
        OSError: A file cannot be written; the error has its path.
        KeyboardInterrupt: A signal stopped it; the same call resumes.
    """
    target = remote.open_target(out)
    folder = target.folder
    _check_folder(data_dir, folder)
    with lock.hold(folder, "pack"):
        listing = list_images(data_dir)
        made = _find_split(listing, folder, group_by)
        shards = _plan(listing, made, most_bytes)
        indexes = _write_all(target, listing, made, shards)
        unreadable = [path for index in indexes for path in index.unreadable]
        total = len(made.unreadable) + sum(len(shard.files) for shard in shards)
        unreadable += made.unreadable
        run_split.check_unreadable(data_dir, unreadable, total)
        _complete(target, made, shards)
    size = sum(index.size for index in indexes)
    return PackResult(total - len(unreadable), len(shards), size, len(unreadable))


def _check_folder(data_dir: Path, folder: Path) -> None:
    files.require_folder(folder)
    if data_dir.is_dir() and folder.resolve().is_relative_to(data_dir.resolve()):
        raise RequestError(
            f"{folder} is inside the folder of the images and would become a class; "
            f"give an --out outside {data_dir}."
        )
    if folder.is_dir() and not (folder / SPLIT_FILE).exists():
        others = [x for x in folder.iterdir() if not x.name.startswith(".")]
        names = {x.name for x in others} - {_CLASSES_FILE}
        if names:
            raise RequestError(
                f"{folder}: holds other files, such as {min(names)}; give --out "
                "another folder."
            )
    if (folder / "run.json").exists():
        raise RequestError(f"{folder}: is a run folder; give --out another folder.")


def _find_split(
    listing: Listing, folder: Path, group_by: str | None
) -> SplitAssignment:
    """Returns the split of an earlier call if no image has changed, else makes one."""
    made = run_split.find_split(listing, folder, is_cached=False)
    if made is not None and made.group_by == group_by:
        return made
    (folder / SHARDS_FILE).unlink(missing_ok=True)
    return run_split.make_split(
        listing, folder, _SIDE, group_by, shares_val=lambda num_classes: False
    )


def _plan(
    listing: Listing, made: SplitAssignment, most_bytes: int
) -> list[PlannedShard]:
    sizes = {}
    for members in made.splits.values():
        for file in members:
            path = listing.data_dir / file.path
            with files.reporting_unreadable(path, "restore it"):
                sizes[file.path] = path.stat().st_size
    return plan.plan_shards(made.splits, sizes, most_bytes)


def _write_all(
    target: remote.Target,
    listing: Listing,
    made: SplitAssignment,
    shards: list[PlannedShard],
) -> list[ShardIndex]:
    """Returns the index of each shard; writes those that are missing, in parallel."""
    labels = {name: number for number, name in enumerate(made.class_names)}
    found = {shard.name: _find_index(target, shard) for shard in shards}
    missing = [shard for shard in shards if found[shard.name] is None]
    if len(missing) < len(shards):
        logging.info("%d of %d shards exist.", len(shards) - len(missing), len(shards))
    with _workers() as (pool, check):
        futures = {}
        for shard in missing:
            read = verifying(
                folder_reader(listing.data_dir),
                {file.path: file.sha256 for file in shard.files},
                "run the same command again",
            )
            arguments = target, shard, labels, read, check
            futures[pool.submit(_write_one, *arguments)] = shard.name
        for number, future in enumerate(as_completed(futures), 1):
            index = found[futures[future]] = future.result()
            for reason in index.unreadable.values():
                logging.warning("Skipped %s", files.printable(reason))
            logging.info("Wrote %d of %d shards.", number, len(missing))
    return [index for index in found.values() if index is not None]


def _write_one(
    target: remote.Target,
    shard: PlannedShard,
    labels: dict[str, int],
    read: Reader,
    check: Callable[[], None],
) -> ShardIndex:
    index = write_shard(target.folder, shard, labels, read, check)
    target.send(shard.name, shard.index_name)
    return index


def _find_index(target: remote.Target, shard: PlannedShard) -> ShardIndex | None:
    path = target.folder / shard.index_name
    if not path.exists():
        return None
    index = read_index(path, "the same command")
    is_whole = target.size(shard.name) == index.size
    is_whole = is_whole and target.size(shard.index_name) is not None
    return index if is_whole and index.digest == shard.digest() else None


@contextmanager
def _workers() -> Iterator[tuple[ThreadPoolExecutor, Callable[[], None]]]:
    """Yields threads, and what ends their work early if the block raises."""
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise InterruptedError

    with ThreadPoolExecutor(min(16, (os.cpu_count() or 1) + 2)) as pool:
        try:
            yield pool, check
        except BaseException as error:
            stop.set()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                logging.warning("Stopped; run the same command to resume.")
            raise


def _complete(
    target: remote.Target, made: SplitAssignment, shards: list[PlannedShard]
) -> None:
    """Removes what earlier calls with other images left, and writes what is last."""
    folder = target.folder
    names = {name for x in shards for name in (x.name, x.index_name)}
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in names:
            path.unlink()
    atomic.remove_all_leftovers(folder)
    record = {
        "format": _FORMAT,
        "digest": split.digest_splits(made.splits),
        "shards": [
            {"name": x.name, "split": x.split, "images": len(x.files)} for x in shards
        ],
    }
    files.write_json(folder / SHARDS_FILE, record)
    target.send(_CLASSES_FILE, SPLIT_FILE, SHARDS_FILE)
