"""The index of a shard: where in the file each image is, without decoding any."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from corallite.device.system import files
from corallite.train.data.content import Fault

_FORMAT = 1


@dataclass(frozen=True)
class ShardIndex:
    """Where the images of a shard are, in the order of `PlannedShard.files`.

    Attributes:
        digest: See `PlannedShard.digest`.
        size: Bytes of the shard.
        offsets: First byte of each image file in the shard.
        lengths: Bytes of each image file; 0 if it is not in the shard.
        unreadable: The reason for each path that is not in the shard.
        faults: What is wrong with the pixels of a path that has one.
    """

    digest: str
    size: int = 0
    offsets: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)


def write_index(path: Path, index: ShardIndex) -> None:
    """Writes an index as JSON."""
    files.write_json(path, {"format": _FORMAT, **asdict(index)})


def read_index(path: Path, command: str) -> ShardIndex:
    """Reads what `write_index` wrote.

    Args:
        path: The file.
        command: Writes it again if it is removed.

    Raises:
        RequestError: It is damaged; names the command.
        FileNotFoundError: There is no such file.
    """
    return files.read_record(path, _parse, command)


def _parse(content: dict[str, Any]) -> ShardIndex:
    if content.pop("format") != _FORMAT:
        raise ValueError(f"Expected `format` to be {_FORMAT}.")
    faults = {path: Fault(**fault) for path, fault in content.pop("faults").items()}
    index = ShardIndex(**content, faults=faults)
    if len(index.offsets) != len(index.lengths):
        raise ValueError("Expected as many `offsets` as `lengths`.")
    return index
