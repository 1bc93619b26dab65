"""Decides which images lie in which shard, and in which order.

The images of a split lie in the order of their SHA-256, which is random. So any piece
of a shard is a random sample of the split, and the order depends on the images alone,
not on the number of shards.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corallite.train.data.listing.layout import SHARD_SUFFIX, SPLITS
from corallite.train.data.split import SplitFile

# A split of more has shards of 100 to 200 MB.
MOST_BYTES = 200_000_000


@dataclass(frozen=True)
class PlannedShard:
    """What a shard has to hold.

    Attributes:
        name: File name, such as "train-00003-of-00012.tfrecord".
        split: Name of the split.
        files: Its images, in the order in which they lie.
    """

    name: str
    split: str
    files: tuple[SplitFile, ...]

    @property
    def index_name(self) -> str:
        """File name of its index."""
        return f"{self.name}.json"

    def digest(self) -> str:
        """Returns a SHA-256 over everything that is written."""
        digest = hashlib.sha256(self.name.encode())
        for file in self.files:
            line = "\t".join((file.path, file.class_name, file.sha256, file.group))
            digest.update(f"{line}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def storage_order(files: Sequence[SplitFile]) -> list[int]:
    """Returns the rows of a split in the order in which they lie in its shards."""
    # Of equal files, the first: sorting is stable.
    return sorted(range(len(files)), key=lambda row: files[row].sha256)


def plan_shards(
    splits: Mapping[str, Sequence[SplitFile]],
    bytes_by_path: Mapping[str, int],
    most_bytes: int = MOST_BYTES,
) -> list[PlannedShard]:
    """Returns the shards of all splits, each with about the same number of bytes.

    Args:
        splits: The images of each split.
        bytes_by_path: Size of each image file.
        most_bytes: Size of the images of a shard, but for rounding to whole images.
    """
    return [
        shard
        for split in SPLITS
        for shard in _plan_split(split, splits[split], bytes_by_path, most_bytes)
    ]


def _plan_split(
    split: str,
    files: Sequence[SplitFile],
    bytes_by_path: Mapping[str, int],
    most_bytes: int,
) -> list[PlannedShard]:
    total = sum(bytes_by_path[file.path] for file in files)
    count = min(len(files), -(-total // most_bytes)) or 1
    members: list[list[SplitFile]] = [[] for _ in range(count)]
    done = 0
    for row in storage_order(files):
        # By the position of its first byte; the last shard has what rounding leaves.
        members[min(count - 1, done * count // max(1, total))].append(files[row])
        done += bytes_by_path[files[row].path]
    names = [f"{split}-{n:05d}-of-{count:05d}{SHARD_SUFFIX}" for n in range(count)]
    return [
        PlannedShard(name, split, tuple(files))
        for name, files in zip(names, members, strict=True)
        if files
    ]
