"""Opens the images of the splits: arrays that exist, new ones, or streamed images."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from absl import logging

from corallite.train.data.decoded import cache, shared_folder
from corallite.train.data.decoded.cache import DecodedSplit, cache_key
from corallite.train.data.decoded.reader import Reader, Source, verifying
from corallite.train.data.decoded.settings import FOLDER, Settings
from corallite.train.data.decoded.streamed import StreamedImages
from corallite.train.data.listing.layout import SPLITS
from corallite.train.data.split import SplitAssignment, digest_splits

# Those that are read most often for their size come first.
_ORDER = ("val", "test", "train")


@dataclass(frozen=True)
class Wanted:
    """Images to open.

    Attributes:
        made: Which images each split has.
        settings: How they are read.
        run_dir: Of a run of an earlier version, which has its own arrays.
    """

    made: SplitAssignment
    settings: Settings
    run_dir: Path

    @property
    def key(self) -> str:
        """Names the set in the shared folder."""
        digest = digest_splits(self.made.splits)
        return cache_key(digest, self.settings.preprocessing)

    def paths(self, split: str) -> list[str]:
        """Returns the images of a split, readable or not."""
        return [file.path for file in self.made.splits[split]]


def open_splits(
    wanted: Wanted, find_source: Callable[[], Source]
) -> dict[str, DecodedSplit]:
    """Returns all splits: from the cache, decoded where it has room, else streamed.

    Args:
        wanted: The images.
        find_source: Returns where they are; called if they are not in the cache.

    Raises:
        RequestError: They have changed (see `verifying`), or `find_source` raises it.
        OSError: The cache folder cannot be written; the error has the name of the file.
    """
    key = wanted.key
    cache.remove_others(wanted.run_dir / FOLDER, key)
    found = {name: _find_array(wanted, key, name) for name in SPLITS}
    splits = {name: split for name, split in found.items() if split is not None}
    if len(splits) < len(found):
        splits |= _make_missing(wanted, key, splits, find_source())
    return splits


def _find_array(wanted: Wanted, key: str, split: str) -> DecodedSplit | None:
    """Returns a split whose array is there and whole."""
    count = len(wanted.made.splits[split])
    # Earlier versions kept them in the run, whose folder has nothing else to find now.
    if any((wanted.run_dir / FOLDER).glob("*.npy")):
        found = cache.open_split(wanted.run_dir / FOLDER, split, key, count)
        if found is not None:
            return found
    return cache.open_split(shared_folder.use(key), split, key, count)


def _make_missing(
    wanted: Wanted, key: str, found: Mapping[str, DecodedSplit], source: Source
) -> dict[str, DecodedSplit]:
    made = {}
    read = _verify(wanted.made, source.read)
    folder = shared_folder.use(key)
    with shared_folder.writing(folder):
        for name in (name for name in _ORDER if name not in found):
            # Another process may have decoded it while this one waited.
            split = _find_array(wanted, key, name)
            if split is None and _is_room(wanted, name):
                paths, how = wanted.paths(name), wanted.settings.preprocessing
                split = cache.write_split(folder, name, key, read, paths, how)
            made[name] = split or _stream(wanted, key, name, source, read)
    return made


def _verify(made: SplitAssignment, read: Reader) -> Reader:
    expected = {file.path: file.sha256 for x in made.splits.values() for file in x}
    return verifying(read, expected, "restore it, or choose a new --run_dir")


def _is_room(wanted: Wanted, split: str) -> bool:
    settings, count = wanted.settings, len(wanted.made.splits[split])
    size = count * 3 * math.prod(settings.preprocessing.size_hw)
    is_room = shared_folder.make_room(size, settings.cache_gb)
    if not is_room:
        logging.info(
            "The cache has no room for the %d images of the %s split, %.3g GB "
            "(see --cache_gb of corallite train): they are decoded whenever they are "
            "read.",
            *(count, split, size / 1e9),
        )
    return is_room


def _stream(
    wanted: Wanted, key: str, split: str, source: Source, read: Reader
) -> DecodedSplit:
    paths = wanted.paths(split)
    if source.known is not None:
        unreadable, faults = source.known(paths)
    else:
        folder = shared_folder.use(key)
        unreadable, faults = cache.check_split(folder, split, key, read, paths)
    left = [path for path in paths if path not in unreadable]
    # Shards verify what they read.
    reader = read if source.known is None else source.read
    images = StreamedImages(reader, left, wanted.settings.preprocessing)
    return DecodedSplit(images, unreadable, faults)
