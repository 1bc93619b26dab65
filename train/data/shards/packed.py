"""Reads what `corallite pack` wrote: a folder of shards."""

import bisect
import errno
import functools
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.content import Fault
from corallite.train.data.listing.layout import SHARDS_FILE, SPLIT_FILE
from corallite.train.data.shards.index import ShardIndex, read_index
from corallite.train.data.shards.order import CHUNK
from corallite.train.data.shards.plan import PlannedShard, storage_order
from corallite.train.data.split import SplitAssignment, digest_splits, read_split

# Open at the same time, of any number of shards.
_MOST_OPEN = 128
# Of which the disk was asked to read ahead lately.
_MOST_CHUNKS = 1024
_REMEDY = "copy it again, or run the corallite pack command again"


class Packed:
    """The images of a folder of shards.

    Attributes:
        assignment: Their splits, with label, group and content hash of each.
    """

    def __init__(
        self,
        folder: Path,
        assignment: SplitAssignment,
        shards: Sequence[tuple[PlannedShard, ShardIndex]],
    ):
        self.assignment = assignment
        self._unreadable: dict[str, str] = {}
        self._faults: dict[str, Fault] = {}
        paths: list[str] = []
        for shard, index in shards:
            self._unreadable |= index.unreadable
            self._faults |= index.faults
            paths += [file.path for file in shard.files]
        numbers = [np.full(len(s.files), n) for n, (s, _) in enumerate(shards)]
        # Sorted by path, of which each is in one split.
        order = sorted(range(len(paths)), key=paths.__getitem__)
        self._paths = [paths[number] for number in order]
        self._shards = np.concatenate(numbers)[order]
        self._offsets = np.concatenate([x.offsets for _, x in shards])[order]
        self._lengths = np.concatenate([x.lengths for _, x in shards])[order]
        self._chunks = [_chunks(index) for _, index in shards]
        names = [folder / shard.name for shard, _ in shards]

        @functools.lru_cache(_MOST_OPEN)
        def open_shard(number: int) -> _OpenFile:
            return _OpenFile(names[number])

        # A chunk is remembered so that the request is not repeated for each image.
        @functools.lru_cache(_MOST_CHUNKS)
        def read_ahead(number: int, offset: int, length: int) -> None:
            # Kept in a variable: else another thread could close it before the call.
            file = open_shard(number)
            os.posix_fadvise(file.descriptor, offset, length, os.POSIX_FADV_WILLNEED)

        self._open, self._read_ahead = open_shard, read_ahead

    def read(self, path: str) -> bytes:
        """Returns the content of an image file.

        Raises:
            RequestError: It could not be decoded when it was packed, and is in no
                shard.
            OSError: The shard cannot be read, or is shorter than before.
        """
        if path in self._unreadable:
            raise RequestError(self._unreadable[path])
        row = bisect.bisect_left(self._paths, path)
        number, offset = int(self._shards[row]), int(self._offsets[row])
        length = int(self._lengths[row])
        starts = self._chunks[number]
        chunk = int(np.searchsorted(starts, offset, side="right")) - 1
        first, end = int(starts[chunk]), int(starts[chunk + 1])
        self._read_ahead(number, first, end - first)
        file = self._open(number)
        content = os.pread(file.descriptor, length, offset)
        if len(content) != length:
            raise OSError(errno.EIO, f"{file.path.name} is truncated")
        return content

    def known(self, paths: Sequence[str]) -> tuple[dict[str, str], dict[str, Fault]]:
        """Returns which of these are unreadable, and why; and which have a fault."""
        wanted = set(paths)
        return (
            {path: x for path, x in self._unreadable.items() if path in wanted},
            {path: x for path, x in self._faults.items() if path in wanted},
        )


class _OpenFile:
    """A file that is closed with its last reference."""

    def __init__(self, path: Path):
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


def open_packed(folder: Path) -> Packed:
    """Opens a folder of shards; reads its indexes and no image.

    Raises:
        RequestError: It is not complete, or damaged.
    """
    record_path = folder / SHARDS_FILE
    if not record_path.exists():
        raise RequestError(
            f"{folder}: its images are not all packed; run the corallite pack command "
            "again, which resumes."
        )
    record = files.read_record(record_path, _parse, "corallite pack")
    assignment = read_split(folder / SPLIT_FILE)
    if digest_splits(assignment.splits) != record["digest"]:
        raise RequestError(
            f"{folder / SPLIT_FILE}: is not the split of these shards; {_REMEDY}."
        )
    return Packed(folder, assignment, _open_shards(folder, assignment, record))


def read_shard_names(path: Path) -> list[str]:
    """Returns the names of all shards that the file of shards names.

    Raises:
        RequestError: It is damaged.
    """
    record = files.read_record(path, _parse, "corallite pack")
    return [name for name, _, _ in record["shards"]]


def _open_shards(
    folder: Path, assignment: SplitAssignment, record: dict[str, Any]
) -> list[tuple[PlannedShard, ShardIndex]]:
    ordered = {
        name: iter([members[row] for row in storage_order(members)])
        for name, members in assignment.splits.items()
    }
    shards = []
    for name, split, count in record["shards"]:
        members = tuple(itertools.islice(ordered[split], count))
        shard = PlannedShard(name, split, members)
        shards.append((shard, _open_shard(folder, shard)))
    return shards


def _open_shard(folder: Path, shard: PlannedShard) -> ShardIndex:
    path = folder / shard.name
    with files.reporting_unreadable(folder / shard.index_name, _REMEDY):
        index = read_index(folder / shard.index_name, "corallite pack")
    with files.reporting_unreadable(path, _REMEDY):
        size = path.stat().st_size
    if size != index.size:
        raise RequestError(
            f"{path}: has {size:,} bytes in place of {index.size:,}; {_REMEDY}."
        )
    if index.digest != shard.digest() or len(index.offsets) != len(shard.files):
        raise RequestError(
            f"{folder / shard.index_name}: is not the index of this shard; {_REMEDY}."
        )
    return index


def _chunks(index: ShardIndex) -> np.ndarray:
    """Returns where each chunk of a shard begins, and the end of the last one."""
    return np.array([*index.offsets[::CHUNK], max(index.size, 1)], np.int64)


def _parse(content: dict[str, Any]) -> dict[str, Any]:
    shards = [
        (str(x["name"]), str(x["split"]), int(x["images"])) for x in content["shards"]
    ]
    if any("/" in name for name, _, _ in shards):
        raise ValueError("a name with a slash")
    return {"digest": str(content["digest"]), "shards": shards}
