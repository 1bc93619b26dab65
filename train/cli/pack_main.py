"""Packs a folder of labelled images into shards, for sets that are large or far away.

corallite pack --data_dir=photos --out=shards

The shards are TFRecord files of 100 to 200 MB with the original files, their labels,
splits, groups and hashes. `corallite train --data_dir=shards` reads them. If
interrupted, the same command resumes.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.device.cli import program
from corallite.train.cli import data_flags
from corallite.train.data.shards.pack import pack

_DATA_DIR = data_flags.define_photo_dir()
_GROUP_BY = data_flags.define_group_by()
_OUT = flags.DEFINE_string(
    "out", None, "Folder for the shards, or gs://BUCKET/NAME.", required=True
)


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    result = pack(Path(_DATA_DIR.value), _OUT.value, _GROUP_BY.value)
    skipped = f", {result.unreadable:,} skipped" if result.unreadable else ""
    print(
        f"{_OUT.value}: {result.images:,} images in {result.shards:,} shards, "
        f"{result.size:,} bytes{skipped}"
    )


if __name__ == "__main__":
    program.run(main)
