"""Writes one shard: the original bytes of its images, and an index; then verifies it.

A shard is a TFRecord file of `tf.train.Example`s with the usual names of features, so
any program that reads those can read it too.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from corallite.device.image.preprocess import decode_image
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import atomic
from corallite.train.data.content import find_fault
from corallite.train.data.decoded.reader import ChangedImageError, Reader
from corallite.train.data.shards.index import ShardIndex, write_index
from corallite.train.data.shards.plan import PlannedShard
from corallite.train.data.split import SplitFile
from corallite.train.framework.keras import tf
from corallite.train.framework.tensorboard_log import reporting_a_full_disk

# A record is its length (8 bytes), a checksum of that (4), the data, and a checksum.
_BEFORE, _AFTER = 12, 4


def write_shard(
    folder: Path,
    shard: PlannedShard,
    labels: dict[str, int],
    read: Reader,
    check: Callable[[], None],
) -> ShardIndex:
    """Writes a shard and its index into `folder`, and reads both back.

    Args:
        folder: Receives both; an interrupted call leaves neither.
        shard: What it has to hold.
        labels: Number of each class.
        read: Returns the content of an image file, of the SHA-256 in the split.
        check: Called before each image; may raise to stop.

    Raises:
        RequestError: What was read back is not what was written.
        OSError: It cannot be written; the error has the path.
    """
    path = folder / shard.name
    index = ShardIndex(shard.digest())
    with atomic.replacing(path) as partial:
        with (
            reporting_a_full_disk(path),
            tf.io.TFRecordWriter(str(partial)) as writer,
        ):
            size = 0
            for file in shard.files:
                check()
                size += _append(writer, size, shard, file, labels, read, index)
        index = ShardIndex(**{**vars(index), "size": size})
        _verify(path, partial, shard, index)
    write_index(folder / shard.index_name, index)
    return index


def _append(
    writer: "tf.io.TFRecordWriter",
    start: int,
    shard: PlannedShard,
    file: SplitFile,
    labels: dict[str, int],
    read: Reader,
    index: ShardIndex,
) -> int:
    """Appends an image that can be decoded; returns the bytes that were written."""
    try:
        data = read(file.path)
        fault = find_fault(decode_image(data, file.path), data)
    except ChangedImageError:
        raise
    except RequestError as error:
        index.unreadable[file.path] = str(error)
        index.offsets.append(start)
        index.lengths.append(0)
        return 0
    if fault:
        index.faults[file.path] = fault
    record = _to_example(shard, file, labels, data)
    writer.write(record)
    index.offsets.append(start + _BEFORE + record.index(data))
    index.lengths.append(len(data))
    return _BEFORE + len(record) + _AFTER


def _to_example(
    shard: PlannedShard, file: SplitFile, labels: dict[str, int], data: bytes
) -> bytes:
    texts = {
        "image/class/text": file.class_name,
        "image/filename": file.path,
        "image/group": file.group,
        "image/sha256": file.sha256,
        "image/split": shard.split,
    }
    values = {
        name: text.encode("utf-8", "surrogateescape") for name, text in texts.items()
    }
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in {**values, "image/encoded": data}.items()
    }
    label = tf.train.Int64List(value=[labels[file.class_name]])
    features["image/class/label"] = tf.train.Feature(int64_list=label)
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _verify(path: Path, partial: Path, shard: PlannedShard, index: ShardIndex) -> None:
    """Compares each image with its hash; TensorFlow compares the checksums."""
    written = [
        x for x in zip(shard.files, index.offsets, index.lengths, strict=True) if x[2]
    ]
    with partial.open("rb") as content:
        for file, offset, length in written:
            content.seek(offset)
            if hashlib.sha256(content.read(length)).hexdigest() != file.sha256:
                raise _damaged(path)
    try:
        count = sum(1 for _ in tf.data.TFRecordDataset(str(partial)))
    except tf.errors.DataLossError as error:
        raise _damaged(path) from error
    if count != len(written) or partial.stat().st_size != index.size:
        raise _damaged(path)


def _damaged(path: Path) -> RequestError:
    return RequestError(
        f"{path}: what was read back is not what was written; check the disk and run "
        "the same command again."
    )
